"""An operator publishes and discards what was stopped, in a browser, under a strict Content-Security-Policy."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory import reading
from memory.models import Event, Ruling
from reasoning.models import Work
from tests.admin.browser import NEEDS, heading
from tests.admin.test_quarantine_pages import make_stopped, stop

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, of whom two versions were stopped."""
    found = make_stopped()
    stop(found.line, "Ana works as a diver.", evidence=[Event.objects.latest("pk").pk])
    return found


def test_from_the_list_to_readers(page, site, ana):
    page.goto(f"{site}{reverse('admin:index')}")
    page.get_by_role("link", name="Quarantine", exact=True).first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Version 2").click()
    expect(page.locator(".honcho-main")).to_contain_text("It would retire half of what is known.")
    expect(page.locator(".honcho-main")).to_contain_text("Ana says <script>")
    page.locator(".object-tools").get_by_role("link", name="Publish").click()
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator("#id_reason")).to_be_visible()  # the browser asks for the reason
    page.fill("#id_reason", "She said so herself.")
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator(".honcho-preview")).to_contain_text("2 more, 1 retired")
    assert not Ruling.objects.exists()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".messagelist")).to_contain_text("Readers get version 4 of ana now.")
    expect(page.locator(".honcho-side")).to_contain_text("published")
    assert "Ana stays in a flat in Graça" in reading.context("trip-planner", "ana").text
    assert Work.objects.get(line=ana.line).state == "idle"
    page.locator(".honcho-alert").get_by_role("link", name="version 4").click()
    expect(heading(page)).to_have_text("View representation")
    expect(page.locator(".honcho-side")).to_contain_text("Published from version 2 by operator")


def test_what_is_left_is_discarded_in_the_list(page, site, ana):
    page.goto(f"{site}{reverse('admin:reasoning_quarantined_changelist')}")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "discard")
    page.click("button[name=index]")
    expect(heading(page)).to_have_text("Discard: 2 selected")
    page.fill("#id_reason", "All of it is made up.")
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".messagelist")).to_contain_text("2 of 2 done.")
    expect(page.locator("#content")).to_contain_text("0 quarantine")
    assert set(Ruling.objects.values_list("decision", "reason")) == {("discarded", "All of it is made up.")}
    assert Ruling.objects.count() == 2
