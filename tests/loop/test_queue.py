"""Work rows: one holder at a time, a lease that ends by itself, and failures that wait, or park."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from memory import feeds
from memory.models import FeedEntry, Line, Representation, Subject
from reasoning import disposition, following, labels, passes, queue
from reasoning.models import Budget, Pass, Work
from reasoning.providers.base import OUTAGES, Failure, ProviderError
from tests.loop.helpers import (
    AT_ONCE,
    STEP,
    claimed,
    completion,
    make_due,
    one_pass,
    outcomes,
    people,
    prepared,
    truthful,
    work_of,
)
from tests.store.helpers import assert_covered_once, assert_evidence_once, person, say, together

pytestmark = pytest.mark.django_db(transaction=True)  # inside one transaction, the database's now() stands still


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def failed(failure: Failure, retry_after: float | None = None) -> Work:
    """Claim the one row and let its pass fail."""
    make_due()
    passes.fail(claimed(), ProviderError(failure, "no answer", retry_after=retry_after))
    return work_of()


def test_taking_in_marks_the_line_that_must_follow():
    subject = person()
    say("one", "two")
    assert following.take_in() == 2
    work = work_of(subject)
    assert (work.state, work.waiting_events, work.kind, work.app_id) == ("waiting", 2, "user", subject.app_id)
    assert work.line == Subject.objects.get().line
    assert work.line.recipe == labels.live(subject.app_id, "user").recipe
    assert following.take_in() == 0
    assert Work.objects.count() == 1


def test_no_event_has_a_position_that_is_not_in_its_lines_work_row(monkeypatch):
    person()
    say("one")
    monkeypatch.setattr(following, "_mark", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        following.take_in()
    assert FeedEntry.objects.get().position is None
    monkeypatch.undo()
    assert following.take_in() == 1


def test_a_claim_is_a_lease_with_a_token_and_begins_a_pass(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 30}
    person()
    say("one")
    claim = claimed("d1")
    work = work_of()
    assert (work.state, work.lease_token, work.leased_by, work.attempts) == ("leased", claim.token, "d1", 1)
    assert abs((work.due_at - timezone.now()).total_seconds() - 30) < 5
    begun = Pass.objects.get()
    assert (begun.pk, begun.line_id, begun.outcome, begun.worker) == (claim.token, claim.line_id, "running", "d1")
    assert queue.claim(10, "d2") == []


@pytest.mark.parametrize("off", [0, 7])
def test_what_is_left_of_a_backlog_is_counted_anew_only_where_it_does_not_add_up(settings, monkeypatch, off):
    settings.HONCHO = AT_ONCE | {"PASS_EVENTS": 2}
    monkeypatch.setattr(disposition, "MUCH", 2)
    person()
    say(*(f"line {number}" for number in range(8)))
    ready = prepared(claimed())
    say("one more")
    following.take_in()
    Work.objects.update(waiting_events=F("waiting_events") + off)
    counted = []
    waiting_after = feeds.waiting_after
    monkeypatch.setattr(feeds, "waiting_after", lambda *asked: counted.append(asked) or waiting_after(*asked))
    passes.complete(ready, completion(truthful(ready.request)))
    work = work_of()
    left = waiting_after(work.line.subject_id, 2)
    assert (work.waiting_events, work.waiting_tokens, work.oldest, work.newest) == (
        left.events, left.tokens, left.oldest, left.newest,
    )  # fmt: skip
    assert left.events == 7
    assert len(counted) == (1 if off else 0)


def test_the_oldest_due_work_is_claimed_first_and_no_more_than_asked_for():
    people(4)
    for number in (2, 0, 3, 1):
        say("one", user=f"user-{number}")
        following.take_in()
    first = {Line.objects.get(pk=claim.line_id).subject.user.name for claim in queue.claim(3, "d1")}
    assert first == {"user-2", "user-0", "user-3"}
    assert len(queue.claim(3, "d1")) == 1


def test_no_row_is_claimed_twice_however_many_claim_at_once():
    people(60)
    for number in range(60):
        say("one", user=f"user-{number}")
    following.take_in()
    ready = threading.Barrier(8)

    def claim(name: str) -> list[queue.Claim]:
        ready.wait()
        mine = []
        while claims := queue.claim(3, name):
            mine += claims
        return mine

    got = together(*[lambda name=f"d{number}": claim(name) for number in range(8)])
    lines = [claim.line_id for mine in got for claim in mine]
    assert len(lines) == len(set(lines)) == 60
    assert Work.objects.filter(state=Work.State.LEASED).count() == 60


def test_a_lease_that_has_run_out_is_claimed_by_another_and_its_pass_is_abandoned():
    person()
    say("one")
    lost = claimed("d1")
    make_due()
    [taken] = queue.claim(1, "d2")
    assert taken.line_id == lost.line_id
    assert taken.token != lost.token
    assert taken.attempts == 2
    abandoned = Pass.objects.get(pk=lost.token)
    assert abandoned.outcome == "abandoned"
    assert abandoned.ended_at is not None
    assert Pass.objects.get(pk=taken.token).outcome == "running"


def test_who_lost_the_lease_publishes_nothing_and_quarantines_nothing():
    person()
    say("one")
    lost = prepared(claimed("d1"))
    make_due()
    [taken] = queue.claim(1, "d2")
    with pytest.raises(queue.LostLease):
        passes.complete(lost, completion(truthful(lost.request)))
    with pytest.raises(queue.LostLease):
        passes.complete(lost, completion(truthful(lost.request).__class__()))
    with pytest.raises(queue.LostLease):
        passes.prepare(lost.claim, STEP)
    passes.fail(lost.claim, ProviderError(Failure.NONSENSE, "late"))
    assert not Representation.objects.exists()
    work = work_of()
    assert (work.state, work.lease_token, work.last_failure) == ("leased", taken.token, "")
    assert Pass.objects.get(pk=lost.claim.token).outcome == "abandoned"
    ready = prepared(taken)
    assert passes.complete(ready, completion(truthful(ready.request))).number == 1
    with pytest.raises(queue.LostLease):
        passes.complete(lost, completion(truthful(lost.request)))
    assert Representation.objects.count() == 1


def test_a_finished_pass_cannot_be_completed_again():
    person()
    say("one")
    ready = prepared(claimed())
    passes.complete(ready, completion(truthful(ready.request)))
    with pytest.raises(queue.LostLease):
        passes.complete(ready, completion(truthful(ready.request)))
    assert Representation.objects.count() == 1


def test_a_renewed_lease_holds_for_another_term(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 30}
    people(2)
    for number in range(2):
        say("one", user=f"user-{number}")
    following.take_in()
    kept, left = queue.claim(10, "d1")
    make_due()
    queue.renew([kept.token, uuid4()])
    assert [claim.line_id for claim in queue.claim(10, "d2")] == [left.line_id]
    work = Work.objects.get(line_id=kept.line_id)
    assert 25 < (work.due_at - timezone.now()).total_seconds() <= 30


def test_a_lost_lease_cannot_be_renewed():
    person()
    say("one")
    lost = claimed("d1")
    make_due()
    queue.claim(1, "d2")
    before = work_of().due_at
    queue.renew([lost.token])
    assert work_of().due_at == before


@pytest.mark.parametrize("attempts", range(1, 12))
def test_backoff_doubles_up_to_a_ceiling_and_never_undercuts_the_provider(attempts):
    full = min(5.0 * 2 ** (attempts - 1), 300.0)
    waits = [disposition.backoff(attempts, None) for _ in range(200)]
    assert all(full / 2 <= wait <= full for wait in waits)
    assert max(waits) - min(waits) > full / 4, "workers do not come back all at once"
    assert disposition.backoff(attempts, 1_000.0) == 1_000.0
    assert disposition.backoff(attempts, 0.01) >= full / 2
    assert disposition.backoff(10_000, None) <= 300


def test_a_failed_pass_waits_and_is_tried_again():
    person()
    say("one")
    work = failed(Failure.NONSENSE)
    assert (work.state, work.attempts, work.last_failure, work.last_error) == ("waiting", 1, "nonsense", "no answer")
    assert work.lease_token is None
    assert 2 <= (work.due_at - timezone.now()).total_seconds() <= 5
    say("two")
    following.take_in()
    assert work_of().due_at == work.due_at, "new events do not bring a failing line forward"
    assert work_of().waiting_events == 2
    assert queue.claim(1, "d1") == []
    make_due()
    assert one_pass().covers_to == 1, "what failed is tried with fewer events"
    work.refresh_from_db()
    assert (work.state, work.attempts, work.last_failure, work.last_error) == ("waiting", 0, "", "")
    make_due()
    assert one_pass().covers_to == 2
    assert work_of().state == "idle"
    assert outcomes() == ["failed", "published", "published"]


def test_a_provider_that_asks_for_time_gets_it():
    person()
    say("one")
    work = failed(Failure.TRANSIENT, retry_after=120)
    assert 115 < (work.due_at - timezone.now()).total_seconds() <= 120


@pytest.mark.parametrize("failure", [Failure.NONSENSE, Failure.REFUSED, Failure.GATED, Failure.OURS])
def test_what_will_not_mend_itself_is_parked_after_so_many_attempts(failure, settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 3}
    person()
    say("one")
    assert [failed(failure).state for _ in range(3)] == ["waiting", "waiting", "parked"]
    work = work_of()
    assert (work.due_at, work.attempts, work.last_failure) == (None, 3, failure)
    say("two")
    following.take_in()
    assert queue.claim(10, "d1") == []
    assert (work_of().state, work_of().waiting_events) == ("parked", 2), "its events are counted, not lost"


@pytest.mark.parametrize("failure", sorted(OUTAGES))
def test_an_outage_is_waited_out_however_long_it_lasts(failure, settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 2}
    person()
    say("one")
    for _ in range(20):
        work = failed(failure)
        assert work.state == "waiting"
        assert (work.due_at - timezone.now()).total_seconds() <= 300


def test_an_outage_uses_up_no_attempt_of_what_comes_after_it(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 3}
    person()
    say("one")
    for _ in range(10):
        failed(Failure.TRANSIENT)
    assert [failed(Failure.NONSENSE).state for _ in range(2)] == ["waiting", "waiting"]
    failed(Failure.RATE_LIMITED)
    assert failed(Failure.NONSENSE).state == "parked"


def test_parked_work_can_be_tried_again_with_a_clean_count(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 2}
    person()
    say("one")
    for _ in range(2):
        failed(Failure.NONSENSE)
    assert disposition.retry(Work.objects.all()) == 1
    assert disposition.retry(Work.objects.all()) == 0, "only what is parked is tried again"
    work = work_of()
    assert (work.state, work.attempts) == ("waiting", 0)
    assert failed(Failure.NONSENSE).state == "waiting"
    make_due()
    assert one_pass().covers_to == 1


def test_what_is_released_at_shutdown_is_due_at_once_and_has_used_no_attempt():
    people(2)
    for number in range(2):
        say("one", user=f"user-{number}")
    following.take_in()
    claims = queue.claim(10, "d1")
    queue.release(claims)
    assert set(Work.objects.values_list("state", "attempts", "lease_token", "leased_by")) == {("waiting", 0, None, "")}
    assert outcomes() == ["abandoned"] * 2
    again = queue.claim(10, "d2")
    assert len(again) == 2
    queue.release(claims)
    assert Work.objects.filter(state="leased").count() == 2, "an old claim releases nothing"


def test_a_release_and_a_publication_of_the_same_lease_do_not_deadlock(monkeypatch):
    person()
    say("one")
    ready = prepared(claimed())
    inside, go_on = threading.Event(), threading.Event()
    end = passes._end

    def slow_end(*args, **kwargs):
        inside.set()
        go_on.wait(10)
        end(*args, **kwargs)

    monkeypatch.setattr(passes, "_end", slow_end)

    def release() -> None:
        assert inside.wait(10)
        threading.Timer(0.3, go_on.set).start()
        queue.release([ready.claim])

    together(lambda: passes.complete(ready, completion(truthful(ready.request))), release)
    assert outcomes() == ["published"]
    assert work_of().state == "idle"


def test_leases_lost_to_others_while_many_drain_cost_passes_and_nothing_else(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 0.01, "PASS_EVENTS": 3, "MAX_ATTEMPTS": 1_000}
    person()
    events = say(*(f"line {number}" for number in range(60)))

    def drain() -> int:
        lost = 0
        while True:
            following.take_in()
            for claim in queue.claim(1, threading.current_thread().name):
                try:
                    ready = passes.prepare(claim, STEP)
                    if ready is not None:
                        passes.complete(ready, completion(truthful(ready.request)))
                except queue.LostLease:
                    lost += 1
            if not Work.objects.exclude(state="idle").exists():
                return lost

    lost = sum(together(*[drain] * 5))
    subject = Subject.objects.get()
    assert_covered_once(subject, events)
    assert_evidence_once(subject, events)
    assert lost == Pass.objects.filter(outcome="abandoned").count()
    assert not Pass.objects.filter(outcome="running").exists()


BAD_ROWS = {
    "leased without a token": {"state": "leased", "lease_token": None},
    "leased for ever": {"state": "leased", "due_at": None},
    "waiting with a token": {"state": "waiting"},
    "waiting for nothing": {"state": "waiting", "lease_token": None, "due_at": None},
    "idle and due": {"state": "idle", "lease_token": None},
    "parked and held": {"state": "parked", "due_at": None},
    "a state that is none": {"state": "lost", "lease_token": None, "due_at": None},
    "less than nothing waits": {"waiting_events": -1},
    "less than no attempt": {"attempts": -1},
    "held with a token": {"state": "held"},
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_the_database_refuses_a_row_that_cannot_be(case):
    person()
    say("one")
    claimed()
    with pytest.raises(IntegrityError, match="work_"), transaction.atomic():
        Work.objects.update(**BAD_ROWS[case])


class WorkRow(RuleBasedStateMachine):
    """One line's work in any order of events, claims, answers, failures, time and operators."""

    def __init__(self) -> None:
        super().__init__()
        self.app = uuid4().hex
        self.subject = person(app=self.app)
        self.events = list(say("first", app=self.app))
        following.take_in()
        self.claims: list[queue.Claim] = []
        self.ready: list[passes.Prepared] = []

    @property
    def work(self) -> Work:
        return work_of(self.subject)

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.events += say(*[f"line {len(self.events)}"] * count, app=self.app)

    @rule()
    def take_in(self) -> None:
        following.take_in()

    @rule()
    def time_passes(self) -> None:
        Work.objects.filter(pk=self.work.pk, due_at__isnull=False).update(due_at=timezone.now() - timedelta(seconds=1))

    @rule(prepare=st.booleans())
    def claim(self, prepare: bool) -> None:
        before = self.work
        claims = queue.claim(10, "d1")
        assert len(claims) == int(before.due_at is not None and before.due_at <= timezone.now())
        self.claims += claims
        for claim in claims if prepare else ():
            ready = passes.prepare(claim, STEP)
            if ready is not None:
                self.ready.append(ready)

    @precondition(lambda self: self.ready)
    @rule(data=st.data(), good=st.booleans())
    def answer(self, data: st.DataObject, good: bool) -> None:
        ready = data.draw(st.sampled_from(self.ready))
        holds = self.work.lease_token == ready.claim.token
        answer = truthful(ready.request)
        if not good:
            answer = answer.__class__(add=(answer.add[0].__class__("It rests on nothing.", ()),))
        try:
            version = passes.complete(ready, completion(answer))
        except queue.LostLease:
            assert not holds
        else:
            assert holds
            assert version.status == ("published" if good else "quarantined")

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), failure=st.sampled_from(list(Failure)))
    def fail(self, data: st.DataObject, failure: Failure) -> None:
        passes.fail(data.draw(st.sampled_from(self.claims)), ProviderError(failure, "no"))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew_or_release(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        data.draw(st.sampled_from([lambda: queue.renew([claim.token]), lambda: queue.release([claim])]))()

    @rule()
    def retry(self) -> None:
        disposition.retry([self.work])

    @rule(tokens=st.sampled_from([0, 150, 10**9]))
    def budget(self, tokens: int) -> None:
        Budget.objects.update_or_create(period="total", defaults={"tokens": tokens})

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def put_off(self, data: st.DataObject) -> None:
        queue.put_off(data.draw(st.sampled_from(self.claims)), 60)

    @invariant()
    def every_event_is_in_exactly_one_state(self) -> None:
        work = self.work
        subject = Subject.objects.get(pk=self.subject.pk)
        line = Line.objects.get(pk=work.line_id)
        not_numbered = FeedEntry.objects.filter(subject=subject, position=None).count()
        assert subject.head + not_numbered == len(self.events)
        waiting = feeds.waiting_after(subject.pk, line.cursor)
        assert (work.waiting_events, work.waiting_tokens) == (waiting.events, waiting.tokens)
        assert (work.oldest, work.newest) == (waiting.oldest, waiting.newest)
        assert (work.state == "idle") == (waiting.events == 0) or work.state == "leased"
        if work.state == "held":
            assert work.last_failure == "over_budget"
        else:
            assert (work.state in {"waiting", "leased"}) == (work.due_at is not None)

    @invariant()
    def one_pass_runs_if_it_is_leased_and_else_none(self) -> None:
        running = set(Pass.objects.filter(line_id=self.work.line_id, outcome="running").values_list("pk", flat=True))
        assert running == ({self.work.lease_token} if self.work.state == "leased" else set())

    def teardown(self) -> None:
        Budget.objects.all().delete()
        disposition.release_held()
        disposition.retry([self.work])
        for _ in range(len(self.events) + 5):
            following.take_in()
            self.time_passes()
            for claim in queue.claim(10, "d2"):
                ready = passes.prepare(claim, STEP)
                if ready is not None:
                    passes.complete(ready, completion(truthful(ready.request)))
        assert_covered_once(self.subject, self.events)
        assert_evidence_once(self.subject, self.events)
        with connection.cursor() as cursor:  # nothing of this line is in the way of the next one
            cursor.execute("UPDATE reasoning_work SET state = 'idle', due_at = NULL, lease_token = NULL")


def test_a_work_row_holds_its_promises_in_any_order_of_things(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 2, "PASS_EVENTS": 3}
    monkeypatch.setattr(disposition, "MUCH", 2)  # what is left is counted anew, or taken from what waited
    run_state_machine_as_test(
        WorkRow,
        settings=hypothesis_settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
