"""The drainer: many calls in flight on few connections, woken by commits, stopped and disturbed without loss."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from memory import clock, feeds, publishing, restoring, statements
from memory.models import Representation, Subject
from reasoning import disposition, following, passes, providers, queue, signals
from reasoning import drainer as drainer_module
from reasoning.drainer import Drainer
from reasoning.models import Pass, Work, Worker
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Statement, Step
from tests.loop.helpers import (
    AT_ONCE,
    FakeProvider,
    claimed,
    drain,
    draining,
    others_connected,
    outcomes,
    people,
    prepared,
    truthful,
    work_of,
)
from tests.store.helpers import assert_covered_once, assert_evidence_once, events_in_log, person, say, together, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def published() -> int:
    return Representation.objects.filter(status="published").count()


def listens() -> bool:
    return listeners() > 0


def listeners() -> int:
    return sum(state == "idle" and query.startswith("LISTEN") for _, state, query, _ in others_connected())


def test_it_drains_until_nothing_waits_and_leaves_nothing_behind():
    subject = person()
    events = say("one", "two")
    provider = drain()
    assert_covered_once(subject, events)
    assert [len(request.events) for request in provider.requests] == [2]
    assert provider.closed
    assert outcomes() == ["published"]
    assert not Worker.objects.exists()
    until(lambda: others_connected() == [], "its connections should be closed")


def test_dozens_of_calls_are_in_flight_on_few_connections_and_none_is_held_during_a_call(settings):
    settings.HONCHO = AT_ONCE | {"WORKER_CONCURRENCY": 2, "CALLS_PER_CONNECTION": 16}
    for subject in people(40):
        say("hello", user=subject.user.name)
    provider = FakeProvider()
    provider.gate = threading.Event()
    most = 0
    with draining(provider):
        until(lambda: provider.in_flight == 32, "32 calls should be in flight")
        give_up = time.monotonic() + 1.0
        while time.monotonic() < give_up:
            now = others_connected()
            most = max(most, len(now))
            open_ones = [row for row in now if row[3] is not None and row[3] > 0.1]
            assert open_ones == [], "a transaction is open during the calls"
        assert provider.in_flight == 32, "no more than that"
        provider.gate.set()
        until(lambda: published() == 40, "all should be published")
        most = max(most, len(others_connected()))
    assert provider.peak == 32
    # Two for its passes; one that looks, one that beats, one that listens, and now and then one for the chores.
    assert most in (5, 6)
    assert set(outcomes()) == {"published"}


def test_a_commit_wakes_it_long_before_it_would_look_by_itself(settings):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 60}
    person()
    with draining(FakeProvider()):
        until(listens, "it should listen")
        started = time.monotonic()
        say("one")
        until(lambda: published() == 1, "the version", patience=20)
        assert time.monotonic() - started < 10


def test_a_commit_that_sends_no_wake_up_of_its_own_is_seen_all_the_same(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 60}
    for module in (signals, drainer_module):
        monkeypatch.setattr(module, "WAKE_SPACING_SECONDS", 0.5)
    person()
    with draining(FakeProvider()):
        until(listens, "it should listen")
        monkeypatch.setattr(signals, "_last_wake", 0.0)
        say("one")
        until(lambda: published() == 1, "the version", patience=20)
        say("two")
        assert time.monotonic() - signals._last_wake < 0.5, "too slow a machine: the second sent a wake-up too"
        until(lambda: published() == 2, "what came just after the wake-up", patience=20)


def test_without_a_wake_up_it_looks_by_itself(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 0.3}
    monkeypatch.setattr(signals, "wake", lambda: None)
    person()
    with draining(FakeProvider()):
        until(listens, "it should listen")
        say("one")
        until(lambda: published() == 1, "the version")


def test_what_settles_later_is_done_then_and_not_at_the_next_look(settings):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 60, "SETTLE_SECONDS": 0.5}
    person()
    with draining(FakeProvider()) as running:
        until(listens, "it should listen")
        say("one")
        until(lambda: published() == 1, "the version", patience=20)
        assert running.chain[0].provider.requests[0].events[0].content == "one"  # type: ignore[attr-defined]
    took = Pass.objects.get().started_at - Representation.objects.get().as_of
    assert took.total_seconds() >= 0.5, "not before it has settled"


def test_due_work_that_somebody_locks_is_no_reason_to_spin(monkeypatch):
    person()
    say("one")
    following.take_in()
    looks = []
    claim = queue.claim
    monkeypatch.setattr(queue, "claim", lambda *args: (looks.append(1), claim(*args))[1])
    with transaction.atomic():
        Work.objects.select_for_update().get()
        started = time.monotonic()
        with draining(FakeProvider()):
            time.sleep(1.0)
            count, lasted = len(looks), time.monotonic() - started
    assert 1 <= count <= 40 * lasted, f"it looked {count} times in {lasted} s"


def test_a_stop_lets_what_is_in_flight_end_and_claims_no_more(settings):
    for subject in people(3):
        say("one", user=subject.user.name)
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider) as running:
        until(lambda: provider.in_flight == 3, "three calls")
        running.stop()
        person("late")
        say("late", user="late")
        provider.gate.set()
    assert published() == 3
    assert not Work.objects.filter(state="leased").exists()
    assert len(provider.requests) == 3


def test_a_stop_gives_back_what_does_not_end_in_time(settings):
    settings.HONCHO = AT_ONCE | {"MODEL_TIMEOUT": 0.5}
    person()
    say("one")
    provider = FakeProvider()
    provider.gate = threading.Event()
    started = time.monotonic()
    with draining(provider) as running:
        until(lambda: provider.in_flight == 1, "the call")
        running.stop()
    assert time.monotonic() - started < 10
    work = work_of()
    assert (work.state, work.attempts, work.lease_token) == ("waiting", 0, None)
    assert outcomes() == ["abandoned"]
    drain()
    assert outcomes() == ["abandoned", "published"]


def test_it_says_that_it_lives_and_holds_its_leases(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 0.6, "POLL_INTERVAL": 0.1}
    person()
    say("one")
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call")
        lease = work_of()
        beat = Worker.objects.get()
        assert beat.name == drainer_module.worker_name()
        until(lambda: Worker.objects.get().beat_at > beat.beat_at, "another beat")
        with draining(FakeProvider()) as rival:
            time.sleep(1.5)
            asked = rival.chain[0].provider.requests  # type: ignore[attr-defined]
            assert asked == [], "the lease holds as long as its holder lives"
            renewed = work_of()
            assert renewed.lease_token == lease.lease_token
            assert renewed.due_at > lease.due_at
        provider.gate.set()
        until(lambda: published() == 1, "the version")


def test_two_drainers_share_the_work_and_do_none_twice():
    subjects = people(30)
    events = {subject.pk: say("one", "two", user=subject.user.name) for subject in subjects}
    one, other = FakeProvider(delay=0.05), FakeProvider(delay=0.05)
    with draining(one), draining(other):
        until(lambda: published() >= 30, "all should be published")
        until(lambda: not Work.objects.exclude(state="idle").exists(), "nothing should wait")
    for subject in subjects:
        assert_covered_once(subject, events[subject.pk])
        assert_evidence_once(subject, events[subject.pk])
    assert outcomes() == ["published"] * 30


def fails(error: Exception) -> object:
    def answer(request: Request) -> Answer:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "failure", "said"),
    [
        (ProviderError(Failure.NONSENSE, "not JSON", raw="blah"), "nonsense", "not JSON"),
        (ProviderError(Failure.RATE_LIMITED, "slow down", retry_after=50), "rate_limited", "slow down"),
        (ValueError("with content in it"), "ours", "ValueError in "),
    ],
    ids=["nonsense", "rate limit", "a bug of ours"],
)
def test_what_fails_is_on_the_work_row(error, failure, said):
    person()
    say("one")
    with draining(FakeProvider(fails(error))):  # type: ignore[arg-type]
        until(lambda: "failed" in outcomes(), "the failure")
    work = work_of()
    assert (work.state, work.last_failure, work.attempts) == ("waiting", failure, 1)
    assert work.last_error.startswith(said)
    assert "content" not in work.last_error
    row = Pass.objects.get()
    assert (row.outcome, row.failure, row.raw) == ("failed", failure, getattr(error, "raw", ""))
    assert published() == 0


def test_one_line_that_fails_does_not_hold_up_the_others():
    for subject in people(5):
        say("one", user=subject.user.name)

    def answer(request: Request) -> Answer:
        if request.subject == "user-2":
            raise ProviderError(Failure.NONSENSE, "no")
        return truthful(request)

    with draining(FakeProvider(answer)):
        until(lambda: published() == 4, "the others")
        until(lambda: "failed" in outcomes(), "the failure")


def test_a_rollback_during_a_call_is_not_overwritten_and_the_pass_is_tried_again(monkeypatch):
    monkeypatch.setattr(disposition, "BACKOFF_SECONDS", 0.1)
    person()
    say("one")
    drain()
    say("two")
    drain()
    say("three")
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call")
        rolled = restoring.roll_back(Subject.objects.get(), 1, reason="wrong")
        provider.gate.set()
        until(lambda: Representation.objects.filter(parent=rolled).exists(), "the next version")
    assert outcomes() == ["published", "published", "failed", "published"]
    newest = Representation.objects.get(parent=rolled)
    assert sorted(span.conclusion.content for span in publishing.spans_at(newest)) == [
        "It was said: one",
        "It was said: three",
    ]


def test_a_drainer_that_lost_its_lease_publishes_nothing(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 1_000}
    person()
    events = say("one")
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call")
        Work.objects.update(due_at=timezone.now())  # as if it had been silent for too long
        ready = prepared(claimed("another"))
        provider.gate.set()
        until(lambda: provider.in_flight == 0, "its answer")
    assert published() == 0
    assert work_of().lease_token == ready.claim.token
    from tests.loop.helpers import completion

    passes.complete(ready, completion(truthful(ready.request)))
    assert_covered_once(Subject.objects.get(), events)
    assert sorted(outcomes()) == ["abandoned", "published"]


def test_it_survives_that_all_its_connections_are_cut(settings):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 0.2, "LEASE_SECONDS": 1}
    subject = person()
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            say(f"line {number}")
            time.sleep(0.05)
        done.set()

    def cut() -> None:
        while not done.is_set():
            time.sleep(0.3)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND application_name = 'drainer'"
                )

    provider = FakeProvider(delay=0.05)
    from django.conf import settings as site

    options = site.DATABASES["default"].setdefault("OPTIONS", {})
    options["application_name"] = "drainer"
    with draining(provider):
        until(lambda: published() or say("first"), "it should run")
        del options["application_name"]
        together(write, cut)
        until(lambda: not Work.objects.exclude(state="idle").exists(), "nothing should wait")
        until(listens, "it should listen again")
    assert_covered_once(subject, events_in_log(subject))
    assert_evidence_once(subject, events_in_log(subject))


def away(monkeypatch, module, name: str, times: int) -> list[int]:
    """Let the first calls of a function find no database; return the list that counts them."""
    function = getattr(module, name)
    calls: list[int] = []

    def called(*args, **kwargs):
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError("the database is away")
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, called)
    return calls


@pytest.mark.parametrize(
    ("module", "name", "ends"),
    [
        (following, "take_in", ["published"]),
        (queue, "claim", ["published"]),
        (queue, "next_due", ["published"]),
        (passes, "prepare", ["abandoned", "published"]),
        (passes, "complete", ["abandoned", "published"]),
        (drainer_module, "_beat_worker", ["published"]),
        (drainer_module, "_connection_parameters", ["published"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_database_that_is_away_for_a_moment_is_waited_for(module, name, ends, settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 0.2, "LEASE_SECONDS": 0.5}
    subject = person()
    events = say("one")
    calls = away(monkeypatch, module, name, times=1)
    with draining(FakeProvider()):
        until(lambda: len(calls) > 1 and published() == 1, "the version")
        until(lambda: work_of().state == "idle", "nothing should wait")
    assert_covered_once(subject, events)
    assert outcomes() == ends


def test_a_stop_needs_no_database(monkeypatch):
    calls = away(monkeypatch, drainer_module, "_forget_worker", times=1)
    provider = FakeProvider()
    with draining(provider):
        until(listens, "it should listen")
    assert calls == [1]
    assert provider.closed


def test_the_loop_needs_no_django_q(monkeypatch, settings):
    subject = person()
    events = say("one")
    monkeypatch.setattr(providers, "configured", lambda settings: (Step(FakeProvider()),))
    call_command("reason", once=True)
    assert_covered_once(subject, events)


def test_a_drain_of_some_seconds_ends_after_them():
    provider = FakeProvider()
    started = time.monotonic()
    asyncio.run(Drainer(Step(provider)).run(seconds=0.5))
    assert 0.5 <= time.monotonic() - started < 10
    assert not Worker.objects.exists()


def test_to_stop_a_drainer_that_has_ended_does_nothing():
    drainer = Drainer(Step(FakeProvider()))
    asyncio.run(drainer.run(until_idle=True))
    drainer.stop()


def test_a_drainer_that_breaks_off_lets_go_of_the_connection_that_it_was_making(monkeypatch):
    class Connection: ...

    connecting = []

    async def connect(drainer):
        connection = Connection()
        connecting.append(weakref.ref(connection))
        await asyncio.sleep(30)

    async def break_off(drainer):
        await asyncio.sleep(0)
        raise ZeroDivisionError

    monkeypatch.setattr(Drainer, "_listen", connect)
    monkeypatch.setattr(Drainer, "_step", break_off)
    with pytest.raises(ZeroDivisionError) as told:
        asyncio.run(Drainer(Step(FakeProvider())).run())
    assert [each() for each in connecting] == [None], f"{told.value!r} holds all frames that it came through"


def test_a_word_stops_the_drainers_that_answer_to_it_and_no_others():
    from reasoning import wakeups

    mine, other = Drainer(Step(FakeProvider()), stop_word="mine"), Drainer(Step(FakeProvider()), stop_word="other")
    threads = [threading.Thread(target=lambda d=d: asyncio.run(d.run()), daemon=True) for d in (mine, other)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: listeners() == 2, "both listen")
        wakeups.stop_cluster("mine")
        threads[0].join(20)
        assert not threads[0].is_alive()
        assert threads[1].is_alive()
    finally:
        other.stop()
        threads[1].join(20)


def test_a_statement_of_each_event_has_it_as_evidence():
    subject = person()
    events = say(*(f"line {number}" for number in range(30)))
    drain(FakeProvider(lambda request: Answer(add=tuple(Statement(e.content, (e.number,)) for e in request.events))))
    assert_evidence_once(subject, events)


def test_a_drainer_that_freezes_in_a_transaction_does_not_hold_its_line(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 0.5}
    subject = person()
    say("one")
    frozen, thaw = threading.Event(), threading.Event()
    claim = claimed()

    def freeze() -> None:
        with transaction.atomic():
            queue.held(claim)
            frozen.set()
            thaw.wait(30)

    drainer = Drainer(Step(FakeProvider()))
    stands_still = drainer._threads.submit(drainer_module._with_healthy_connection, freeze)
    try:
        assert frozen.wait(10)
        until(lambda: Work.objects.filter(due_at__lt=clock.now()).exists(), "the lease runs out")
        until(lambda: [claim.token for claim in queue.claim(1, "another")], "another takes it over")
    finally:
        thaw.set()
    with pytest.raises(DatabaseError):
        stands_still.result(30)
    asyncio.run(drainer._close())
    assert Work.objects.get(line__subject=subject).leased_by == "another"


def test_a_drainer_that_thaws_in_a_transaction_breaks_no_pass(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 0.5, "POLL_INTERVAL": 0.2}
    subject = person()
    events = say("one")
    frozen = threading.Event()
    prepared_request = passes._prepared

    def freeze_once(*args):
        if not frozen.is_set():
            frozen.set()
            time.sleep(1.5)  # inside the transaction, with the line's locks
        return prepared_request(*args)

    monkeypatch.setattr(passes, "_prepared", freeze_once)
    with draining(FakeProvider()):
        until(lambda: Work.objects.filter(state="idle").exists(), "it is read all the same")
    assert_covered_once(subject, events)
    assert set(outcomes()) == {"abandoned", "published"}
    assert not Pass.objects.filter(failure="ours").exists()


def test_a_heartbeat_does_not_queue_behind_the_passes(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"WORKER_CONCURRENCY": 1, "LEASE_SECONDS": 1.5}
    person()
    say("one")
    slow = threading.Event()
    prepare = passes.prepare

    def slow_prepare(claim, step):
        slow.wait(4)
        return prepare(claim, step)

    monkeypatch.setattr(passes, "prepare", slow_prepare)
    with draining(FakeProvider()):
        until(lambda: Work.objects.filter(state="leased").exists(), "it is leased")
        first = Work.objects.get().due_at
        until(lambda: Work.objects.get().due_at > first, "its lease is renewed while every thread is busy", 3.5)
        slow.set()
        until(lambda: Work.objects.filter(state="idle").exists(), "it is done")


def test_workers_that_were_killed_are_forgotten():
    Worker.objects.create(name="dead", started_at=clock.now(), beat_at=clock.now() - timedelta(hours=2))
    Worker.objects.create(name="slow", started_at=clock.now(), beat_at=clock.now() - timedelta(minutes=2))
    drain()
    assert list(Worker.objects.values_list("name", flat=True)) == ["slow"]


@pytest.mark.parametrize("pooled", [True, False])
def test_a_drainer_says_so_where_a_pooler_stands_before_the_database(
    monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    if pooled:  # a pooler tells its clients of no process of the server's
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda info: 0))
    with capture_logs() as logs:
        asyncio.run(first_listening(Drainer(Step(FakeProvider()))))
    assert [line["log_level"] for line in logs if line["event"] == "connection_pooled"] == ["warning"] * pooled


async def first_listening(drainer: Drainer) -> None:
    """Let a drainer listen until it has been woken by that."""
    listening = asyncio.create_task(drainer._listen())
    await asyncio.wait_for(drainer._woken.wait(), 30)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await drainer._close()


@pytest.mark.parametrize("pooled", [True, False])
def test_a_drainer_keeps_plans_unless_a_pooler_stands_before_the_database(
    monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    if pooled:  # a pooler tells its clients of no process of the server's
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 0)

    def ask_often() -> None:
        for _ in range(10):
            statements.rows("SELECT %s::text AS asked_often", ["x"])

    assert asyncio.run(plans_kept(ask_often, "asked_often")) == (0 if pooled else 1)


def test_what_waits_is_counted_by_a_plan_for_as_much_as_that_is() -> None:
    subject = person()
    say("one")
    following.take_in()

    def count_often() -> None:
        for _ in range(10):
            assert feeds.waiting_after(subject.pk, 0).events == 1

    # One that was kept while much waited would read the whole log for a single event.
    assert asyncio.run(plans_kept(count_often, "recorded_at")) == 0


async def plans_kept(act: Callable[[], None], like: str) -> int:
    """How many plans of such statements a drainer's connection keeps after an act."""

    def count() -> int:
        act()
        [(kept,)] = statements.rows("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ %s", [like])
        return int(kept)

    drainer = Drainer(Step(FakeProvider()))
    try:
        return await drainer._database(count)
    finally:
        await drainer._close()
