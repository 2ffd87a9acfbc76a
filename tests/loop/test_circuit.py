"""A provider's pause, which every worker keeps and nobody pays for; and turns, so that no tenant delays another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from memory import log
from memory.log import NewEvent
from reasoning import circuit, following, queue
from reasoning.drainer import Drainer
from reasoning.models import Pass, ProviderState, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Step
from tests.loop.helpers import AT_ONCE, FakeProvider, draining, truthful
from tests.store.helpers import together, until

pytestmark = pytest.mark.django_db(transaction=True)


def limited(seconds: float | None = 30.0) -> ProviderError:
    return ProviderError(Failure.RATE_LIMITED, "Too many requests.", retry_after=seconds)


def down() -> ProviderError:
    return ProviderError(Failure.TRANSIENT, "The server answered 503.")


def write(users: int, app: str = "app") -> None:
    for n in range(users):
        log.append(app, [NewEvent(content="I sail.")], user=f"user-{n}")


def pause_is_over() -> None:
    ProviderState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    Work.objects.filter(state="waiting").update(due_at=timezone.now() - timedelta(seconds=1))


def run(provider: FakeProvider, seconds: float = 1.0) -> None:
    asyncio.run(Drainer(Step(provider)).run(seconds=seconds))


def test_a_well_provider_has_no_limit_and_no_row():
    assert circuit.allowance("fake") == circuit.Allowance(None)
    circuit.succeeded("fake")
    assert not ProviderState.objects.exists()


def test_a_refusal_for_the_rate_pauses_for_as_long_as_it_asks():
    circuit.failed("fake", limited(30))
    state = ProviderState.objects.get()
    assert state.paused_until is not None
    assert 28 < (state.paused_until - timezone.now()).total_seconds() <= 30
    assert circuit.allowance("fake") == circuit.Allowance(0, state.paused_until)
    assert circuit.allowance("another") == circuit.Allowance(None)


def test_a_shorter_wish_does_not_end_a_longer_pause():
    circuit.failed("fake", limited(30))
    circuit.failed("fake", limited(1))
    assert (ProviderState.objects.get().paused_until - timezone.now()).total_seconds() > 28


def test_single_failures_do_not_pause_but_many_in_a_row_do_and_longer_each_time():
    for _ in range(circuit.FAILURES_IN_A_ROW - 1):
        circuit.failed("fake", down())
    assert circuit.allowance("fake").calls is None
    circuit.failed("fake", down())
    assert circuit.allowance("fake").calls == 0
    first = ProviderState.objects.get().paused_until - timezone.now()
    for _ in range(4):
        pause_is_over()
        circuit.failed("fake", down())
    assert ProviderState.objects.get().paused_until - timezone.now() > 4 * first


def test_a_success_ends_the_row_of_failures():
    for _ in range(circuit.FAILURES_IN_A_ROW - 1):
        circuit.failed("fake", down())
    circuit.succeeded("fake")
    circuit.failed("fake", down())
    assert circuit.allowance("fake").calls is None


def test_successes_and_failures_at_the_same_moment_do_not_break_each_other():
    def both() -> None:
        for _ in range(40):
            circuit.failed("fake", down())
            circuit.succeeded("fake")

    together(*[both] * 6)


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.NONSENSE, Failure.GATED, Failure.OURS])
def test_what_is_not_the_providers_fault_pauses_nothing(failure):
    for _ in range(10):
        circuit.failed("fake", ProviderError(failure, "No."))
    assert not ProviderState.objects.exists()


def test_calls_begin_again_one_at_a_time_and_double_with_each_success():
    circuit.failed("fake", limited(30))
    pause_is_over()
    seen = []
    while (allowed := circuit.allowance("fake").calls) is not None:
        seen.append(allowed)
        circuit.succeeded("fake")
    assert seen == [1, 2, 4, 8, 16, 32, 64]
    assert not ProviderState.objects.exists()


def test_calls_that_were_in_flight_when_a_pause_began_do_not_end_it():
    circuit.failed("fake", limited(30))
    paused = circuit.allowance("fake")
    for _ in range(10):
        circuit.succeeded("fake")
    assert circuit.allowance("fake") == paused
    pause_is_over()
    assert circuit.allowance("fake").calls == 1, "they say nothing of how it is afterwards"


def test_a_quota_pauses_until_an_operator_acts():
    circuit.failed("fake", ProviderError(Failure.QUOTA, "Pay the bill."))
    circuit.succeeded("fake")  # a call that was in flight
    assert circuit.allowance("fake") == circuit.Allowance(0)
    assert ProviderState.objects.get().reason == "Pay the bill."
    assert circuit.resume("fake")
    assert circuit.allowance("fake") == circuit.Allowance(1)
    assert not circuit.resume("unknown")


def test_during_a_pause_nothing_is_called_and_nothing_uses_up_an_attempt(settings):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE, "POLL_INTERVAL": 0.2}
    circuit.failed("fake", limited(60))
    write(3)
    provider = FakeProvider()
    run(provider)
    assert provider.requests == []
    assert set(Work.objects.values_list("state", "attempts")) == {("waiting", 0)}
    assert not Pass.objects.exists()


def test_when_a_pause_is_over_nobody_waits_for_the_next_look(settings):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE, "POLL_INTERVAL": 60}
    circuit.failed("fake", limited(1.0))
    write(1)
    provider = FakeProvider()
    with draining(provider):
        until(lambda: Work.objects.filter(state="idle").exists(), "it is read once the pause is over", 20)
    assert len(provider.requests) == 1


def test_one_refusal_stops_the_calls_of_every_drainer(settings):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE, "POLL_INTERVAL": 0.2, "CALLS_PER_CONNECTION": 1}
    write(20)
    refusing = FakeProvider(lambda request: (_ for _ in ()).throw(limited(60)))
    run(refusing)
    first = len(refusing.requests)
    assert 0 < first <= 8  # what was in flight at once, and no more
    run(refusing)
    assert len(refusing.requests) == first


def test_after_an_outage_everything_drains_by_itself_and_gently(settings):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE, "POLL_INTERVAL": 0.2}
    write(40)

    def broken(request: Request) -> Answer:
        raise down()

    run(FakeProvider(broken))
    assert circuit.allowance("fake").calls == 0
    pause_is_over()
    back = FakeProvider(truthful, delay=0.05)
    begun: list[int] = []
    back.make = lambda request: begun.append(back.in_flight) or truthful(request)
    asyncio.run(Drainer(Step(back)).run(until_idle=True))
    assert set(Work.objects.values_list("state", flat=True)) == {"idle"}
    assert begun[0] == 1
    assert not ProviderState.objects.exists()


def due_rows(app: str, count: int, age: float) -> None:
    write(count, app)
    following.take_in()
    Work.objects.filter(app__name=app).update(due_at=timezone.now() - timedelta(seconds=age))


def apps_of(claims: list[queue.Claim]) -> list[str]:
    return list(Work.objects.filter(lease_token__in=[c.token for c in claims]).values_list("app__name", flat=True))


def test_a_flood_of_one_app_does_not_delay_another():
    due_rows("flood", 50, age=100)
    due_rows("small", 3, age=1)
    assert apps_of(queue.claim(10, "me")).count("small") == 3


def test_with_one_place_at_a_time_the_app_with_least_in_flight_goes_first():
    due_rows("flood", 50, age=100)
    assert len(queue.claim(5, "me")) == 5
    due_rows("small", 3, age=1)
    assert [apps_of(queue.claim(1, "me"))[0] for _ in range(3)] == ["small"] * 3
    assert apps_of(queue.claim(1, "me")) == ["flood"]
