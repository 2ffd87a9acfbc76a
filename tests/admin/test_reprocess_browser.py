"""An operator reads the past again: estimates, starts, watches, promotes a part and takes it back."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from reasoning.admin.reprocessing import showing
from reasoning.models import Reprocess
from reasoning.reprocessing import advance
from tests.admin import data
from tests.admin.browser import NEEDS, heading
from tests.admin.test_reprocess_pages import AFTER, BEFORE, read, second_prompt, served
from tests.loop.helpers import AT_ONCE

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana(settings):
    """Three people of whom something is known, and a prompt that knows better."""
    settings.HONCHO = AT_ONCE
    second_prompt()
    return data.crowd(3, "studio")


def confirm(page, verb):
    page.fill("#id_reason", "Agreed")
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name=verb).click()


def test_a_run_from_its_estimate_to_its_undoing(page, site, ana, monkeypatch):
    monkeypatch.setitem(showing.RENEWED, "running", 1)
    page.goto(f"{site}{reverse('admin:reasoning_reprocess_changelist')}")
    page.get_by_role("link", name="New run").click()
    page.select_option("#id_prompt", label="site-user-2 · the site · Finds goals")
    page.fill("#id_app", "studio")
    page.select_option("#id_window", "all")
    page.fill("#id_reason", "Goals were missed")
    page.get_by_role("button", name="See what it would take").click()
    expect(page.locator(".honcho-setup-estimate")).to_contain_text("This rests on 3 passes")
    page.get_by_role("button", name="Start").click()
    expect(heading(page)).to_have_text("Run of site-user-2 in studio")
    expect(page.locator(".honcho-share")).to_have_text("0 %")

    run = Reprocess.objects.get()
    advance.advance()
    read(run)
    expect(page.locator(".honcho-share")).to_have_text("100 %")  # by itself
    expect(page.locator("#honcho-run")).to_contain_text("Everything is read.")

    page.reload()
    expect(page.locator(".honcho-sampled").first.locator("ins").first).to_be_visible()
    page.locator(".object-tools").get_by_role("link", name="Promote").click()
    page.fill("#id_percent", "50")
    confirm(page, "Promote")
    expect(page.locator(".messagelist")).to_contain_text(re.compile("Readers of 2 subjects .* 1 are left as they are."))
    assert sorted(now in AFTER for now in served(run)) == [False, True, True]
    page.locator(".messagelist").get_by_role("link", name="Undo").click()
    confirm(page, "Undo the promotion")
    expect(page.locator(".messagelist")).to_contain_text("get what they were given before.")
    assert served(run) == BEFORE
