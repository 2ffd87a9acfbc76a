"""The overview in a browser: it renews itself, can be paused, and keeps what one has opened."""

from __future__ import annotations

import pytest

from memory import clock
from reasoning.models import Worker
from tests.admin import data
from tests.admin.browser import NEEDS

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, whose passes are drawn."""
    return data.ana()


def test_it_renews_itself_until_it_is_paused_and_keeps_what_is_open(page, site):
    page.clock.install()
    page.goto(f"{site}/admin/reasoning/overview/")
    verdict = page.locator(".honcho-verdict-words")
    expect(verdict).to_contain_text("The loop stands still")
    page.locator(".honcho-numbers summary").first.click()
    link = page.locator("#overview a").first
    link.focus()

    Worker.objects.create(name="one", started_at=clock.now(), beat_at=clock.now())
    page.clock.run_for(15_000)
    expect(verdict).to_contain_text("The loop is healthy")
    expect(page.locator(".honcho-refresh [role=status]")).to_contain_text("The loop is healthy")
    expect(page.locator(".honcho-numbers").first).to_have_attribute("open", "")
    expect(page.locator("#overview a:focus")).to_have_count(1)

    page.get_by_role("button", name="Stop renewing").click()
    Worker.objects.all().delete()
    page.clock.run_for(60_000)
    expect(verdict).to_contain_text("The loop is healthy")
    page.get_by_role("button", name="Renew again").click()
    expect(verdict).to_contain_text("The loop stands still")
