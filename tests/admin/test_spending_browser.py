"""An operator limits what is spent, sees what waits for it, and lets it go on; in a browser, under a strict policy."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory.models import Subject
from reasoning.models import Budget, Price, Work
from tests.admin import data
from tests.admin.browser import NEEDS, heading

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, whose journey is remembered."""
    return data.ana()


def write_and_reason(text):
    """Say something more and let the loop run once."""
    data.say("trip-planner", "ana", "lisbon-in-may", ("ana", text))
    go_on()


def go_on():
    """Let the loop run once."""
    data.reason(lambda prepared: data.one_statement(prepared, "plans a journey."))


def test_a_budget_holds_work_until_it_is_raised(page, site, ana):
    page.goto(f"{site}{reverse('admin:reasoning_budget_changelist')}")
    page.get_by_role("link", name="Add budget").click()
    page.locator(".field-app .select2-selection").click()
    page.fill(".select2-search__field", "trip")
    page.locator(".select2-results__option", has_text="trip-planner").click()
    page.select_option("#id_period", "total")
    page.click("input[name=_save]")
    expect(page.locator(".errorlist")).to_contain_text("Limit tokens, money or both.")
    page.fill("#id_tokens", "100")
    page.click("input[name=_save]")
    expect(page.locator("#result_list")).to_contain_text("0 of 100 tokens")

    write_and_reason("We could go to Cascais.")
    page.goto(f"{site}{reverse('admin:reasoning_work_changelist')}")
    page.locator("#changelist-filter a", has_text="Held").first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    expect(page.locator("#result_list")).to_contain_text("The budget of trip-planner, in all is 100 tokens")
    page.get_by_role("link", name="Where every event is").click()
    expect(heading(page)).to_have_text("Where every event is")
    expect(page.locator("#content")).to_contain_text("Every event is in exactly one state.")
    held = page.locator("tr", has=page.get_by_role("link", name="held", exact=True))
    expect(held.locator("td").first).to_have_text("4")
    page.get_by_role("link", name="held", exact=True).click()
    page.locator("th.field-state_badge a, td.field-state_badge a").first.click()
    expect(page.locator(".honcho-alert")).to_contain_text("It asks again as soon as a budget or a price is changed.")

    page.locator(".honcho-alert").get_by_role("link", name="Budgets").click()
    page.get_by_role("link", name="trip-planner, in all").click()
    page.fill("#id_tokens", "1000000")
    page.click("input[name=_save]")
    expect(page.locator("#result_list")).to_contain_text("0 of 1,000,000 tokens")
    assert not Work.objects.filter(state="held").exists(), "saving it was enough"
    go_on()
    assert Subject.objects.get(user=ana, kind="user").current.number == 3
    page.reload()
    expect(page.locator("#result_list")).to_contain_text("8,520 of 1,000,000 tokens")
    page.goto(f"{site}{reverse('admin:reasoning_spend_changelist')}")
    expect(page.locator(".honcho-totals")).to_contain_text("8,520")
    expect(page.locator("#result_list")).to_contain_text("unknown")


def test_work_without_a_price_goes_on_when_the_price_is_given(page, site, ana):
    Budget.objects.create(period="month", money=5)
    write_and_reason("We could go to Sintra.")
    assert set(Work.objects.values_list("state", "last_failure")) == {("held", "no_price")}
    page.goto(f"{site}{reverse('admin:reasoning_price_add')}")
    page.fill("#id_model", "gpt-4o-mini")
    page.locator(".field-since .datetimeshortcuts a").first.click()
    page.fill("#id_input_price", "0.15")
    page.fill("#id_output_price", "0.6")
    page.click("input[name=_save]")
    expect(page.locator("#result_list")).to_contain_text("gpt-4o-mini")
    assert Price.objects.get().model == "gpt-4o-mini"
    go_on()
    assert set(Work.objects.values_list("state", flat=True)) == {"idle"}
    page.goto(f"{site}{reverse('admin:memory_app_change', args=[ana.app_id])}")
    expect(page.locator("section", has_text="Spending")).to_contain_text("of 5 in money")
