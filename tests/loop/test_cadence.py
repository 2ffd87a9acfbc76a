"""When a line is due: a burst is one pass, a conversation is passes at intervals, and nothing waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memory import log
from memory.log import NewEvent
from reasoning import cadence, following
from reasoning.cadence import Policy, due_at
from reasoning.conf import KINDS, ReasoningSettings
from tests.loop.helpers import claimed, completion, prepared, truthful, work_of
from tests.store.helpers import person, say

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
POLICY = Policy(settle=0.5, interval=120, enough_tokens=1_000, max_wait=600)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("oldest", "newest", "tokens", "last_pass", "due"),
    [
        (0, 0, 10, None, 0.5),
        (0, 3, 10, None, 3.5),
        (0, 0, 10, -500, 0.5),
        (0, 0, 10, -20, 100),
        (0, 90, 10, -20, 100),
        (0, 110, 10, -20, 110.5),
        (0, 0, 1_000, -20, 0),
        (0, 599.9, 10, None, 600),
        (0, 700, 10, 690, 600),
    ],
    ids=[
        "at once, when it has settled",
        "the burst goes on",
        "long after the last pass",
        "soon after the last pass",
        "the interval counts from the pass",
        "settling outlasts the interval",
        "enough tokens",
        "a burst without end",
        "the oldest has waited too long",
    ],
)
def test_when_a_line_is_due(oldest, newest, tokens, last_pass, due):
    found = due_at(
        POLICY,
        oldest=at(oldest),
        newest=at(newest),
        tokens=tokens,
        last_pass=None if last_pass is None else at(last_pass),
    )
    assert found == at(due)


seconds = st.floats(0, 10_000, allow_nan=False).map(lambda value: round(value, 3))


@hypothesis_settings(database=None, derandomize=True)
@given(
    policy=st.builds(Policy, settle=seconds, interval=seconds, enough_tokens=st.integers(1, 100), max_wait=seconds),
    span=seconds,
    tokens=st.integers(0, 200),
    last_pass=st.none() | seconds,
    more=seconds,
)
def test_no_event_waits_beyond_the_maximum_and_more_tokens_are_never_later(policy, span, tokens, last_pass, more):
    oldest, newest = at(0), at(span)
    last = None if last_pass is None else at(-last_pass)
    due = due_at(policy, oldest=oldest, newest=newest, tokens=tokens, last_pass=last)
    assert due <= oldest + timedelta(seconds=policy.max_wait)
    assert due >= oldest
    later = due_at(policy, oldest=oldest, newest=newest + timedelta(seconds=more), tokens=tokens, last_pass=last)
    assert later >= due, "an event more does not bring a pass forward"
    assert due_at(policy, oldest=oldest, newest=newest, tokens=tokens + 100, last_pass=last) <= due
    if tokens < policy.enough_tokens and due < oldest + timedelta(seconds=policy.max_wait):
        assert due >= newest + timedelta(seconds=policy.settle), "a burst has settled"
        if last is not None:
            assert due >= last + timedelta(seconds=policy.interval), "passes keep their distance"


@hypothesis_settings(database=None, derandomize=True, max_examples=50)
@given(gaps=st.lists(st.floats(0, 100), min_size=1, max_size=60), per_event=st.integers(1, 50))
def test_a_conversation_costs_passes_by_time_and_not_by_messages(gaps, per_event):
    passes, waiting, now, last = 0, [], 0.0, None
    arrivals = []
    for gap in gaps:
        now += gap
        arrivals.append(now)
    for index, moment in enumerate(arrivals):
        waiting.append(moment)
        due = due_at(
            POLICY,
            oldest=at(waiting[0]),
            newest=at(waiting[-1]),
            tokens=per_event * len(waiting),
            last_pass=None if last is None else at(last),
        )
        until = (due - NOON).total_seconds()
        if index + 1 == len(arrivals) or until <= arrivals[index + 1]:
            assert until - waiting[0] <= POLICY.max_wait + 0.001
            passes, waiting, last = passes + 1, [], until
    lasted = arrivals[-1] - arrivals[0]
    assert passes <= 2 + lasted / POLICY.interval + per_event * len(arrivals) / POLICY.enough_tokens


def test_the_local_reasoner_only_waits_for_a_burst_to_settle():
    settings = ReasoningSettings(provider="local", settle_seconds=0.5)
    for kind in KINDS:
        policy = cadence.policy_for(kind, settings)
        assert (policy.interval, policy.max_wait) == (0.0, policy.settle * 5)
        assert policy.settle <= 0.5


def test_each_kind_of_subject_has_its_interval():
    settings = ReasoningSettings(provider="openai", openai_api_key="x")
    assert {kind: cadence.policy_for(kind, settings).interval for kind in KINDS} == settings.interval_seconds


@pytest.fixture
def one_clock(monkeypatch):
    """The database's clock follows the test's."""
    monkeypatch.setattr("memory.clock.now", timezone.now)


PACED = {
    "PROVIDER": "openai",
    "OPENAI_API_KEY": "none",
    "SETTLE_SECONDS": 2,
    "INTERVAL_SECONDS": dict.fromkeys(KINDS, 120),
    "MAX_WAIT_SECONDS": 600,
}


@pytest.mark.django_db
@pytest.mark.usefixtures("one_clock")
def test_a_burst_is_one_pass(settings):
    settings.HONCHO = PACED
    subject = person()
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(5):
            say("and another thing")
            following.take_in()
            assert work_of(subject).due_at == timezone.now() + timedelta(seconds=2)
            clock.shift(1)
        work = work_of(subject)
        assert (work.state, work.waiting_events, work.oldest) == ("waiting", 5, NOON)
        assert work.due_at == NOON + timedelta(seconds=6)


@pytest.mark.django_db
@pytest.mark.usefixtures("one_clock")
def test_after_a_pass_the_next_keeps_its_distance_unless_much_waits(settings):
    settings.HONCHO = PACED | {"SETTLE_SECONDS": 0, "ENOUGH_TOKENS": 50}
    subject = person()
    from reasoning import passes

    with time_machine.travel(NOON, tick=False) as clock:
        say("one")
        ready = prepared(claimed())
        passes.complete(ready, completion(truthful(ready.request)))
        clock.shift(10)
        say("two")
        following.take_in()
        assert work_of(subject).due_at == NOON + timedelta(seconds=120)
        clock.shift(10)
        log.append("harbour", [NewEvent(content="word " * 60)], user="ana")
        following.take_in()
        assert work_of(subject).due_at == NOON + timedelta(seconds=10), "at once: as old as the oldest that waits"


@pytest.mark.django_db
@pytest.mark.usefixtures("one_clock")
def test_what_comes_during_a_pass_waits_for_the_next(settings):
    settings.HONCHO = PACED | {"SETTLE_SECONDS": 0}
    subject = person()
    from reasoning import passes

    with time_machine.travel(NOON, tick=False) as clock:
        say("one")
        ready = prepared(claimed())
        clock.shift(5)
        say("two", "three")
        following.take_in()
        work = work_of(subject)
        assert (work.state, work.waiting_events) == ("leased", 3)
        clock.shift(5)
        version = passes.complete(ready, completion(truthful(ready.request)))
        assert version.covers_to == 1
        work.refresh_from_db()
        assert (work.state, work.waiting_events, work.oldest) == ("waiting", 2, NOON + timedelta(seconds=5))
        assert work.due_at == NOON + timedelta(seconds=130)
