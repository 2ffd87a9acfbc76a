"""The overview's figures: what waits, how long it took, what failed, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memory import clock, ids, proposals
from memory.models import Event, Subject
from reasoning import backlog, circuit, overview
from reasoning.models import Budget, Pass, Spend, Work, Worker
from reasoning.overview import SPANS
from reasoning.providers.base import Failure, ProviderError
from tests.admin import data

pytestmark = pytest.mark.django_db
HOUR = SPANS["hour"]


def look(span=HOUR):
    """The overview."""
    return overview.overview(span)


def codes(found):
    """What it is concerned about."""
    return [concern.code for concern in found.concerns]


@pytest.fixture
def alive():
    """A worker that lives."""
    return Worker.objects.create(name="one", started_at=clock.now(), beat_at=clock.now())


@pytest.fixture
def ana():
    """Ana, with two versions and an event that waits."""
    return data.ana()


def ended(user, ago, outcome, failure="", lag=None):
    """A pass of a user's line that ended some time ago, whose oldest event had waited so long."""
    subject = Subject.objects.get(user=user, kind="user")
    started = clock.now() - ago
    read = subject.current.covers_from
    if lag is not None:
        event = subject.feed.get(position=read + 1).event_id
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            Event.objects.filter(pk=event).update(recorded_at=started - lag)
            cursor.execute("SET LOCAL session_replication_role = origin")
    return Pass.objects.create(
        id=ids.uuid7(),
        line=subject.line, outcome=outcome, failure=failure, started_at=started, ended_at=started, covers_from=read,
        representation=subject.current if outcome == Pass.Outcome.PUBLISHED else None,
    )  # fmt: skip


def test_steps_begin_at_round_times_and_the_last_one_holds_now():
    for span in SPANS.values():
        now = clock.now()
        found = look(span)
        assert len(found.steps) == span.steps
        assert found.steps[-1] <= found.now < found.steps[-1] + span.step
        assert now <= found.now
        assert (found.steps[0] - datetime(2000, 1, 1, tzinfo=UTC)) % span.step == timedelta()


def test_passes_are_counted_where_they_began_by_how_they_ended(ana):
    Pass.objects.all().delete()
    outcome = Pass.Outcome
    ended(ana, timedelta(0), outcome.PUBLISHED)
    for _ in range(2):
        ended(ana, timedelta(minutes=30), outcome.FAILED, "transient")
    ended(ana, timedelta(minutes=30), outcome.ABANDONED)
    ended(ana, timedelta(minutes=30), outcome.QUARANTINED)
    ended(ana, timedelta(hours=2), outcome.PUBLISHED)
    passes = look().passes
    assert passes.published == [0] * 29 + [1]
    assert sum(passes.failed) == passes.failed[14] + passes.failed[13] == 3
    assert sum(passes.quarantined) == 1
    assert passes.ended == 5
    assert passes.failures == [("transient", 2)]
    assert passes.failing == pytest.approx(0.6)
    assert sum(look(SPANS["day"]).passes.published) == 2


def test_lag_is_how_long_the_oldest_event_of_a_pass_had_waited(ana):
    Pass.objects.all().delete()
    ended(ana, timedelta(0), Pass.Outcome.PUBLISHED, lag=timedelta(seconds=40))
    found = look().lag
    assert found.p50[-1] == pytest.approx(40)
    assert found.overall == pytest.approx((40, 40, 40))
    assert found.p95[:-1] == [None] * 29


def test_figures_are_of_the_newest_passes_only_and_say_so(ana, monkeypatch):
    Pass.objects.all().delete()
    monkeypatch.setattr(overview, "MOST_PASSES", 3)
    for minutes in range(5):
        ended(ana, timedelta(minutes=2 * minutes), Pass.Outcome.PUBLISHED)
    passes = look().passes
    assert sum(passes.published) == 3
    assert passes.published[-1] == 1
    assert not passes.whole


def test_what_waits_is_counted_over_all_apps(ana):
    data.say("another", "bo", "talk", ("bo", "Hello"))
    found = backlog.of_site()
    assert found.new_events == 1
    assert sum(group.events for group in found.groups if group.kind == "user") == 1
    assert backlog.of_app(ana.app_id).new_events == 0


def test_spending_is_summed_by_day_and_the_fullest_budget_comes_first(ana):
    Spend.objects.all().delete()
    budget = data.spending(ana.app, rows=3)
    tight = Budget.objects.create(app=None, period="day", money=Decimal("0.0001"))
    found = look().spending
    assert found.cost[-3:] == [Decimal("0.000882")] * 3
    assert found.cost[:-3] == [0] * (overview.SPENDING_DAYS - 3)
    assert [row.pk for row, _ in found.budgets] == [tight.pk, budget.pk]


def test_a_loop_without_trouble_gives_no_concern(alive):
    assert codes(look()) == []


def test_a_worker_that_is_silent_stops_the_loop(alive):
    Worker.objects.update(beat_at=clock.now() - timedelta(minutes=5))
    [concern] = look().concerns
    assert (concern.code, concern.stops) == ("worker", True)
    assert look().workers[0].silent


def test_what_stops_the_loop_comes_before_what_slows_it_and_that_before_what_asks(alive, ana):
    data.quarantined(ana)
    proposals.propose("promote", ana.app, verb="Promote", data={}, reason="Better", by="bo")
    Work.objects.filter(line__subject__user=ana).update(
        state=Work.State.WAITING, due_at=clock.now() - timedelta(minutes=10)
    )
    circuit.failed("openai", ProviderError(Failure.QUOTA, "The key has no credit left."))
    found = look()
    assert codes(found) == ["provider", "overdue", "quarantined", "proposal"]
    assert found.concerns[0].stops
    assert found.concerns[-1].asks
    assert found.providers[0].needs_operator


def test_a_pause_says_until_when(alive):
    circuit.failed("openai", ProviderError(Failure.RATE_LIMITED, "Slow down.", retry_after=600))
    found = look()
    until = found.providers[0].paused_until
    assert timedelta(minutes=9) < until - found.now < timedelta(minutes=11)
    assert f"{until:%H:%M:%S}" in found.concerns[0].text


def test_parked_and_held_work_a_used_up_budget_and_many_failures_are_said(alive, ana):
    data.parked(ana)
    Pass.objects.all().delete()
    data.spending(ana.app)
    Budget.objects.update(tokens=1)
    Work.objects.filter(line__subject__kind="session").update(state=Work.State.HELD, due_at=None)
    for _ in range(7):
        ended(ana, timedelta(0), Pass.Outcome.PUBLISHED)
    for _ in range(3):
        ended(ana, timedelta(0), Pass.Outcome.FAILED, "transient")
    found = look()
    assert codes(found) == ["failing", "held", "budget", "parked"]
    assert "30% of the passes failed" in found.concerns[0].text


def test_the_number_of_statements_does_not_grow_with_what_there_is():
    def statements():
        with CaptureQueriesContext(connection) as captured:
            look()
        return len(captured)

    def fill(name, size):
        data.spending(data.crowd(3, name), rows=size)
        for number in range(size):
            Worker.objects.create(name=f"{name} {number}", started_at=clock.now(), beat_at=clock.now())
            circuit.failed(f"{name} {number}", ProviderError(Failure.QUOTA, "No credit"))

    fill("few", 3)
    statements()
    few = statements()
    fill("many", 30)
    assert statements() == few <= 18
