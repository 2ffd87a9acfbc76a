"""Budgets: checked before each call with what it may cost; what does not fit waits, visibly, and is not tried again."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from memory import clock, log
from memory.log import NewEvent
from memory.models import App, Representation
from reasoning import disposition, following, labels, passes, prompt_versions, queue, reconcile, spending
from reasoning.drainer import Drainer
from reasoning.models import Budget, Pass, Price, PromptVersion, Spend, Work
from reasoning.providers.base import Failure, ProviderError, Step, Usage
from tests.crash.site import until
from tests.loop.helpers import (
    AT_ONCE,
    STEP,
    FakeProvider,
    claimed,
    completion,
    drain,
    draining,
    make_due,
    one_pass,
    prepared,
    truthful,
    work_of,
)
from tests.store.helpers import person, say, together

pytestmark = pytest.mark.django_db(transaction=True)

CALL = 120
"""What FakeProvider expects a call to take, and takes."""


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def price(model: str = "gpt-4o-mini", since: str = "2026-01-01", provider: str = "", each: str = "1000") -> Price:
    """A price of 0.001 a token, so that a call of FakeProvider costs 0.12."""
    return Price.objects.create(provider=provider, model=model, since=since, input_price=each, output_price=each)


def spent() -> tuple[int, Decimal]:
    row = Spend.objects.get()
    return row.tokens, row.cost


def today() -> date:
    return clock.now().astimezone(UTC).date()


def held() -> Work:
    """Claim the one row; it must come to be held."""
    make_due()
    assert passes.prepare(claimed(), STEP) is None
    work = work_of()
    assert work.state == "held"
    return work


def test_a_price_holds_from_its_day_on_and_a_providers_own_comes_first():
    old, new = price(since="2026-01-01"), price(since="2026-06-01")
    own = price(since="2026-03-01", provider="openai-2")
    assert spending.price_on(date(2025, 12, 31), "openai", "gpt-4o-mini") is None
    assert spending.price_on(date(2026, 5, 31), "openai", "gpt-4o-mini") == old
    assert spending.price_on(date(2026, 6, 1), "openai", "gpt-4o-mini") == new
    assert spending.price_on(date(2026, 6, 1), "openai-2", "gpt-4o-mini") == own
    assert spending.price_on(date(2026, 6, 1), "openai", "another") is None


@pytest.mark.parametrize(
    ("usage", "cached_price", "cost"),
    [
        (Usage(1_000_000, 0, 0), None, "2"),
        (Usage(1_000_000, 1_000_000, 0), None, "10"),
        (Usage(1_000_000, 0, 500_000), None, "2"),
        (Usage(1_000_000, 0, 500_000), "1", "1.5"),
        (Usage(10, 1, 0), None, "0.000028"),
        (Usage(10, 0, 99), "0", "0"),
    ],
)
def test_cost_is_tokens_at_their_price(usage, cached_price, cost):
    row = Price(input_price=Decimal(2), output_price=Decimal(8), cached_price=cached_price and Decimal(cached_price))
    assert spending.cost_of(row, usage) == Decimal(cost)


def test_without_a_budget_calls_are_counted_and_nothing_is_held():
    price()
    person()
    say("one")
    version = one_pass()
    row = Spend.objects.get()
    assert (row.calls, row.input_tokens, row.output_tokens, row.cached_tokens) == (1, 100, 20, 50)
    assert spent() == (CALL, Decimal("0.12"))
    assert Pass.objects.get().cost == Decimal("0.12")
    assert version.made_by["cost"] == "0.12"
    assert (row.provider, row.model, row.day) == ("fake", "gpt-4o-mini", today())


def test_a_price_that_nobody_knows_is_unknown_and_not_nothing():
    person()
    say("one")
    version = one_pass()
    assert Pass.objects.get().cost is None
    assert version.made_by["cost"] is None
    assert Spend.objects.get().unpriced_tokens == CALL


def test_a_call_that_might_not_fit_is_not_made_and_waits_for_the_next_day():
    Budget.objects.create(period="day", tokens=CALL * 2 - 1)
    person()
    say("one")
    one_pass()
    say("two")
    work = held()
    midnight = datetime.combine(today() + timedelta(days=1), datetime.min.time(), UTC)
    assert (work.due_at, work.attempts, work.last_failure) == (midnight, 0, "over_budget")
    assert work.last_error == (
        "The budget of the site, a day is 239 tokens: 120 are spent, and the next call may take 120."
    )
    assert not Pass.objects.filter(outcome="running").exists()
    assert spent()[0] == CALL


@pytest.mark.parametrize(
    ("period", "begins"),
    [
        ("day", datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2027, 1, 1, tzinfo=UTC)),
        ("total", None),
    ],
)
def test_the_next_period_is_when_held_work_asks_again(period, begins):
    assert spending._next_period(period, date(2026, 12, 31)) == begins


def test_held_work_is_not_tried_again_by_the_sweep():
    Budget.objects.create(period="total", tokens=0)
    person()
    say("one")
    provider = drain()
    assert provider.requests == []
    assert work_of().state == "held"
    assert work_of().due_at is None
    assert queue.claim(10, "sweep") == []
    say("two")
    drain(provider)
    assert (work_of().state, work_of().waiting_events, provider.requests) == ("held", 2, [])
    assert reconcile.account().faults == 0


def test_a_budget_that_is_raised_lets_held_work_go_on():
    budget = Budget.objects.create(period="total", tokens=0)
    person()
    say("one")
    drain()
    Budget.objects.filter(pk=budget.pk).update(tokens=1_000)
    assert disposition.release_held() == 1
    drain()
    assert work_of().state == "idle"
    assert Representation.objects.get().covers_to == 1


def test_when_the_period_ends_held_work_goes_on_by_itself():
    Budget.objects.create(period="day", tokens=CALL)
    person()
    say("one")
    one_pass()
    say("two")
    held()
    Spend.objects.update(day=today() - timedelta(days=1))  # midnight comes
    make_due()
    drain()
    assert work_of().state == "idle"


def test_a_budget_in_money_needs_a_price():
    Budget.objects.create(period="day", money=1)
    person()
    say("one")
    work = held()
    assert (work.last_failure, work.due_at) == ("no_price", None)
    assert "Nobody knows what the model gpt-4o-mini of the provider fake costs" in work.last_error
    price()
    disposition.release_held()
    drain()
    assert work_of().state == "idle"
    assert spent() == (CALL, Decimal("0.12"))


def test_a_budget_in_money_ends_where_the_money_does():
    price()
    Budget.objects.create(period="day", money="0.30")
    for number in range(5):
        log.append("app", [NewEvent(content="Hello.")], user=f"user-{number}")
    provider = drain()
    assert len(provider.requests) == 2
    assert sorted(Work.objects.values_list("state", flat=True)) == ["held"] * 3 + ["idle"] * 2
    assert (
        "The budget of the site, a day is 0.3 of money: 0.24 are spent"
        in Work.objects.filter(state="held")[0].last_error
    )


def test_calls_under_way_count_so_that_many_at_once_do_not_overrun_a_budget(settings):
    Budget.objects.create(period="day", tokens=CALL * 7)
    for number in range(40):
        log.append("app", [NewEvent(content="Hello.")], user=f"user-{number}")
    provider = FakeProvider(delay=0.05)
    asyncio.run(Drainer(Step(provider)).run(until_idle=True))
    assert len(provider.requests) == 7
    assert spent()[0] == CALL * 7


def test_two_calls_do_not_both_get_the_last_of_a_budget():
    Budget.objects.create(period="day", tokens=CALL * 3)
    person()
    say("one")
    account = _account()

    def reserve() -> bool:
        try:
            with transaction.atomic():
                spending.reserve(account, Usage(100, 20))
        except spending.CannotAfford:
            return False
        return True

    assert sum(together(*[reserve] * 12)) == 3
    assert spent()[0] == CALL * 3


def _account() -> spending.Account:
    following.take_in()
    prompt = PromptVersion.objects.get(kind="user", labels__name="live")
    return spending.Account(App.objects.get().pk, prompt.pk, "fake", "gpt-4o-mini", today())


def test_what_a_call_took_takes_the_place_of_what_it_might_have_taken(monkeypatch):
    Budget.objects.create(period="day", tokens=1_000)
    monkeypatch.setattr(STEP.provider, "projected", lambda request: Usage(600, 300))
    person()
    say("one")
    ready = prepared(claimed())
    assert spent()[0] == 900
    assert (Pass.objects.get().charged_tokens, Spend.objects.get().calls) == (900, 0)
    passes.complete(ready, completion(truthful(ready.request)))
    assert spent()[0] == CALL


def test_a_call_of_which_nobody_hears_again_stays_charged():
    Budget.objects.create(period="day", tokens=1_000)
    person()
    say("one")
    prepared(claimed())
    make_due()
    claimed("another")
    assert spent()[0] == CALL
    assert Pass.objects.filter(outcome="abandoned", charged_tokens=CALL).exists()


@pytest.mark.parametrize(("usage", "tokens"), [(Usage(), 0), (Usage(30, 0), 30), (None, CALL)])
def test_a_failed_call_costs_what_the_provider_says_and_if_it_cannot_say_what_was_charged(usage, tokens):
    Budget.objects.create(period="day", tokens=1_000)
    person()
    say("one")
    claim = claimed()
    passes.fail(claim, ProviderError(Failure.TRANSIENT, "No answer.", usage=usage), prepared(claim))
    assert spent()[0] == tokens


def test_an_answer_that_came_too_late_is_counted_all_the_same():
    person()
    say("one")
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call is under way")
        make_due()
        queue.claim(1, "another")
        provider.gate.set()
        until(lambda: Spend.objects.exists(), "the call is counted")
    lost = Pass.objects.get(outcome="abandoned")
    assert (lost.input_tokens, lost.output_tokens) == (100, 20)
    assert spent()[0] == CALL


def test_a_free_provider_is_charged_nothing(monkeypatch):
    Budget.objects.create(period="day", tokens=0)
    monkeypatch.setattr(STEP.provider, "free", True)
    person()
    say("one")
    one_pass()
    assert not Spend.objects.exists()
    assert Pass.objects.get().cost == 0


def test_a_budget_binds_its_own_app_and_prompt_and_no_other():
    person(app="poor")
    person(app="rich")
    Budget.objects.create(app=App.objects.get(name="poor"), period="day", tokens=0)
    for app in ("poor", "rich"):
        say("one", app=app)
    drain()
    assert dict(Work.objects.values_list("app__name", "state")) == {"poor": "held", "rich": "idle"}
    other = PromptVersion.objects.get(kind="session", labels__name="live")
    Budget.objects.all().delete()
    Budget.objects.create(prompt_version=other, period="day", tokens=0)
    disposition.release_held()
    drain()
    assert set(Work.objects.values_list("state", flat=True)) == {"idle"}


def test_under_a_budget_an_answer_is_limited_to_what_it_is_charged_for(settings):
    settings.HONCHO = AT_ONCE | {"OUTPUT_TOKENS": 777}
    person()
    say("one")
    assert "max_output_tokens" not in prepared(claimed()).request.parameters
    make_due()
    Budget.objects.create(period="day", tokens=10_000)
    assert prepared(claimed()).request.parameters["max_output_tokens"] == 777


def test_a_prompt_versions_own_limit_stands():
    person()
    live = PromptVersion.objects.get(kind="user", labels__name="live")
    own = prompt_versions.create("user", live.instructions, message="Short answers.", parameters={"max_tokens": 50})
    labels.move("live", own, reason="Better")
    Budget.objects.create(period="day", tokens=10_000)
    say("one")
    assert prepared(claimed()).request.parameters == {"max_tokens": 50}


@pytest.mark.parametrize(
    "fields",
    [{}, {"tokens": -1}, {"money": -1}, {"tokens": 5, "money": -1}],
    ids=["nothing limited", "tokens below 0", "money below 0", "one of two below 0"],
)
def test_the_database_refuses_a_budget_that_makes_no_sense(fields):
    with pytest.raises(IntegrityError, match="budget_"), transaction.atomic():
        Budget.objects.create(period="day", **fields)


def test_there_is_one_budget_of_a_kind():
    Budget.objects.create(period="day", tokens=5)
    with pytest.raises(IntegrityError, match="budget_one_for_site"), transaction.atomic():
        Budget.objects.create(period="day", tokens=6)
    Budget.objects.create(period="month", tokens=6)
