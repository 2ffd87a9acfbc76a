"""Prices, budgets, spending and held work in the admin, and the account of all events."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from memory.models import App
from reasoning import budgets, following, labels, prompt_versions, reconcile
from reasoning.admin.amounts import cost, money
from reasoning.models import Budget, Pass, Price, PromptVersion, Spend, Work
from tests.admin import acting, data
from tests.admin.test_admin_pages import FOUND, MOVED, REFUSED, list_of, operator, page_of, text_of  # noqa: F401

pytestmark = pytest.mark.django_db

RECONCILE = "admin:reasoning_work_reconcile"
TODAY = timezone.now().astimezone(UTC).date()


@pytest.fixture
def app() -> App:
    return App.objects.create(name="shop")


@pytest.fixture
def version() -> PromptVersion:
    return PromptVersion.objects.get(app=None, kind="user", labels__name="live")


def spend(app, version, *, day=TODAY, model="gpt-4o-mini", tokens=1_000, cost="0.25", unpriced=0) -> Spend:
    return Spend.objects.create(
        app=app, day=day, prompt_version=version, provider="openai", model=model, calls=2, tokens=tokens,
        input_tokens=tokens, cost=Decimal(cost), unpriced_tokens=unpriced,
    )  # fmt: skip


def add(client, model, /, **values):
    return client.post(reverse(f"admin:reasoning_{model._meta.model_name}_add"), values)


def last_entry() -> str:
    return LogEntry.objects.latest("pk").change_message


def held(app="trip-planner") -> Work:
    """Work that a budget holds."""
    Budget.objects.create(period="total", tokens=10)
    data.say(app, "ana", "long", ("ana", "I sail."))
    data.reason(data.summary_only)
    return Work.objects.get(kind="user")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"), ("0", "0"), ("0.000000120", "0.00000012"), ("0.0049", "0.0049"), ("0.05", "0.05"),
        ("12.34567", "12.3457"), ("1234567.891", "1,234,567.89"), ("100", "100"), ("1000", "1,000"),
    ],
)  # fmt: skip
def test_money_takes_as_many_digits_as_it_needs(amount, text):
    assert money(None if amount is None else Decimal(amount)) == text


def test_a_cost_of_which_a_part_is_not_known_says_so():
    assert cost(Decimal(2), 0) == "2"
    assert cost(Decimal(2), 10) == "2 and unknown"
    assert cost(Decimal(0), 10) == "unknown"


def test_the_use_of_every_kind_of_budget_is_what_its_own_check_counts(app, version):
    from reasoning import spending

    other = App.objects.create(name="other")
    mine = prompt_versions.create("user", "Know {subject}.", message="Own", app=app)
    days = (TODAY, TODAY.replace(day=1), TODAY.replace(day=1) - timedelta(days=1), date(2020, 2, 29))
    for number, (where, made_by, day) in enumerate(
        (where, made_by, day) for where in (app, other) for made_by in (version, mine) for day in sorted(set(days))
    ):
        spend(where, made_by, day=day, tokens=2**number, cost=str(2**number))
    for where in (app, other, None):
        for made_by in (version, mine, None):
            for period in Budget.Period.values:
                Budget.objects.create(app=where, prompt_version=made_by, period=period, tokens=10**9, money=10**7)
    found = budgets.uses(list(Budget.objects.all()))
    for budget in Budget.objects.all():
        counted = spending.spent(budget, TODAY)
        assert {use.unit: use.used for use in found[budget.pk]} == {"tokens": counted.tokens, "money": counted.cost}
    assert len(found) == 27


def test_the_list_of_budgets_shows_what_is_used_and_is_loud_where_little_is_left(operator, app, version):  # noqa: F811
    Budget.objects.create(app=app, period="day", tokens=10_000, money=Decimal("0.3"))
    Budget.objects.create(period="month", tokens=1_000)
    Budget.objects.create(prompt_version=version, period="total", tokens=0)
    spend(app, version)
    shown = text_of(operator.get(list_of(Budget)))
    assert '1,000 of 10,000 tokens <span class="honcho-badge honcho-good">10 %' in shown
    assert '0.25 of 0.3 in money <span class="honcho-badge honcho-warn">83 %' in shown
    assert '1,000 of 1,000 tokens <span class="honcho-badge honcho-bad">100 %' in shown
    assert '1,000 of 0 tokens <span class="honcho-badge honcho-bad">100 %' in shown


def test_a_budget_is_made_changed_and_deleted_and_its_history_tells_the_amounts(operator, app):  # noqa: F811
    assert add(operator, Budget, app=app.pk, period="day", tokens="100").status_code == MOVED
    row = Budget.objects.get()
    assert last_entry() == "Added: app shop, prompt_version –, period day, tokens 100, money –."
    operator.post(page_of(row), {"app": app.pk, "period": "day", "tokens": "250", "money": "1.50"})
    row.refresh_from_db()
    assert (row.tokens, row.money) == (250, Decimal("1.5"))
    assert last_entry() == "Changed: tokens 100 → 250, money – → 1.5."
    operator.post(reverse("admin:reasoning_budget_delete", args=[row.pk]), {"post": "yes"})
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"period": "day"}, "Limit tokens, money or both."),
        ({"period": "day", "tokens": "-1"}, "cannot be below 0"),
        ({"period": "day", "money": "-0.01"}, "cannot be below 0"),
        ({"period": "month", "tokens": "1"}, "There is one already: the site, a month."),
        ({"period": "day", "tokens": "1", "app": "own", "prompt_version": "other"}, "belongs to another app"),
        ({"period": "week", "tokens": "1"}, "Select a valid choice"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_in_words(operator, app, sent, problem):  # noqa: F811
    Budget.objects.create(period="month", tokens=5)
    other = App.objects.create(name="other")
    theirs = prompt_versions.create("user", "Know {subject}.", message="Own", app=other)
    names = {"own": app.pk, "other": theirs.pk}
    shown = text_of(add(operator, Budget, **{key: names.get(value, value) for key, value in sent.items()}))
    assert problem in shown
    assert "Constraint" not in shown
    assert Budget.objects.count() == 1


def test_who_limits_money_is_told_of_models_without_a_price(operator, app, version, settings):  # noqa: F811
    settings.HONCHO = {
        "PROVIDER": "openai", "OPENAI_API_KEY": "none", "MODEL": "big-1",
        "FALLBACKS": [{"PROVIDER": "openai", "MODEL": "small-1", "NAME": "spare"}, {"PROVIDER": "local"}],
    }  # fmt: skip
    warning = "Nobody knows what big-1, small-1 costs"
    assert warning in text_of(operator.get(reverse("admin:reasoning_budget_add")))
    made = operator.post(reverse("admin:reasoning_budget_add"), {"period": "day", "money": "1"}, follow=True)
    assert f"{warning}: its calls wait until you add a price." in text_of(made)
    Price.objects.create(model="big-1", since=TODAY, input_price=1, output_price=1)
    Price.objects.create(model="small-1", provider="another", since=TODAY, input_price=1, output_price=1)
    assert budgets.unpriced_models() == ["small-1"], "the price of another provider"
    Price.objects.filter(provider="another").update(provider="spare", since=TODAY + timedelta(days=1))
    assert budgets.unpriced_models() == ["small-1"], "a price that is yet to come"
    Price.objects.update(since=TODAY)
    assert budgets.unpriced_models() == []
    own = prompt_versions.create("user", "Know {subject}.", message="Own", app=app, model="own-1")
    assert budgets.unpriced_models(prompt_version=own.pk) == ["own-1"]
    labels.move("live", own, reason="Better")
    assert budgets.unpriced_models(app=app.pk) == ["own-1"]
    assert budgets.unpriced_models(app=App.objects.create(name="other").pk) == []


def test_the_local_reasoner_needs_no_price(settings):
    settings.HONCHO = {"PROVIDER": "local"}
    assert budgets.unpriced_models() == []


def test_a_price_is_corrected_and_the_history_tells_what_it_was(operator):  # noqa: F811
    values = {"model": "gpt-4o-mini", "since": "2026-01-01", "input_price": "0.15", "output_price": "0.6"}
    add(operator, Price, **values)
    row = Price.objects.get()
    operator.post(page_of(row), values | {"input_price": "0.2", "cached_price": "0.1"})
    assert last_entry() == "Changed: input_price 0.15 → 0.2, cached_price – → 0.1."
    assert "already exists" in text_of(add(operator, Price, **values))
    assert "cannot be below 0" in text_of(add(operator, Price, **values | {"output_price": "-1"}))
    assert Price.objects.count() == 1


def test_prices_are_listed_newest_first_and_found_by_model(operator):  # noqa: F811
    for model, day in (("a", 1), ("b", 3), ("a", 2)):
        Price.objects.create(model=model, since=date(2026, 1, day), input_price=1, output_price=1)
    shown = operator.get(list_of(Price)).context["cl"].result_list
    assert [(row.model, row.since.day) for row in shown] == [("b", 3), ("a", 2), ("a", 1)]
    shown = operator.get(list_of(Price), {"of_model": "a"}).context["cl"].result_list
    assert [row.since.day for row in shown] == [2, 1]


def test_spending_is_summed_over_what_is_filtered(operator, app, version):  # noqa: F811
    other = App.objects.create(name="other")
    before = TODAY.replace(day=1) - timedelta(days=1)
    spend(app, version)
    spend(other, version, model="big-1", tokens=50, cost="2")
    spend(app, version, day=before, tokens=7, cost="4")

    def sums(**query):
        spent = operator.get(list_of(Spend), query).context["cl"].spent
        return spent.tokens, spent.shown_cost

    assert sums() == (1_050, "2.25"), "this month, unless told"
    assert sums(days="any") == (1_057, "6.25")
    assert sums(days="last_month") == (7, "4")
    assert sums(days="today", app=app.pk) == (1_000, "0.25")
    assert sums(of_model="big-1") == (50, "2")
    assert sums(prompt_version=version.pk, days="any") == (1_057, "6.25")
    assert sums(day__lte=before.isoformat()) == (7, "4"), "a range in the address"
    assert sums(app=App.objects.create(name="quiet").pk) == (0, "0")


def test_a_cost_that_nobody_knows_is_not_shown_as_nothing(operator, app, version):  # noqa: F811
    row = spend(app, version, cost="0", unpriced=1_000)
    for url in (list_of(Spend), page_of(row), page_of(app), page_of(version)):
        assert "unknown" in text_of(operator.get(url)), url
    assert "1,000 tokens" in text_of(operator.get(list_of(Spend)))


def test_an_app_and_a_prompt_version_show_what_they_spent_and_their_budgets(operator, client, app, version):  # noqa: F811
    spend(app, version, cost="1.75")
    Budget.objects.create(app=app, period="day", tokens=10_000)
    Budget.objects.create(period="month", tokens=20_000)
    Budget.objects.create(prompt_version=version, period="day", money=7)
    shown = text_of(operator.get(page_of(app)))
    assert "1.75" in shown
    assert "1,000 of 10,000 tokens" in shown
    assert "1,000 of 20,000 tokens" in shown, "the site's counts for the app too"
    assert f"{list_of(Spend)}?app={app.pk}&amp;days=any" in shown
    shown = text_of(operator.get(page_of(version)))
    assert "1.75 of 7 in money" in shown
    assert "20,000" not in shown
    client.force_login(data.staff("view_app"))
    assert "Spending" not in text_of(client.get(page_of(app)))


def test_a_pass_shows_what_it_cost(operator):  # noqa: F811
    data.ana()
    row = Pass.objects.filter(outcome="published").latest("started_at")
    for value, text in ((None, "unknown"), (Decimal("0.00123"), "0.00123")):
        Pass.objects.filter(pk=row.pk).update(cost=value, charged_tokens=4_120, charged_cost=Decimal("0.5"))
        shown = text_of(operator.get(page_of(row)))
        assert f"<dd>{text}</dd>" in shown
        assert "4,120 tokens, 0.5" in shown
        assert text in text_of(operator.get(list_of(Pass)))


def test_held_work_is_found_says_why_and_asks_again_by_who_may_change_it(client):
    work = held()
    assert work.state == Work.State.HELD
    ask = {"action": "ask-again", "_selected_action": [work.pk]}
    client.force_login(data.staff("view_work"))
    shown = text_of(client.get(list_of(Work), {"state": "held"}))
    assert "over_budget: The budget of the site, in all is 10 tokens" in shown
    assert "Ask again now" not in shown
    assert "Held" in text_of(client.get(page_of(work)))
    acting.act(client, list_of(Work), **ask)
    work.refresh_from_db()
    assert work.state == Work.State.HELD
    client.force_login(data.staff("view_work", "change_work", name="keeper"))
    acting.act(client, list_of(Work), **ask)
    work.refresh_from_db()
    assert work.state == Work.State.WAITING
    assert work.due_at <= timezone.now() + timedelta(seconds=1)
    assert last_entry() == "Ask again now: It is true."


def test_who_may_only_look_at_budgets_changes_none(client, app):
    row = Budget.objects.create(app=app, period="day", tokens=5)
    client.force_login(data.staff("view_budget", "view_price"))
    assert client.get(list_of(Budget)).status_code == FOUND
    assert client.get(page_of(row)).status_code == FOUND
    assert client.post(page_of(row), {"period": "day", "tokens": "9"}).status_code == REFUSED
    assert add(client, Budget, period="day", tokens="9").status_code == REFUSED
    assert add(client, Price, model="x").status_code == REFUSED
    assert client.post(reverse("admin:reasoning_budget_delete", args=[row.pk]), {"post": "yes"}).status_code == REFUSED


def test_the_account_shows_every_state_and_that_nothing_is_amiss(operator):  # noqa: F811
    data.say("trip-planner", "ana", "long", ("ana", "I row."))
    data.reason(data.summary_only)
    held()
    data.say("trip-planner", "ana", "long", ("ana", "I swim."))
    page = operator.get(reverse(RECONCILE))
    shown = text_of(page)
    assert {name: count for name, _, count in page.context["states"]} == {
        "not_taken_in": 2, "waiting": 0, "leased": 0, "held": 2, "parked": 0, "covered": 2,
        "beside_covered": 0, "beside_left": 0,
    }  # fmt: skip
    assert "Every event is in exactly one state." in shown
    assert shown.count(">none<") == 4
    assert f"{list_of(Work)}?state=held" in shown
    assert reverse(RECONCILE) in text_of(operator.get(list_of(Work)))
    assert reverse(RECONCILE) in text_of(operator.get(reverse("admin:app_list", args=["reasoning"])))


def test_the_account_is_loud_about_a_fault(operator):  # noqa: F811
    data.say("trip-planner", "ana", "long", ("ana", "I row."))
    following.take_in()
    Work.objects.filter(kind="user").update(state="idle", due_at=None)
    shown = text_of(operator.get(reverse(RECONCILE)))
    assert "1 not in exactly one state" in shown
    assert "This is a bug" in shown
    assert shown.count(">none<") == 3


def test_the_account_is_for_who_may_see_work(client):
    client.force_login(data.staff("view_pass"))
    assert client.get(reverse(RECONCILE)).status_code == REFUSED
    assert reverse(RECONCILE) not in text_of(client.get(reverse("admin:app_list", args=["reasoning"])))
    client.force_login(data.staff("view_work", name="keeper"))
    assert client.get(reverse(RECONCILE)).status_code == FOUND


def test_an_account_that_takes_too_long_is_left_to_the_command(operator, monkeypatch):  # noqa: F811
    def slow():
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(reconcile, "account", slow)
    assert "manage.py reconcile" in text_of(operator.get(reverse(RECONCILE)))
