"""Machines disagree about the time: what one writes and another compares is told by the database's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from memory import clock
from memory.models import Representation
from reasoning import circuit, disposition, following, health, passes, queue
from reasoning.drainer import Drainer, _beat_worker
from reasoning.models import Pass, ProviderState, Work, Worker
from reasoning.providers.base import Failure, ProviderError, Step
from tests.loop.helpers import AT_ONCE, KINDS, FakeProvider, claimed, completion, prepared, truthful, work_of
from tests.store.helpers import person, say

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("off")]

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture(params=[HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
def off(request) -> Iterator[None]:
    """This process's clock is off; the database's is not."""
    with time_machine.travel(datetime.now(UTC) + request.param):
        yield


def seconds_until(moment: datetime) -> float:
    return (moment - clock.now()).total_seconds()


def test_an_event_of_a_writer_whose_clock_is_off_is_due_at_once():
    person()
    say("one")
    following.take_in()
    assert seconds_until(work_of().due_at) <= 0


def test_a_lease_holds_for_its_term_and_no_longer(settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 30}
    person()
    say("one")
    claim = claimed()
    assert 25 < seconds_until(work_of().due_at) <= 30
    queue.renew([claim.token])
    assert 25 < seconds_until(work_of().due_at) <= 30


def test_a_failure_is_tried_again_after_its_back_off():
    person()
    say("one")
    passes.fail(claimed(), ProviderError(Failure.TRANSIENT, "No."))
    assert 0 < seconds_until(work_of().due_at) <= disposition.BACKOFF_SECONDS


def test_a_line_keeps_its_distance_from_its_last_pass(settings):
    settings.HONCHO = AT_ONCE | {"INTERVAL_SECONDS": dict.fromkeys(KINDS, 300)}
    person()
    say("one")
    ready = prepared(claimed())
    passes.complete(ready, completion(truthful(ready.request)))
    assert -5 < seconds_until(work_of().last_pass_at) <= 0


def test_what_is_released_or_retried_is_due_at_once():
    person()
    say("one")
    queue.release([claimed()])
    assert seconds_until(work_of().due_at) <= 0
    Work.objects.update(state="parked", due_at=None)
    disposition.retry([work_of()])
    assert seconds_until(work_of().due_at) <= 0


def test_a_pause_lasts_as_long_as_it_says():
    circuit.failed("fake", ProviderError(Failure.RATE_LIMITED, "No.", retry_after=30))
    state = ProviderState.objects.get()
    assert 25 < seconds_until(state.paused_until) <= 30
    assert -5 < seconds_until(state.ailing_since) <= 0
    assert circuit.allowance("fake").calls == 0
    ProviderState.objects.update(paused_until=clock.now() - timedelta(seconds=1))
    assert circuit.allowance("fake").calls == 1


def test_a_worker_that_lives_is_seen_to_live_and_one_that_does_not_is_missed():
    _beat_worker("w", 0)
    assert health.problems() == {}
    Worker.objects.update(beat_at=clock.now() - timedelta(minutes=30))
    assert "worker" in health.problems()


def test_the_drainer_does_its_work():
    person()
    say("one")
    asyncio.run(Drainer(Step(FakeProvider())).run(until_idle=True))
    assert Representation.objects.get().covers_to == 1
    row = Pass.objects.get()
    assert row.started_at <= row.ended_at <= clock.now()
