"""Replies that are lost, and a server that dies: no event twice, none missing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict

import pytest
from memory.models import Event
from processes import ServerProcess
from proxy import DroppingProxy

from honcho import AsyncHoncho, Honcho, _attempts, buffer

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_attempts, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(buffer, "LONGEST_PAUSE", 0.05)


def stored() -> dict[str, list[str]]:
    """Return what is in the log, by session, in order."""
    found = defaultdict(list)
    for session, content in Event.objects.order_by("id").values_list("session__name", "content"):
        found[session].append(content)
    return found


def until_some_are_stored() -> None:
    """Wait until the buffer is in the middle of its work."""
    give_up = time.monotonic() + PATIENCE
    while not Event.objects.exists():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_writes_through_lost_replies_are_stored_once_each(proxy: DroppingProxy, key: str) -> None:
    with Honcho(proxy.url, key, max_retries=30) as client:
        for n in range(12):
            place = {"app_id": "a", "user_id": "u", "session_id": f"s{n % 2}"}
            client.apps.users.sessions.messages.create(**place, content=f"m{n}", is_user=True)
            client.apps.users.sessions.events.create_many(**place, events=[{"content": f"e{n}"}, {"content": f"f{n}"}])
    assert proxy.lost_after > 3
    assert stored() == {f"s{s}": [f"{word}{n}" for n in range(s, 12, 2) for word in ("m", "e", "f")] for s in range(2)}


def test_asynchronous_writes_through_lost_replies_are_stored_once_each(proxy: DroppingProxy, key: str) -> None:
    async def write() -> None:
        async with AsyncHoncho(proxy.url, key, max_retries=30) as client:
            messages = client.apps.users.sessions.messages
            await asyncio.gather(
                *(
                    messages.create(app_id="a", user_id="u", session_id="s", content=f"m{n}", is_user=True)
                    for n in range(20)
                )
            )

    asyncio.run(write())
    assert proxy.lost_after > 2
    assert sorted(stored()["s"]) == sorted(f"m{n}" for n in range(20))


def test_a_buffer_through_lost_replies_stores_each_event_once_and_in_order(proxy: DroppingProxy, key: str) -> None:
    with (
        Honcho(proxy.url, key) as client,
        client.buffer(app_id="a", user_id="u", flush_events=20, flush_seconds=0.01, exit_seconds=PATIENCE) as events,
    ):

        def write(session: str) -> None:
            for n in range(150):
                events.add(f"{session} {n}", session_id=session, is_user=True)

        writers = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert proxy.lost_after > 2
    assert stored() == {f"s{s}": [f"s{s} {n}" for n in range(150)] for s in range(3)}


def test_a_server_that_is_killed_while_a_buffer_sends_loses_nothing(process: ServerProcess, key: str) -> None:
    process.start()
    with Honcho(process.url, key) as client:
        events = client.buffer(app_id="a", user_id="u", session_id="s", flush_events=5, flush_seconds=0.0)
        for n in range(300):
            events.add(f"m{n}", is_user=True)
            if n == 150:
                until_some_are_stored()
                process.kill()
        process.start()
        events.close(PATIENCE)
    assert stored() == {"s": [f"m{n}" for n in range(300)]}
