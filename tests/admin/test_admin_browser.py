"""The admin in a browser, under a strict Content-Security-Policy: an operator's walks from page to page."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from memory import keys
from memory.models import ApiKey, Event, Subject
from reasoning.models import PromptVersion
from tests.admin import data
from tests.admin.browser import NEEDS, heading

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, whose journey is remembered."""
    return data.ana()


def test_from_a_user_to_the_version_its_evidence_and_its_pass(page, site, ana):
    page.goto(f"{site}{reverse('admin:memory_user_changelist')}")
    page.click("th.field-name a:text-is('ana')")
    expect(page.locator(".honcho-fence pre")).to_contain_text("Lea loves tiles and trams")

    page.locator(".honcho-main").get_by_role("link", name="version 2").click()
    expect(heading(page)).to_have_text("View representation")
    expect(page.locator(".honcho-side")).to_contain_text("current")
    said = page.locator("p.honcho-said", has_text="booked a small flat in Graça")
    statement = page.locator(".honcho-statements > li", has=said)
    statement.locator("summary").click()
    expect(statement.locator("q")).to_contain_text("my brother moves house")

    statement.get_by_role("link", name="booked a small flat in Graça").click()
    expect(heading(page)).to_have_text("Why this is said")
    page.locator(".honcho-events .honcho-when a").first.click()
    expect(heading(page)).to_have_text("View event")
    expect(page.locator("[aria-current=true]")).to_contain_text("Change of plan")
    expect(page.locator(".honcho-events > li")).to_have_count(10)

    page.go_back()
    page.go_back()
    page.locator(".honcho-side section", has_text="Passes").locator("a").first.click()
    expect(heading(page)).to_have_text("View pass")
    expect(page.locator(".honcho-side")).to_contain_text("gpt-4o-mini")
    page.locator(".honcho-main").get_by_role("link", name="Events it read").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(3)


def test_the_subject_shows_what_waits_and_leads_to_its_history(page, site, ana):
    subject = Subject.objects.get(user=ana, kind="user")
    page.goto(f"{site}{reverse('admin:memory_subject_change', args=[subject.pk])}")
    expect(page.locator(".honcho-lead")).to_contain_text("1 event behind")
    page.locator("#timeline").get_by_role("link", name="version 1", exact=True).click()
    expect(page.locator(".honcho-fence pre")).to_contain_text("Alfama")


def test_a_new_prompt_version_is_written_and_made_live(page, site, ana):
    live = PromptVersion.objects.get(kind="user", labels__name="live")
    page.goto(f"{site}{reverse('admin:reasoning_promptversion_change', args=[live.pk])}")
    page.get_by_role("link", name="Clone").click()
    expect(page.locator("#id_instructions")).to_have_value(re.compile(re.escape(live.instructions[:40])))
    page.fill("#id_instructions", "Say what is known of {nobody}.")
    page.fill("#id_message", "Shorter")
    page.click("input[value='Make this version']")
    expect(page.locator(".errorlist")).to_contain_text("no placeholder {nobody}")
    page.fill("#id_instructions", "Say what is known of {subject}, briefly.")
    page.click("input[value='Make this version']")
    expect(page.locator(".messagelist")).to_contain_text("It is not live yet")
    page.get_by_role("link", name="Make live").click()
    page.fill("#id_reason", "Shorter is better")
    page.click("input[value='See what would change']")
    expect(page.locator(".honcho-preview")).to_contain_text("version 1 of the site")
    page.click("input[value='Make live']")
    expect(page.locator(".messagelist")).to_contain_text("is live")
    assert PromptVersion.objects.get(kind="user", labels__name="live").number == 2


def test_a_key_is_made_with_the_pickers_and_shown_once(page, site, ana):
    page.goto(f"{site}{reverse('admin:memory_apikey_add')}")
    page.fill("#id_name", "planner bot")
    page.check("input[name=scope][value=app]")
    expect(page.locator(".field-user")).to_be_hidden()
    page.locator(".field-app .select2-selection").click()
    page.fill(".select2-search__field", "trip")
    page.locator(".select2-results__option", has_text="trip-planner").click()
    page.click("input[name=_save]")
    key = page.locator("#made-key").inner_text()
    assert keys.verify(key)
    page.get_by_role("link", name="Back to the keys").click()
    expect(page.locator("#result_list")).to_contain_text("planner bot")
    assert key not in page.content()
    page.check("tr:has-text('planner bot') input.action-select")
    page.select_option("select[name=action]", "revoke")
    page.click("button[name=index]")
    page.fill("#id_reason", "The bot has retired.")
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".messagelist")).to_contain_text("1 of 1 done.")
    assert ApiKey.objects.get(name="planner bot").revoked_at


def test_text_of_models_stays_text(page, site, ana):
    version = data.quarantined(ana)
    page.on("dialog", lambda dialog: pytest.fail("a script from memory ran"))
    event = Event.objects.get(content__contains="script")
    for url in (
        reverse("admin:memory_representation_change", args=[version.pk]),
        reverse("admin:memory_event_change", args=[event.pk]),
        reverse("admin:reasoning_pass_change", args=[version.passes.get().pk]),
        reverse("admin:memory_event_changelist"),
    ):
        page.goto(f"{site}{url}")
        expect(page.locator("#content")).to_contain_text("<script>")
