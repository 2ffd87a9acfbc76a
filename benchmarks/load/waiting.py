"""What readers notice of clients that wait: the same reads beside none of them, and beside many."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.accounting import Accounts, tree_bytes
from benchmarks.load import measuring
from benchmarks.load.paths import Path, all_of
from benchmarks.load.site import CHECKOUT, WEB, Running, served
from benchmarks.tables import markdown

READ = "context"
READERS = 8
AT_REST = 0.3
"""Those who wait have come to rest once web and database use no more than this, in processors."""

START_SECONDS = 2.0
PATIENCE = 60.0
_SECOND = 1.0


def run(place: Running, waiting: Sequence[int], requests: int, rounds: int) -> list[dict[str, Any]]:
    """Read beside so many clients who wait, in rounds that take turns; return what that took."""
    key = measuring.make_key()
    with served(place):
        path = next(path for path in all_of({}) if path.name == READ)
        measuring.drive(place.port, key, path, READERS, measuring.WARMING, seed=0)
        found: dict[int, list[dict[str, Any]]] = {count: [] for count in waiting}
        for number in range(rounds):
            for count in waiting:
                found[count].append(_beside(place, key, path, count, requests, number))
    return [_summary(count, found[count]) for count in waiting]


def _beside(place: Running, key: str, path: Path, count: int, requests: int, seed: int) -> dict[str, Any]:
    with _waiters(place.port, key, count) as came:
        at_rest = _used_at_rest(place.accounts)
        one = measuring.accounted(place.accounts, measuring.drive, place.port, key, path, READERS, requests, seed)
        memory = tree_bytes(place.accounts.web)
        backends = len(place.accounts.backends(WEB))
    return {"round": one, "came": came, "memory": memory, "connections": backends, "at_rest": at_rest}


def _used_at_rest(accounts: Accounts) -> float:
    """Wait until those who wait have come to rest; return how much of a processor web and database use then."""
    give_up = time.monotonic() + PATIENCE
    while True:
        before, began = accounts.spent(), time.monotonic()
        time.sleep(_SECOND)
        spent = accounts.spent() - before
        used = (spent.web + spent.database) / (time.monotonic() - began)
        if used < AT_REST or time.monotonic() > give_up:
            return used


@contextmanager
def _waiters(port: int, key: str, count: int) -> Iterator[dict[str, int]]:
    """Have so many wait while the block runs; the yielded dict then says what became of them."""
    came: dict[str, int] = {}
    command = [sys.executable, "-m", "benchmarks.load.waiters", str(port), key, str(count)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(START_SECONDS)
        yield came
        came |= json.loads(process.communicate()[0])


def _summary(count: int, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "clients": count,
        **measuring.figures([each["round"] for each in found]),
        "memory_mib": round(max(each["memory"] for each in found) / 2**20),
        "at_rest": round(statistics.median(each["at_rest"] for each in found), 3),
        "connections": max(each["connections"] for each in found),
        "waiting": min(each["came"]["waiting"] for each in found),
        "refused": sum(each["came"].get("refused", 0) for each in found),
        "sent_away": sum(each["came"].get("sent away at once", 0) for each in found),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the result as a table."""
    header = [
        "clients who wait", "waiting at the end", "refused", "sent away at once", "reads/s", "p50 ms", "p95 ms",
        "p99 ms", "CPU ms a read", "processors at rest", "connections", "web MiB",
    ]  # fmt: skip
    return markdown(
        header,
        [
            [
                *(str(row[name]) for name in ("clients", "waiting", "refused", "sent_away")),
                f"{row['requests_per_second']:,.0f}",
                *(f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")),
                f"{row['cpu_ms']:.2f}",
                f"{row['at_rest']:.2f}",
                str(row["connections"]),
                str(row["memory_mib"]),
            ]
            for row in rows
        ],
    )
