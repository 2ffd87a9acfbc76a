"""Clients that wait: half for reasoning to catch up (``wait=``), half for an answer as it is written (``stream``).

python -m benchmarks.load.waiters PORT KEY COUNT

A process of its own. Each asks again at once when its time is over, and after a second where it was refused or sent
away at once. At the end of its input it prints, as JSON, how many waited then and what had become of the others.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.load.client import request
from benchmarks.load.filling import APP, SESSION, USERS, name

WAIT_SECONDS = 30
AT_ONCE_SECONDS = 1.0
"""Whoever has an answer sooner did not wait."""


class Waiters:
    """All of them, and what became of their requests."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.began: dict[int, float] = {}
        self.outcomes: Counter[str] = Counter()

    async def run(self, count: int) -> dict[str, int]:
        """Wait until the input ends; return what came of it."""
        tasks = [asyncio.create_task(self._wait(number)) for number in range(count)]
        await asyncio.to_thread(sys.stdin.read)
        ripe = time.monotonic() - AT_ONCE_SECONDS
        waiting = sum(began < ripe for began in self.began.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return {"waiting": waiting, **self.outcomes}

    async def _wait(self, number: int) -> None:
        place = f"/v1/apps/{APP}/users/{name(number % USERS)}"
        if number % 2:
            body = {"query": "What is planned for May?", "mode": "reason", "stream": True}
            message = request("POST", f"{place}/query", self.key, body)
        else:
            message = request("GET", f"{place}/sessions/{SESSION}/context?wait={WAIT_SECONDS}", self.key)
        while True:
            self.began[number] = time.monotonic()
            status = await self._ask(message)
            at_once = time.monotonic() - self.began.pop(number) < AT_ONCE_SECONDS
            self.outcomes["refused" if status >= 400 else "sent away at once" if at_once else "served"] += 1
            if at_once:
                await asyncio.sleep(AT_ONCE_SECONDS)

    async def _ask(self, message: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(message.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            status = int((await reader.readline()).split()[1])
            await reader.read()
            return status
        finally:
            writer.close()


if __name__ == "__main__":
    port, key, count = sys.argv[1:]
    print(json.dumps(asyncio.run(Waiters(int(port), key).run(int(count)))))
