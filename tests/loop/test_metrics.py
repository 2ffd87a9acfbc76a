"""What Prometheus is told: what calls took and cost, what budgets have left, and what waits for people."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from memory import clock, quarantine
from memory.models import App
from reasoning import budgets, labels, metrics, passes, prompt_versions
from reasoning.models import Budget, Price, PromptVersion, Spend, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Statement, Usage
from tests.loop.helpers import AT_ONCE, claimed, completion, drain, prepared
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db(transaction=True)

MADE_UP = Answer(add=(Statement("I know.", (99,)),), now="Now.")
"""It rests on an event that was not shown."""


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE | {"MODEL": "model-1"}


def counted(prompt: str = "user-1", model: str = "model-1") -> dict[str, float]:
    """What the counters of a model and prompt show."""
    tokens = {way: metrics.TOKENS.labels(model, prompt, way)._value.get() for way in ("input", "output")}
    cost = metrics.COST.labels(model, prompt)._value.get()
    calls = metrics.CALLS.labels(model, prompt)._value.get()
    return tokens | {"calls": calls, "cost": cost, "unpriced": metrics.UNPRICED.labels(model)._value.get()}


def more(before: dict[str, float], **which: str) -> dict[str, Any]:
    """What has been counted since."""
    return {name: pytest.approx(value - before[name]) for name, value in counted(**which).items()}


def shown() -> dict[tuple[str, ...], float]:
    """Every gauge of the database: its name and labels, and its value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.DatabaseCollector().collect()
        for sample in family.samples
    }


def test_a_call_counts_its_tokens_and_its_cost_by_model_and_prompt():
    Price.objects.create(model="model-1", since=date(2026, 1, 1), input_price=1, cached_price=0, output_price=10)
    before, other = counted(), counted("session-1")
    person()
    say("I sail.")
    drain()
    # Of 100 tokens that went in, 50 were cached; 20 came out.
    assert more(before) == {"calls": 1, "input": 100, "output": 20, "cost": 0.00025, "unpriced": 0}
    assert more(other, prompt="session-1") == {"calls": 0, "input": 0, "output": 0, "cost": 0, "unpriced": 0}


def test_a_call_without_a_price_counts_its_tokens_as_such_and_no_cost():
    before = counted()
    person()
    say("I sail.")
    drain()
    assert more(before) == {"calls": 1, "input": 100, "output": 20, "cost": 0, "unpriced": 120}


def test_the_prompt_of_an_app_is_counted_under_its_own_name_and_model():
    subject = person()
    own = prompt_versions.create("user", "Know {subject}.", message="Own", app=subject.app, model="model-2")
    labels.move("live", own, reason="Better")
    before = counted(own.public_id, "model-2")
    say("I sail.")
    drain()
    assert more(before, prompt=own.public_id, model="model-2")["input"] == 100


@pytest.mark.parametrize(("usage", "tokens"), [(Usage(70, 5), 75), (None, 0)], ids=["known", "unknown"])
def test_a_call_that_fails_counts_what_is_known_of_what_it_took(usage, tokens):
    before = counted()
    person()
    say("I sail.")
    claim = claimed()
    passes.fail(claim, ProviderError(Failure.NONSENSE, "No JSON.", usage=usage), prepared(claim))
    assert more(before)["unpriced"] == tokens
    assert more(before)["input"] == (usage.input_tokens if usage else 0)


def test_an_answer_that_a_gate_stops_counts_for_that_gate_and_its_tokens_too():
    before, tokens = stopped(), counted()
    person()
    say("I sail.")
    claim = claimed()
    passes.complete(prepared(claim), completion(MADE_UP))
    assert {gate: value - before.get(gate, 0) for gate, value in stopped().items() if value != before.get(gate, 0)} == {
        "sources": 1
    }
    assert more(tokens)["input"] == 100


def stopped() -> dict[str, float]:
    """How many answers each gate stopped."""
    children: dict[Any, Any] = metrics.QUARANTINED._metrics
    return {labels[0]: child._value.get() for labels, child in children.items()}


def test_budgets_show_how_much_of_them_is_used():
    app = App.objects.create(name="shop")
    version = PromptVersion.objects.get(app=None, kind="user", labels__name="live")
    own = prompt_versions.create("user", "Know {subject}.", message="Own", app=app)
    today = clock.now().date()
    for day, tokens in ((today, 30), (today - timedelta(days=40), 500)):
        Spend.objects.create(
            app=app, day=day, prompt_version=version, provider="openai", model="m", tokens=tokens, cost=Decimal("0.5")
        )
    Budget.objects.create(period="day", tokens=100, money=4)
    Budget.objects.create(app=app, period="total", tokens=1_000)
    Budget.objects.create(prompt_version=version, period="month", tokens=60)
    Budget.objects.create(app=app, prompt_version=own, period="day", tokens=0)
    found = shown()
    assert {key[1:]: value for key, value in found.items() if key[0] == "honcho_budget_used_ratio"} == {
        ("site", "day", "tokens"): 0.3,
        ("site", "day", "money"): 0.125,
        ("app shop", "total", "tokens"): 0.53,
        ("prompt user-1", "month", "tokens"): 0.5,
        (f"app shop, prompt {own.public_id}", "day", "tokens"): 1.0,
    }
    assert found["honcho_budget_limit", "site", "day", "money"] == 4


def test_what_is_held_is_told_apart_and_is_neither_queued_nor_the_oldest():
    Budget.objects.create(period="total", tokens=1)
    person()
    say("I sail.")
    drain()
    Work.objects.update(oldest=clock.now() - timedelta(days=2))
    found = shown()
    assert found["honcho_reasoning_lines", "user", "held"] == 1
    assert found[("honcho_reasoning_tasks_queued",)] == 0
    assert found[("honcho_reasoning_oldest_waiting_seconds",)] == 0
    Budget.objects.all().delete()
    found = shown()
    assert found["honcho_reasoning_lines", "user", "waiting"] == 1
    assert found[("honcho_reasoning_tasks_queued",)] == 1
    assert found[("honcho_reasoning_oldest_waiting_seconds",)] > 86_400


def test_what_a_gate_stopped_is_shown_until_somebody_rules():
    assert shown()[("honcho_quarantined_undecided",)] == 0
    person()
    say("I sail.")
    version = passes.complete(prepared(claimed()), completion(MADE_UP))
    assert shown()[("honcho_quarantined_undecided",)] == 1
    quarantine.discard(version, reason="Made up.", by="me")
    assert shown()[("honcho_quarantined_undecided",)] == 0


def test_gauges_that_take_too_long_do_not_take_the_others_away(monkeypatch):
    Budget.objects.create(period="day", tokens=100)

    def slow(limited):
        raise OperationalError("canceling statement due to statement timeout")

    assert b"honcho_budget_limit" in Client().get("/metrics").content
    monkeypatch.setattr(budgets, "uses", slow)
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert b"honcho_reasoning_tasks_queued" in answer.content
    assert b"honcho_budget_limit" not in answer.content
