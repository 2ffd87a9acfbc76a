"""kill -9 of the worker, then of PostgreSQL, in the middle of a batch: afterwards every event is covered once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.crash.site import Site, site, until
from tests.loopback.server import LoopbackModel

EVENTS = 48
COMMANDS = {"worker": ("worker",), "reason": ("reason", "--forever")}


@pytest.fixture(scope="module")
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as model:
        yield model


@pytest.fixture(scope="module")
def place(model: LoopbackModel) -> Iterator[Site]:
    with site(model.url) as place:
        yield place


@pytest.fixture(autouse=True)
def stalling(model: LoopbackModel) -> None:
    model.reset()
    model.latency = 1.0


@pytest.fixture(params=COMMANDS)
def command(request) -> tuple[str, ...]:
    return COMMANDS[request.param]


OF_APP = "line.subject_id IN (SELECT s.id FROM memory_subject s JOIN memory_app a ON a.id = s.app_id WHERE a.name = %s)"


def published(place: Site, app: str) -> int:
    [(count,)] = place.ask(
        "SELECT count(*) FROM memory_representation v JOIN memory_line line ON line.id = v.line_id"
        f" WHERE v.status = 'published' AND {OF_APP}",
        app,
    )
    return int(count)


def leased(place: Site, app: str) -> int:
    [(count,)] = place.ask(
        "SELECT count(*) FROM reasoning_work w JOIN memory_line line ON line.id = w.line_id"
        f" WHERE w.state = 'leased' AND {OF_APP}",
        app,
    )
    return int(count)


def all_covered(place: Site, app: str) -> bool:
    """Whether each line has read all of the log, and nothing waits or is leased."""
    [(events, behind, busy)] = place.ask(
        "SELECT (SELECT count(*) FROM memory_event e JOIN memory_app a ON a.id = e.app_id WHERE a.name = %s),"
        " (SELECT count(*) FROM memory_feedentry f JOIN memory_subject s ON s.id = f.subject_id"
        "   JOIN memory_app a ON a.id = s.app_id LEFT JOIN memory_line l ON l.id = s.line_id"
        "   WHERE a.name = %s AND (f.position IS NULL OR l.cursor IS NULL OR f.position > l.cursor)),"
        f" (SELECT count(*) FROM reasoning_work w JOIN memory_line line ON line.id = w.line_id"
        f"   WHERE w.state <> 'idle' AND {OF_APP})",
        app, app, app,
    )  # fmt: skip
    return (events, behind, busy) == (EVENTS, 0, 0)


def assert_each_event_is_covered_once(place: Site, app: str) -> None:
    subjects = place.ask(
        "SELECT s.id, s.kind, s.head, s.line_id, l.cursor, s.current_id = l.head_id FROM memory_subject s"
        " JOIN memory_app a ON a.id = s.app_id LEFT JOIN memory_line l ON l.id = s.line_id WHERE a.name = %s",
        app,
    )
    assert sorted(kind for _, kind, *_ in subjects) == ["session"] * 4 + ["user"] * 2
    assert sum(head for _, _, head, *_ in subjects) == 2 * EVENTS, "each event joined its session's and its user's feed"
    for subject, _, head, line, cursor, current_is_head in subjects:
        positions = place.ask("SELECT position FROM memory_feedentry WHERE subject_id = %s ORDER BY position", subject)
        assert [position for (position,) in positions] == list(range(1, head + 1))
        ranges = place.ask(
            "SELECT covers_from, covers_to FROM memory_representation WHERE line_id = %s AND status = 'published'"
            " ORDER BY number",
            line,
        )
        assert (ranges[0][0], ranges[-1][1]) == (0, head)
        assert all(one[1] == other[0] for one, other in pairwise(ranges)), ranges
        assert len(ranges) > 1, "the batch had a middle"
        assert (cursor, current_is_head) == (head, True)
        [(rows, events)] = place.ask(
            "SELECT count(*), count(DISTINCT e.event_id) FROM memory_evidence e"
            " JOIN memory_conclusion c ON c.id = e.conclusion_id WHERE c.subject_id = %s",
            subject,
        )
        assert (rows, events) == (head, head), "each event is under one statement"
    assert place.ask("SELECT count(*) FROM reasoning_work WHERE lease_token IS NOT NULL") == [(0,)]
    assert place.ask("SELECT count(*) FROM reasoning_pass WHERE outcome = 'running'") == [(0,)]


def abandoned(place: Site, app: str) -> int:
    [(count,)] = place.ask(
        "SELECT count(*) FROM reasoning_pass p JOIN memory_line line ON line.id = p.line_id"
        f" WHERE p.outcome = 'abandoned' AND {OF_APP}",
        app,
    )
    return int(count)


def until_in_the_middle(place: Site, model: LoopbackModel, app: str) -> None:
    """Wait until versions have been published, others are being made, and events still come."""
    until(lambda: published(place, app) >= 2 and model.in_flight >= 2, "the middle of a batch")
    assert not all_covered(place, app)


def test_kill_9_of_the_worker_in_the_middle_of_a_batch(place, model, command):
    app = f"killed-{command[0]}"
    worker = place.manage(*command)
    writer = place.write(app, EVENTS)
    until_in_the_middle(place, model, app)
    place.kill_group(worker)
    assert leased(place, app) > 0, "it was killed with leases in its hands"
    model.latency = 0.1
    place.finish(writer)
    again = place.manage(*command)
    until(lambda: all_covered(place, app), "every event should be covered")
    assert_each_event_is_covered_once(place, app)
    assert abandoned(place, app) > 0
    again.terminate()
    place.finish(again, patience=20)


def test_kill_9_of_postgres_in_the_middle_of_a_batch(place, model, command):
    app = f"crashed-{command[0]}"
    worker = place.manage(*command)
    writer = place.write(app, EVENTS)
    until_in_the_middle(place, model, app)
    place.kill_postgres()
    place.ask("SELECT 1")  # whoever connects next starts it again, and it recovers
    model.latency = 0.1
    place.finish(writer)
    until(lambda: all_covered(place, app), "every event should be covered")
    assert worker.poll() is None, "the worker outlives the database's crash"
    assert_each_event_is_covered_once(place, app)
    worker.terminate()
    place.finish(worker, patience=30)


def test_sigterm_ends_in_good_time_and_gives_back_what_a_model_that_stalls_still_holds(place, model, command):
    app = f"stopped-{command[0]}"
    model.always("stall", seconds=60)
    worker = place.manage(*command)
    writer = place.write(app, 6)
    until(lambda: model.in_flight >= 2, "calls in flight")
    place.finish(writer)
    started = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    place.finish(worker, patience=4.0 + 12.0)
    assert time.monotonic() - started < 16, "MODEL_TIMEOUT and a little more"
    assert leased(place, app) == 0
    assert published(place, app) == 0
    states = place.ask(
        "SELECT DISTINCT w.state FROM reasoning_work w JOIN memory_line line ON line.id = w.line_id WHERE " + OF_APP,
        app,
    )
    assert states == [("waiting",)], "others may go on at once"
    place.ask("UPDATE reasoning_work SET state = 'idle', due_at = NULL WHERE state = 'waiting' RETURNING 1")
