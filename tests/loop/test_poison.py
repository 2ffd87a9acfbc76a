"""An event that no pass survives: it is found, it stops nothing but itself, and an operator decides on it."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from memory import log
from memory.errors import Conflict
from memory.log import NewEvent
from memory.models import Conclusion, Representation
from reasoning import circuit, disposition, following, passes, queue, reconcile
from reasoning.drainer import Drainer
from reasoning.models import Pass, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Step
from tests.crash.site import until
from tests.loop.helpers import AT_ONCE, STEP, FakeProvider, draining, truthful

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 20
POISON = 7


@pytest.fixture(autouse=True)
def at_once(settings, monkeypatch):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE, "MAX_ATTEMPTS": 3}
    monkeypatch.setattr(disposition, "BACKOFF_SECONDS", 0.001)


def write(poison: int | None) -> None:
    words = ["poison" if n == poison else f"number {n}" for n in range(1, EVENTS + 1)]
    log.append("app", [NewEvent(content=word) for word in words], user="ana")


def refuses_poison(request: Request) -> Answer:
    if any(event.content == "poison" for event in request.events):
        raise ProviderError(Failure.REFUSED, "The content filter declined the content.")
    return truthful(request)


def drain(provider: FakeProvider) -> None:
    asyncio.run(Drainer(Step(provider)).run(until_idle=True))


def test_it_is_found_by_halving_and_parked_alone_with_all_before_it_covered():
    write(POISON)
    provider = FakeProvider(refuses_poison)
    drain(provider)
    work = Work.objects.get()
    assert (work.state, work.last_failure) == ("parked", "refused")
    assert work.last_error == "The content filter declined the content."
    assert Representation.objects.filter(status="published").latest("number").covers_to == POISON - 1
    assert [len(request.events) for request in provider.requests][:3] == [20, 10, 5]
    assert len(provider.requests) <= 12
    assert reconcile.account().parked == EVENTS - POISON + 1


def test_the_same_question_that_fails_in_the_same_way_makes_no_progress(settings):
    settings.HONCHO |= {"MAX_ATTEMPTS": 100, "SAME_FAILURE_LIMIT": 4}
    log.append("app", [NewEvent(content="poison")], user="ana")
    provider = FakeProvider(refuses_poison)
    drain(provider)
    assert len(provider.requests) == 4
    assert Work.objects.get().state == "parked"


def test_failures_that_differ_are_counted_to_the_larger_number(settings):
    settings.HONCHO |= {"MAX_ATTEMPTS": 6, "SAME_FAILURE_LIMIT": 2}
    log.append("app", [NewEvent(content="poison")], user="ana")
    kinds = itertools.cycle([Failure.REFUSED, Failure.NONSENSE])

    def fails(request: Request) -> Answer:
        raise ProviderError(next(kinds), "No.")

    provider = FakeProvider(fails)
    drain(provider)
    assert len(provider.requests) == 6
    assert Work.objects.get().state == "parked"


def times_out_on_poison(request: Request) -> Answer:
    if any(event.content == "poison" for event in request.events):
        raise ProviderError(Failure.TRANSIENT, "The model did not answer within 60 seconds.", usage=None)
    return truthful(request)


def test_an_input_that_alone_times_out_while_others_are_answered_is_at_fault_itself(monkeypatch):
    monkeypatch.setattr(circuit, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(disposition, "BACKOFF_CEILING_SECONDS", 0.05)
    write(POISON)
    others = itertools.count()

    def parked() -> bool:
        log.append("app", [NewEvent(content="Hello.")], user=f"other-{next(others)}")
        return Work.objects.filter(line__subject__user__name="ana", state="parked").exists()

    with draining(FakeProvider(times_out_on_poison)):
        until(parked, "the event at fault is parked")
    work = Work.objects.get(line__subject__user__name="ana")
    assert (work.state, work.last_failure) == ("parked", "transient")
    assert Representation.objects.filter(subject=work.line.subject).latest("number").covers_to == POISON - 1


def test_an_outage_parks_nothing_however_long_it_lasts(monkeypatch):
    monkeypatch.setattr(circuit, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(circuit, "LONGEST_SECONDS", 0.01)
    monkeypatch.setattr(disposition, "BACKOFF_CEILING_SECONDS", 0.01)
    write(None)

    def down(request: Request) -> Answer:
        raise ProviderError(Failure.TRANSIENT, "The server answered 503.")

    provider = FakeProvider(down)
    asyncio.run(Drainer(Step(provider)).run(seconds=3))
    work = Work.objects.get()
    assert len(provider.requests) > 10
    assert (work.state, work.most_events) == ("waiting", None)
    drain(FakeProvider())
    assert Work.objects.get().state == "idle"


def test_an_operator_lets_the_line_go_on_without_it():
    write(POISON)
    drain(FakeProvider(refuses_poison))
    disposition.skip(Work.objects.get(), by="olga")
    skipped = Representation.objects.latest("number")
    assert (skipped.covers_from, skipped.covers_to) == (POISON - 1, POISON)
    assert skipped.reason == "Went on without an event: The content filter declined the content."
    assert skipped.made_by == {"skipped": "refused", "by": "olga"}
    drain(FakeProvider(refuses_poison))
    assert Work.objects.get().state == "idle"
    assert Work.objects.get().most_events is None or Work.objects.get().most_events > 1
    assert Conclusion.objects.count() == EVENTS - 1
    account = reconcile.account()
    assert (account.covered, account.faults) == (EVENTS, 0)


def test_only_a_parked_line_skips():
    write(None)
    following.take_in()
    with pytest.raises(Conflict, match="Only a parked line"):
        disposition.skip(Work.objects.get(), by="olga")
    assert not Representation.objects.exists()


def test_an_input_that_kills_its_worker_again_and_again_is_parked():
    write(None)
    following.take_in()
    for _ in range(3):
        [claim] = queue.claim(1, "victim")
        assert passes.prepare(claim, STEP) is not None
        Work.objects.update(due_at=timezone.now() - timedelta(seconds=1))  # it dies; its lease runs out
    [claim] = queue.claim(1, "survivor")
    assert passes.prepare(claim, STEP) is None
    work = Work.objects.get()
    assert (work.state, work.last_failure) == ("parked", "lost_lease")
    assert work.last_error == "The last 3 passes ended with the death of their worker."
    assert list(Pass.objects.order_by("started_at").values_list("outcome", flat=True)) == ["abandoned"] * 3 + ["failed"]
    disposition.retry([work])
    drain(FakeProvider())
    assert Work.objects.get().state == "idle", "an operator's retry counts anew"
