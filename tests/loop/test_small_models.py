"""A small model on one's own machine: little room, little speed, and a server with manners of its own."""

from __future__ import annotations

import asyncio

import pytest

from memory import log, tokens
from memory.log import NewEvent
from memory.models import Conclusion, Representation
from reasoning import disposition, reconcile
from reasoning.conf import ReasoningSettings
from reasoning.drainer import Drainer
from reasoning.models import Pass, Work
from reasoning.prompts.library import default_instructions, frame
from reasoning.prompts.messages import build_messages
from reasoning.prompts.schema import describe_schema
from reasoning.providers.base import Answer, Failure, Kind, ProviderError, Request, Task
from reasoning.providers.openai import forget_manners
from tests.loop.helpers import AT_ONCE, FakeProvider, drain, truthful
from tests.loopback.server import LoopbackModel

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 16


@pytest.fixture(autouse=True)
def at_once(settings, monkeypatch):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE}
    monkeypatch.setattr(disposition, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def model(settings):
    forget_manners()
    with LoopbackModel() as running:
        settings.HONCHO |= {"OPENAI_BASE_URL": running.url, "MODEL": "small", "MODEL_TIMEOUT": 20}
        yield running
    forget_manners()


def write(words: int = 30) -> None:
    log.append("app", [NewEvent(content=f"On day {n} I " + "walked " * words) for n in range(EVENTS)], user="ana")


def test_a_server_like_llama_cpps_is_understood_at_once_and_its_answers_are_published(model):
    model.always("llama_cpp")
    write()
    asyncio.run(Drainer().run(until_idle=True))
    assert [call.status for call in model.calls] == [500, 200]
    assert Pass.objects.get().outcome == "published"
    assert Conclusion.objects.count() == EVENTS


def test_what_is_above_the_context_is_read_in_halves_until_it_fits(model, settings):
    settings.HONCHO |= {"KNOWN_TOKENS": 100}
    model.always("llama_cpp", context=3_500)
    write(words=60)
    asyncio.run(Drainer().run(until_idle=True))
    account = reconcile.account()
    assert (account.covered, account.faults) == (EVENTS, 0)
    refused = Pass.objects.filter(failure="refused")
    assert all(item.error.startswith("Context too long") for item in refused)
    assert 1 <= refused.count() <= 6


def test_one_event_above_the_context_is_parked_with_what_to_do(model):
    model.always("llama_cpp", context=1_000)
    log.append("app", [NewEvent(content="I walked.")], user="ana")
    asyncio.run(Drainer().run(until_idle=True))
    work = Work.objects.get()
    assert (work.state, work.last_failure) == ("parked", "refused")
    assert "or give it more room (HTTP 400, context_length_exceeded, messages)" in work.last_error


@pytest.mark.parametrize(("kind", "failure"), [("cut_off", "nonsense"), ("wrong_schema", "nonsense")])
def test_what_cannot_be_used_is_kept_from_readers_and_with_the_pass(model, kind, failure):
    model.always(kind)
    log.append("app", [NewEvent(content="I walked.")], user="ana")
    asyncio.run(Drainer().run(until_idle=True))
    assert Work.objects.get().last_failure == failure
    assert not Representation.objects.exists()
    assert all(item.raw for item in Pass.objects.all())


def test_a_batch_that_a_model_is_too_slow_for_is_read_in_halves():
    def slow(request: Request) -> Answer:
        if len(request.events) > 3:
            raise ProviderError(Failure.TRANSIENT, "Not within 60 seconds.", usage=None, slow=True)
        return truthful(request)

    write()
    provider = drain(FakeProvider(slow))
    sizes = [len(request.events) for request in provider.requests]
    assert sizes[:4] == [16, 8, 4, 2]
    assert Work.objects.get().state == "idle"
    assert reconcile.account().covered == EVENTS


class TestContext:
    def test_it_bounds_what_a_call_shows_and_may_answer(self, settings):
        settings.HONCHO |= {"CONTEXT_TOKENS": 8_192}
        found = ReasoningSettings.load()
        assert (found.pass_tokens, found.known_tokens) == (1_298, 324)
        assert (found.consolidate_tokens, found.output_tokens) == (1_298, 1_298)

    def test_smaller_limits_stay_and_a_large_context_changes_nothing(self, settings):
        plain = ReasoningSettings.load()
        settings.HONCHO |= {"CONTEXT_TOKENS": 1_000_000}
        assert ReasoningSettings.load().pass_tokens == plain.pass_tokens
        settings.HONCHO |= {"CONTEXT_TOKENS": 8_192, "PASS_TOKENS": 100}
        assert ReasoningSettings.load().pass_tokens == 100

    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.parametrize("task", list(Task))
    def test_each_default_prompt_fits_what_is_kept_for_it(self, kind, task):
        from reasoning.conf import PROMPT_TOKENS

        taken = tokens.count_each([frame(task), default_instructions(kind), describe_schema()])
        assert sum(taken) < PROMPT_TOKENS * 0.95

    def test_a_call_is_told_its_limit_and_fits_with_what_is_known(self, settings):
        settings.HONCHO |= {"CONTEXT_TOKENS": 8_192, "GATE_GROWTH_RATIO": 50}
        for _ in range(3):
            write(words=40)
        provider = drain()
        last = provider.requests[-1]
        assert len(last.known) > 3
        assert last.parameters == {"max_output_tokens": 1_298}
        sent = [message["content"] for message in build_messages(last)]
        assert sum(tokens.count_each(sent)) + 1_298 < 8_192
