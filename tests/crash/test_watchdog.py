"""A worker that hangs ends itself, soon and with all its processes, whatever became of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from django.db import OperationalError
from django.utils import timezone

from reasoning import wakeups, watchdog
from tests.crash.site import Site, site, until

SILENCE = 3.0
DRAIN = 2.0
SLACK = 6.0  # the tests' machine is busy


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    with site("http://127.0.0.1:9/v1") as place:
        place.environment["DJANGO_SETTINGS_MODULE"] = "tests.crash.watchdog_settings"
        yield place


@pytest.fixture
def worker(place: Site) -> Iterator[subprocess.Popen[bytes]]:
    """A worker one of whose processes drains."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent has ended")
    place.ask("DELETE FROM reasoning_worker RETURNING 1")
    place.ask("DELETE FROM django_q_ormq RETURNING 1")
    process = place.manage("worker")
    until(lambda: beating(place), "a drainer should beat")
    yield process
    process.kill()
    process.wait()


def beating(place: Site) -> list[tuple[str, object]]:
    return [(str(name), started) for name, started in place.ask("SELECT name, started_at FROM reasoning_worker")]


def family(worker: subprocess.Popen[bytes]) -> tuple[psutil.Process, list[psutil.Process]]:
    """The sentinel and its children in the order of their start: three queue workers, then monitor and pusher."""
    [sentinel] = psutil.Process(worker.pid).children()
    return sentinel, sorted(sentinel.children(), key=lambda child: (child.create_time(), child.pid))


def assert_it_ends(place: Site, worker: subprocess.Popen[bytes], within: float) -> None:
    assert worker.wait(within) == 1, place.log.read_text(errors="replace")[-4000:]
    group = worker.pid
    until(lambda: not [pid for pid in psutil.pids() if in_group(pid, group)], "no process should be left", 5)


def in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_a_dead_processs_lock_on_the_queue_does_not_stop_the_loop_for_ever(place, worker):
    seen = set(beating(place))
    until(lambda: len(set(beating(place)) - seen) > 0, "the watchdog's nudge brings a drain before any schedule")
    assert worker.poll() is None
    _, children = family(worker)
    for child in children[:3]:  # an idle one held the lock; those that take their places wait for it
        child.kill()
    until(lambda: len(family(worker)[1]) == 5, "the sentinel starts others")
    assert_it_ends(place, worker, within=DRAIN + 2 * SILENCE + SLACK)
    assert '"silence"' in place.log.read_text()


def test_stopped_processes_are_ended_and_the_worker_with_them(place, worker):
    sentinel, children = family(worker)
    assert len(children) >= 5
    for process in [sentinel, *children]:
        process.suspend()
    assert_it_ends(place, worker, within=2 * SILENCE + SLACK)


def test_a_worker_whose_sentinel_was_killed_ends_and_leaves_no_orphans(place, worker):
    group = worker.pid
    sentinel, _ = family(worker)
    sentinel.kill()
    assert worker.wait(SLACK) == 1
    until(lambda: not [pid for pid in psutil.pids() if in_group(pid, group)], "no process should be left", 5)


def test_a_worker_that_was_killed_leaves_no_orphans(place, worker):
    family(worker)[0].suspend()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(SLACK)
    until(lambda: not [pid for pid in psutil.pids() if in_group(pid, worker.pid)], "no process should be left", 5)


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch) -> watchdog.Watchdog:
    """A watchdog over a cluster that gives no sign of life."""
    monkeypatch.setattr(watchdog, "beats", set)
    monkeypatch.setattr(wakeups, "wake", lambda: None)
    return watchdog.Watchdog()


def looks(dog: watchdog.Watchdog, seconds: float) -> str:
    """What the looks of so many seconds come to."""
    return next(filter(None, (dog.look(5.0) for _ in range(int(seconds / 5)))), "")


def test_a_worker_that_is_silent_is_nudged_and_then_ended_after_two_minutes(dog, monkeypatch):
    nudges = []
    monkeypatch.setattr(wakeups, "wake", lambda: nudges.append(dog.silent))
    assert looks(dog, 120) == ""
    assert nudges == [60.0, 75.0, 90.0, 105.0, 120.0]
    assert looks(dog, 5) == "silence"


def test_a_beat_of_any_worker_makes_good_and_the_same_beat_again_does_not(dog, monkeypatch):
    looks(dog, 115)
    beat, clock_ahead = timezone.now(), timezone.now() + timedelta(days=1)
    monkeypatch.setattr(watchdog, "beats", lambda: {("gone:1", clock_ahead)})
    looks(dog, 115)
    monkeypatch.setattr(watchdog, "beats", lambda: {("gone:1", clock_ahead), ("elsewhere:7", beat)})
    assert looks(dog, 125) == ""
    assert looks(dog, 5) == "silence"


def test_nobody_is_ended_because_the_database_is_away(dog, monkeypatch):
    def refuse() -> None:
        raise OperationalError

    looks(dog, 115)
    monkeypatch.setattr(watchdog, "beats", refuse)
    assert looks(dog, 3600) == ""
    monkeypatch.setattr(watchdog, "beats", set)
    assert looks(dog, 120) == ""
    assert looks(dog, 5) == "silence"


def test_a_stop_may_take_a_model_calls_time_and_a_little_more(dog):
    dog.stopping = True
    assert looks(dog, 80) == ""
    assert looks(dog, 5) == "stop"
