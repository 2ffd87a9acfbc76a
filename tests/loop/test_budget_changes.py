"""Whoever changes a budget or a price, held work asks again."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from memory import clock
from memory.models import Subject
from reasoning import disposition
from reasoning.drainer import Drainer
from reasoning.models import Budget, Price, Spend, Work
from reasoning.providers.base import Step
from tests.loop.helpers import AT_ONCE, FakeProvider, drain, draining
from tests.store.helpers import person, say, together, until

pytestmark = pytest.mark.django_db(transaction=True)

CHANGES = {
    "a budget is raised": lambda: save(Budget.objects.get(), tokens=10_000),
    "a budget is deleted": lambda: Budget.objects.get().delete(),
    "budgets are deleted together": lambda: Budget.objects.all().delete(),
    "another budget is made": lambda: Budget.objects.create(period="month", tokens=10_000),
    "a price is made": lambda: price(),
    "a price is changed": lambda: save(Price.objects.get(model="old"), output_price=2),
    "a price is deleted": lambda: Price.objects.get(model="old").delete(),
}


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 30.0}


@pytest.fixture
def held(at_once) -> Subject:
    """A subject whose work is held: a call takes 120 tokens, and the budget is 100."""
    price(model="old")
    Budget.objects.create(period="total", tokens=100)
    return hold()


def hold() -> Subject:
    subject = person()
    say("I sail.")
    drain()
    assert Work.objects.get().state == Work.State.HELD
    return subject


def price(model: str = "gpt-4o-mini") -> Price:
    return Price.objects.create(model=model, since=date(2020, 1, 1), input_price=1, output_price=Decimal("1.5"))


def save(row, **values) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_what_calls_may_cost_lets_held_work_ask_again(held, change):
    change()
    work = Work.objects.get()
    assert work.state == Work.State.WAITING
    assert work.due_at is not None
    assert work.due_at <= clock.now()
    assert work.attempts == 0


def test_a_drainer_that_sleeps_is_woken_by_the_change(held):
    provider = FakeProvider()
    with draining(provider):
        until(lambda: Work.objects.get().state == Work.State.HELD, "the drainer has looked")
        save(Budget.objects.get(), tokens=10_000)
        until(lambda: Subject.objects.get(pk=held.pk).current, "it went on, long before the next poll", patience=10)
    assert len(provider.requests) == 1


def test_a_change_that_is_rolled_back_releases_nothing(held):
    with transaction.atomic():
        save(Budget.objects.get(), tokens=10_000)
        transaction.set_rollback(True)
    assert Work.objects.get().state == Work.State.HELD


def test_what_still_does_not_fit_is_held_again_and_costs_no_attempt(held):
    save(Budget.objects.get(), tokens=110)
    provider = drain()
    work = Work.objects.get()
    assert (work.state, work.last_failure, work.attempts) == ("held", "over_budget", 0)
    assert provider.requests == []
    assert not Spend.objects.exists()


def test_a_missing_price_holds_and_its_coming_lets_go(at_once):
    Budget.objects.create(period="month", money=1)
    subject = hold()
    work = Work.objects.get()
    assert (work.last_failure, work.due_at) == ("no_price", None)
    price("fake-2")
    drain()
    assert Work.objects.get().state == "held", "the price of another model"
    price()
    drain()
    assert Subject.objects.get(pk=subject.pk).current is not None
    assert Spend.objects.get().cost == Decimal("0.00013")


def test_a_price_that_begins_later_is_waited_for(at_once):
    Budget.objects.create(period="total", money=1)
    for days in (9, 2):
        first = clock.now().astimezone(UTC).date() + timedelta(days=days)
        Price.objects.create(model="gpt-4o-mini", since=first, input_price=1, output_price=1)
    hold()
    work = Work.objects.get()
    assert (work.last_failure, work.due_at) == ("no_price", datetime(first.year, first.month, first.day, tzinfo=UTC))


@pytest.mark.parametrize(
    ("limit", "change"),
    [({"money": 1}, price), ({"tokens": 1}, lambda: save(Budget.objects.get(), tokens=10_000))],
    ids=["price", "budget"],
)
def test_a_change_that_comes_while_work_is_being_held_is_not_missed(at_once, monkeypatch, limit, change):
    """It is saved between the look at the budget and the commit of the hold."""
    Budget.objects.create(period="total", **limit)
    person()
    say("I sail.")
    looked, hold_now = threading.Event(), disposition.hold

    def slowly(*arguments):
        looked.set()
        until(lambda: waits_for_lock(), "whoever changes it waits for the budget")
        hold_now(*arguments)

    def change_it() -> None:
        assert looked.wait(30)
        change()

    monkeypatch.setattr(disposition, "hold", slowly)
    together(lambda: asyncio.run(Drainer(Step(FakeProvider())).run(seconds=1)), change_it)
    monkeypatch.undo()
    drain()
    work = Work.objects.get()
    assert (work.state, work.last_error) == ("idle", "")


def waits_for_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def test_a_change_with_nothing_held_costs_little(at_once):
    budget = Budget.objects.create(period="day", tokens=1)
    with CaptureQueriesContext(connection) as captured:
        save(budget, tokens=2)
    assert len(captured) <= 10
