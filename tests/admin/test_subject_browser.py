"""An operator finds why an agent said something wrong, sets it right and looks at what that changed, in a browser."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory import reading
from memory.models import Subject
from tests.admin import data
from tests.admin.browser import NEEDS, heading

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, whose journey is remembered."""
    return data.ana()


def test_from_a_sentence_to_what_was_said_to_its_correction_and_what_that_changed(page, site, ana):
    subject = Subject.objects.get(user=ana, kind="user")
    page.goto(f"{site}{reverse('admin:memory_subject_change', args=[subject.pk])}")
    page.locator(".honcho-read-text").get_by_role("link", name="Lea loves tiles and trams").click()
    expect(heading(page)).to_have_text("Why this is said")
    expect(page.locator(".honcho-events")).to_contain_text("She is mad about tiles and trams")

    page.locator(".object-tools").get_by_role("link", name="Correct").click()
    page.fill("#id_content", "Lea loves tiles and boats.")
    page.fill("#id_reason", "Her mother said so on the phone")
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator(".honcho-diff ins").last).to_contain_text("boats")
    assert "boats" not in reading.context("trip-planner", "ana").text
    page.get_by_role("button", name="Correct").click()
    expect(page.locator(".messagelist").get_by_role("link", name="undo")).to_be_visible()
    assert "Lea loves tiles and boats" in reading.context("trip-planner", "ana").text

    page.locator(".messagelist").get_by_role("link", name="the subject’s page").click()
    timeline = page.locator("#timeline")
    expect(timeline.locator(".honcho-entry").first).to_contain_text("A human corrected a statement by operator")
    timeline.get_by_label("Compare from version 1").check()
    timeline.get_by_role("button", name="Compare the two").click()
    expect(heading(page)).to_have_text("Compare versions of ana")
    expect(page.locator(".honcho-changes")).to_contain_text("Lea loves tiles and boats.")
