"""Events that are sent in the background."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from scripted import Server, refused, said, sent

import honcho
from honcho import Buffer, FailedEvents, buffer

PLACE = {"app_id": "a", "user_id": "u", "session_id": "s"}
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "LONGEST_PAUSE", 0.01)


class Log:
    """Stores what is sent, by place, each id once; ``refuse`` may answer instead."""

    def __init__(self, *refusals: Any) -> None:
        self.stored: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.batches: list[int] = []
        self.refusals: Iterator[Any] = iter(refusals)
        self.open = threading.Event()
        self.open.set()
        self.server = Server(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert self.open.wait(PATIENCE)
        reply = next(self.refusals, None)
        if isinstance(reply, Exception):
            raise reply
        if reply is not None:
            return reply
        events = sent(request)
        self.batches.append(len(events))
        place = self.stored[request.url.path]
        known = {event["id"] for event in place}
        place += [event for event in events if event["id"] not in known]
        return said([])

    @property
    def contents(self) -> list[str]:
        return [event["content"] for events in self.stored.values() for event in events]

    def buffer(self, **options: Any) -> Buffer:
        return self.server.client().buffer(**{**PLACE, **options})


def test_events_go_out_together_in_order_with_ids_and_moments() -> None:
    log = Log()
    with log.buffer(flush_seconds=60) as events:
        ids = [events.add(f"m{n}", is_user=True) for n in range(3)]
    [(path, stored)] = log.stored.items()
    assert path == "/v1/apps/a/users/u/sessions/s/events"
    assert [event["content"] for event in stored] == ["m0", "m1", "m2"]
    assert [event["id"] for event in stored] == ids
    assert stored[0]["occurred_at"] <= stored[2]["occurred_at"]
    assert stored[0]["occurred_at"].endswith("+00:00")
    assert log.batches == [3]


def test_add_returns_before_anything_is_sent() -> None:
    log = Log()
    log.open.clear()
    events = log.buffer(flush_events=1)
    events.add("m0")
    assert events.waiting == 1
    log.open.set()
    events.close(PATIENCE)
    assert events.waiting == 0


def test_enough_events_go_out_before_their_time() -> None:
    log = Log()
    arrived = threading.Event()
    answer = log.server._replies[0]
    log.server._replies = [lambda request: (answer(request), arrived.set())[0]]
    events = log.buffer(flush_events=5, flush_seconds=3600)
    for n in range(5):
        events.add(f"m{n}")
    assert arrived.wait(PATIENCE)
    assert log.batches == [5]
    events.close(PATIENCE)


def test_time_is_enough_as_well() -> None:
    log = Log()
    arrived = threading.Event()
    answer = log.server._replies[0]
    log.server._replies = [lambda request: (answer(request), arrived.set())[0]]
    events = log.buffer(flush_events=1000, flush_seconds=0.01)
    events.add("m")
    assert arrived.wait(PATIENCE)
    events.close(PATIENCE)


def test_no_batch_is_larger_than_the_server_takes() -> None:
    log = Log()
    with log.buffer(flush_seconds=3600, flush_events=5000) as events:
        for n in range(2_100):
            events.add(f"m{n}")
        for n in range(3):
            events.add("x" * 2_000_000, id=f"large {n}")
    assert log.batches == [1000, 1000, 100 + 2, 1]
    assert max(len(request.content) for request in log.server.requests) <= 5 * 1024 * 1024


def test_places_are_kept_apart() -> None:
    log = Log()
    with log.buffer() as events:
        events.add("session")
        events.add("another", session_id="s2")
        events.add("user", user_id="u2")
        events.add("project", project_id="p")
    assert {path: events[0]["content"] for path, events in log.stored.items()} == {
        "/v1/apps/a/users/u/sessions/s/events": "session",
        "/v1/apps/a/users/u/sessions/s2/events": "another",
        "/v1/apps/a/users/u2/events": "user",
        "/v1/apps/a/projects/p/events": "project",
    }


def test_nothing_is_lost_twice_or_out_of_order_whatever_the_server_does() -> None:
    failures = [httpx.ConnectError("refused"), refused(503), httpx.ReadTimeout("slow"), refused(500), refused(429)]
    html = httpx.Response(404, text="<html>No such site.</html>")  # a proxy's, not Honcho's
    log = Log(*failures, html, *failures)
    with log.buffer(flush_events=3) as events:
        for n in range(20):
            events.add(f"m{n}")
            events.add(f"n{n}", session_id="s2")
    for place, word in (("s", "m"), ("s2", "n")):
        stored = log.stored[f"/v1/apps/a/users/u/sessions/{place}/events"]
        assert [event["content"] for event in stored] == [f"{word}{n}" for n in range(20)]


def test_one_event_that_cannot_be_taken_holds_up_no_other() -> None:
    named = refused(422, "invalid", [{"type": "x", "loc": ["body", 1, "content"], "msg": "No."}])
    log, failed = Log(named), []
    with log.buffer(flush_seconds=3600, on_error=lambda *what: failed.append(what)) as events:
        for n in range(4):
            events.add(f"m{n}")
    assert log.contents == ["m0", "m2", "m3"]
    [(what, why)] = failed
    assert isinstance(what, FailedEvents)
    assert [event["content"] for event in what.events] == ["m1"]
    assert (what.app_id, what.user_id, what.session_id, what.project_id) == ("a", "u", "s", None)
    assert isinstance(why, honcho.UnprocessableEntityError)


def test_an_event_that_no_refusal_names_is_found() -> None:
    log, failed = Log(), []

    def conflict(request: httpx.Request) -> httpx.Response:
        if any(event["content"] == "m13" for event in sent(request)):
            return refused(409, "conflict", "The id was used before with another body.")
        return log._answer(request)

    log.server._replies = [conflict]
    with log.buffer(flush_seconds=3600, on_error=lambda what, why: failed.extend(what.events)) as events:
        for n in range(40):
            events.add(f"m{n}")
    assert log.contents == [f"m{n}" for n in range(40) if n != 13]
    assert [event["content"] for event in failed] == ["m13"]


def test_a_batch_that_is_too_large_for_a_proxy_goes_in_parts_and_an_event_that_is_comes_back() -> None:
    log, failed = Log(), []

    def proxy(request: httpx.Request) -> httpx.Response:
        if len(request.content) > 1_000:
            return httpx.Response(413, text="<h1>413 Request Entity Too Large</h1>")
        return log._answer(request)

    log.server._replies = [proxy]
    with log.buffer(
        flush_seconds=3600, exit_seconds=2, on_error=lambda what, why: failed.extend(what.events)
    ) as events:
        for n in range(20):
            events.add("m" * 1_000 if n == 7 else f"m{n}")
    assert log.contents == [f"m{n}" for n in range(20) if n != 7]
    assert [event["content"] for event in failed] == ["m" * 1_000]


def test_a_key_that_opens_nothing_is_reported_at_once_and_not_asked_for_each_event() -> None:
    log, failed = Log(refused(401, "invalid_token")), []
    with log.buffer(flush_seconds=3600, on_error=lambda what, why: failed.extend(what.events)) as events:
        for n in range(10):
            events.add(f"m{n}")
    assert len(failed) == 10
    assert len(log.server.requests) == 1


def test_without_a_callback_the_log_says_so_without_the_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), Log(refused(401, "invalid_token")).buffer() as events:
        events.add("a secret")
    assert "1 events were not stored: 401 invalid_token" in caplog.text
    assert "secret" not in caplog.text


def test_a_callback_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(what: FailedEvents, why: honcho.HonchoError) -> None:
        raise RuntimeError("oh")

    log = Log(refused(401, "invalid_token"))
    with log.buffer(flush_events=1, on_error=fail) as events:
        events.add("m0")
        events.flush(PATIENCE)
        events.add("m1")
    assert log.contents == ["m1"]
    assert "on_error failed" in caplog.text


def test_a_callback_that_adds_to_a_full_buffer_is_refused_instead_of_waiting_for_itself() -> None:
    said_no: list[str] = []

    def again(what: FailedEvents, why: honcho.HonchoError) -> None:
        for _ in range(3):
            try:
                events.add("again")
            except honcho.BufferFullError:
                said_no.append("full")

    log = Log(refused(401, "invalid_token"))
    events = log.buffer(max_events=2, flush_seconds=0, on_error=again)
    events.add("m")
    events.flush(PATIENCE)
    events.close(PATIENCE)
    assert said_no == ["full", "full"]


def test_a_full_buffer_refuses_where_it_shall() -> None:
    log = Log()
    log.open.clear()
    events = log.buffer(max_events=2, when_full="raise")
    events.add("m0")
    events.add("m1")
    with pytest.raises(honcho.BufferFullError):
        events.add("m2")
    log.open.set()
    events.flush(PATIENCE)
    events.add("m3")
    events.close(PATIENCE)
    assert log.contents == ["m0", "m1", "m3"]


def test_a_full_buffer_lets_writers_wait_where_it_shall() -> None:
    log = Log()
    log.open.clear()
    events = log.buffer(max_bytes=1_000, flush_seconds=3600)
    writer = threading.Thread(target=lambda: [events.add("x" * 300, id=f"m{n}") for n in range(10)], daemon=True)
    writer.start()
    writer.join(0.05)
    assert writer.is_alive()
    log.open.set()
    writer.join(PATIENCE)
    assert not writer.is_alive()
    events.close(PATIENCE)
    assert [event["id"] for event in log.stored["/v1/apps/a/users/u/sessions/s/events"]] == [f"m{n}" for n in range(10)]


def test_what_cannot_be_sent_is_refused_at_once() -> None:
    with Log().buffer(max_bytes=1_000) as events:
        with pytest.raises(TypeError, match="set is not JSON"):
            events.add("m", data={1})
        with pytest.raises(ValueError, match="bytes"):
            events.add("x" * 2_000)
        with pytest.raises(ValueError, match="user_id"):
            Log().server.client().buffer(app_id="a", session_id="s").add("m")
    with pytest.raises(honcho.HonchoError, match="closed"):
        events.add("m")


def test_what_is_left_when_time_is_over_is_handed_back() -> None:
    log, failed = Log(*[httpx.ConnectError("refused")] * 10_000), []
    events = log.buffer(flush_events=1, on_error=lambda what, why: failed.append((what.events, why)))
    events.add("m0")
    with pytest.raises(honcho.UnsentEventsError):
        events.flush(0.01)
    assert events.waiting == 1
    with pytest.raises(honcho.UnsentEventsError, match="1 events"):
        events.close(0.01)
    [(left, why)] = failed
    assert [event["content"] for event in left] == ["m0"]
    assert isinstance(why, honcho.UnsentEventsError)


def test_many_threads_share_a_buffer() -> None:
    log = Log()
    with log.buffer(flush_events=10, max_events=50) as events:
        threads = [
            threading.Thread(target=lambda n=n: [events.add(f"{n} {i}", session_id=f"s{n}") for i in range(100)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for n in range(8):
        stored = log.stored[f"/v1/apps/a/users/u/sessions/s{n}/events"]
        assert [event["content"] for event in stored] == [f"{n} {i}" for i in range(100)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_the_parents_events_are_the_parents_to_send(tmp_path: Any) -> None:
    said_by_child = tmp_path / "child"
    code = f"""
import json, os, sys
sys.path[:0] = {[*sys.path]!r}
from test_sdk_buffer import Log
log = Log()
events = log.buffer(flush_seconds=3600)
events.add("parent")
pid = os.fork()
if pid == 0:
    events.add("child")
    events.close(20)
    open({str(said_by_child)!r}, "w").write(json.dumps(log.contents))
    os._exit(0)
os.waitpid(pid, 0)
events.close(20)
print(json.dumps(log.contents))
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["parent"]
    assert json.loads(said_by_child.read_text()) == ["child"]


def test_the_end_of_the_program_sends_what_is_left() -> None:
    code = f"""
import sys
sys.path[:0] = {[*sys.path]!r}
from test_sdk_buffer import Log
log = Log()
log.server._replies = [lambda request: (print(len(request.content) > 50, flush=True), log._answer(request))[1]]
log.buffer(flush_seconds=3600).add("m")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_end_of_a_process_of_multiprocessing_sends_what_is_left(method: str, tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing, sys
sys.path[:0] = {[*sys.path]!r}
from test_sdk_buffer import Log
log = Log()
log.server._replies = [lambda request: (print(len(request.content) > 50, flush=True), log._answer(request))[1]]
events = log.buffer(flush_seconds=3600)
def work():
    events.add("m")
if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
""")
    command = [sys.executable, "-W", "ignore", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_an_asynchronous_buffer_never_blocks_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.open.clear()
    monkeypatch.setattr(buffer.AsyncBuffer, "__init__", _over(log))

    async def write() -> int:
        turns = 0
        async with log.server.async_client().buffer(**PLACE, max_events=2, flush_seconds=0) as events:
            adding = asyncio.gather(*(events.add(f"m{n}", id=str(n)) for n in range(10)))
            while turns < 5:
                await asyncio.sleep(0.01)
                turns += 1
                assert not adding.done()
            log.open.set()
            await adding
            await events.flush(PATIENCE)
            assert events.waiting == 0
        return turns

    assert asyncio.run(write()) == 5
    assert sorted(log.contents) == [f"m{n}" for n in range(10)]


def _over(log: Log) -> Any:
    """Return an initialiser that sends to the test's server instead of over a network."""

    def init(self: Any, transport: Any, options: Any) -> None:
        self._buffer = Buffer(log.server.client()._transport, options)
        self._when_full = options.when_full

    return init
