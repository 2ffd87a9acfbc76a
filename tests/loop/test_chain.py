"""The chain of providers: the next is asked when those before it cannot answer, and the version says who did."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from memory import log
from memory.log import NewEvent
from memory.models import Representation
from reasoning import circuit, disposition, following, providers
from reasoning.chain import Rooms
from reasoning.circuit import Allowance
from reasoning.conf import ReasoningSettings
from reasoning.drainer import Drainer
from reasoning.models import Pass, ProviderState, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Step
from tests.crash.site import until
from tests.loop.helpers import AT_ONCE, FakeProvider, draining, truthful
from tests.loopback.server import LoopbackModel

pytestmark = pytest.mark.django_db(transaction=True)

WELL = Allowance(None)


@pytest.fixture(autouse=True)
def at_once(settings, monkeypatch):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 0.2, "FALLBACKS": [{"PROVIDER": "openai"}, {"PROVIDER": "local"}]}
    monkeypatch.setattr(disposition, "BACKOFF_SECONDS", 0.001)


def ailing(seconds: float, calls: int | None = 0) -> Allowance:
    return Allowance(calls, None, seconds)


def steps(*after: float) -> list[Step]:
    return [Step(FakeProvider(name=f"p{place}"), after_seconds=wait) for place, wait in enumerate((0.0, *after))]


def rooms(allowed: list[Allowance], *after: float, in_flight: tuple[int, ...] = (), capacity: int = 8) -> Rooms:
    return Rooms(steps(*after), allowed, in_flight or (0,) * len(allowed), capacity)


def test_while_the_first_is_well_it_takes_everything():
    room = rooms([WELL, WELL], 60)
    assert room.total() == 8
    assert {room.take(0) for _ in range(8)} == {0}
    assert room.take(0) is None


def test_the_next_is_asked_once_the_first_has_ailed_for_long_enough():
    assert rooms([ailing(59), WELL], 60).total() == 0
    room = rooms([ailing(60), WELL], 60)
    assert (room.total(), room.take(0)) == (8, 1)


def test_the_last_is_asked_once_all_before_it_have_ailed():
    assert rooms([ailing(900), WELL, WELL], 60, 600).take(0) == 1
    assert rooms([ailing(900), ailing(599), WELL], 60, 600).take(0) is None
    assert rooms([ailing(900), ailing(600), WELL], 60, 600).take(0) == 2


def test_a_first_that_comes_back_takes_what_it_may_and_the_next_the_rest():
    room = rooms([ailing(900, calls=2), WELL], 60, in_flight=(1, 0))
    assert [room.take(0) for _ in range(8)] == [0, 1, 1, 1, 1, 1, 1, 1]


def test_what_the_first_gave_up_on_goes_to_the_next_at_once():
    room = rooms([WELL, WELL], 60)
    assert room.take(1) == 1
    assert rooms([WELL, ailing(5)], 60).take(1) is None


def test_in_flight_calls_take_up_room():
    assert rooms([WELL, WELL], 0, in_flight=(3, 2)).total() == 3
    assert rooms([Allowance(4), WELL], 0, in_flight=(3, 0)).total() == 1


def refuses(request: Request) -> Answer:
    raise ProviderError(Failure.REFUSED, "The content filter declined the content.")


def down(request: Request) -> Answer:
    raise ProviderError(Failure.RATE_LIMITED, "Too many requests.", retry_after=60)


def breaks(request: Request) -> Answer:
    raise ZeroDivisionError


def write(user: str = "ana", content: str = "I sail.") -> None:
    log.append("app", [NewEvent(content=content)], user=user)


def run(*chain: Step, seconds: float | None = None) -> None:
    asyncio.run(Drainer(*chain).run(seconds=seconds, until_idle=seconds is None))


def test_an_outage_is_bridged_and_the_version_says_by_whom():
    first, second = FakeProvider(down, name="first"), FakeProvider(name="second")
    write()
    run(Step(first), Step(second, model="other-model"), seconds=1.0)
    assert len(first.requests) == 1
    assert [request.model for request in second.requests] == ["other-model"]
    made = Representation.objects.get().made_by
    assert made["provider"] == "second"
    assert Pass.objects.get(outcome="published").provider == "second"


def test_an_outage_that_is_short_is_waited_out():
    first, second = FakeProvider(down, name="first"), FakeProvider(name="second")
    write()
    run(Step(first), Step(second, after_seconds=60), seconds=0.7)
    assert (len(first.requests), second.requests) == (1, [])
    ProviderState.objects.update(ailing_since=timezone.now() - timedelta(seconds=61))
    run(Step(first), Step(second, after_seconds=60), seconds=0.7)
    assert len(second.requests) == 1


def test_the_first_is_asked_again_when_it_is_well():
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    circuit.failed("first", ProviderError(Failure.RATE_LIMITED, "No.", retry_after=60))
    ProviderState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    write()
    run(Step(first), Step(second))
    assert (len(first.requests), second.requests) == (1, [])


def test_what_the_first_refuses_the_next_is_asked_and_then_the_first_again():
    first, second = FakeProvider(refuses, name="first"), FakeProvider(name="second")
    write()
    run(Step(first), Step(second, after_seconds=600))
    assert len(first.requests) == 3, "the same question, refused in the same way"
    assert len(second.requests) == 1
    assert Representation.objects.get().made_by["provider"] == "second"
    assert (Work.objects.get().state, Work.objects.get().step) == ("idle", 0)
    write()
    first.make = truthful
    run(Step(first), Step(second, after_seconds=600))
    assert (len(first.requests), len(second.requests)) == (4, 1)


def test_what_all_refuse_is_parked():
    chain = [FakeProvider(refuses, name=name) for name in ("first", "second", "third")]
    write()
    run(*map(Step, chain))
    work = Work.objects.get()
    assert (work.state, work.last_failure, work.step) == ("parked", "refused", 2)
    assert [len(provider.requests) for provider in chain] == [3, 3, 3]
    disposition.retry([work])
    chain[0].make = truthful
    run(*map(Step, chain))
    assert (Work.objects.get().state, Representation.objects.get().made_by["provider"]) == ("idle", "first")


def test_an_error_of_ours_is_not_taken_to_the_next():
    first, second = FakeProvider(breaks, name="first"), FakeProvider(name="second")
    write()
    run(Step(first), Step(second))
    assert (Work.objects.get().state, second.requests) == ("parked", [])


def test_what_is_at_a_step_that_is_paused_waits_and_uses_up_no_attempt():
    write()
    following.take_in()
    Work.objects.update(step=1)
    circuit.failed("second", ProviderError(Failure.QUOTA, "Pay."))
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    run(Step(first), Step(second), seconds=0.5)
    work = Work.objects.get()
    assert (work.state, work.attempts, first.requests, second.requests) == ("waiting", 0, [], [])
    assert not Pass.objects.exists()


def test_the_settings_name_the_chain_and_a_key_goes_to_no_other_address():
    chain = providers.configured(
        ReasoningSettings(
            provider="openai",
            openai_api_key="secret",
            openai_base_url="http://first/v1",
            fallbacks=(
                {"PROVIDER": "openai", "MODEL": "bigger"},
                {"PROVIDER": "openai", "BASE_URL": "http://other/v1", "NAME": "other", "AFTER_SECONDS": 5},
                {"PROVIDER": "openai", "BASE_URL": "http://third/v1", "API_KEY": "their-own"},
                {"PROVIDER": "local"},
            ),
        )
    )
    assert [(step.name, step.model, step.after_seconds) for step in chain] == [
        ("openai", "", 0.0),
        ("openai-2", "bigger", 60.0),
        ("other", "", 5.0),
        ("openai-4", "", 60.0),
        ("local", "", 60.0),
    ]
    keys = [getattr(step.provider, "_api_key", None) for step in chain]
    assert keys == ["secret", "secret", "none", "their-own", None]


def test_over_http_one_server_refuses_and_the_next_answers_and_at_last_the_local_reasoner(settings):
    with LoopbackModel() as first, LoopbackModel() as second:
        settings.HONCHO |= {
            "OPENAI_API_KEY": "k",
            "OPENAI_BASE_URL": first.url,
            "FALLBACK_AFTER_SECONDS": 0,
            "FALLBACKS": [
                {"PROVIDER": "openai", "BASE_URL": second.url, "MODEL": "backup"},
                {"PROVIDER": "local"},
            ],
        }
        first.always("status", status=429, headers={"Retry-After": "60"})
        with draining():
            write("ana")
            until(lambda: Representation.objects.count() == 1, "the second server answers")
            second.always("status", status=429, headers={"Retry-After": "60"})
            write("ben", "I live in Porto.")
            until(lambda: Representation.objects.count() == 2, "the local reasoner answers")
        assert (first.count, second.count) == (1, 2)
    made = list(Representation.objects.order_by("created_at").values_list("made_by__provider", flat=True))
    assert made == ["openai-2", "local"]
