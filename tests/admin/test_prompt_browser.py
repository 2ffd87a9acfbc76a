"""A prompt is tried on a real subject in a browser: the outcome shows by itself, and nothing is published."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory.models import Subject
from reasoning import prompt_versions, trials
from reasoning.models import Trial
from reasoning.providers.openai import forget_manners
from tests.admin import data
from tests.admin.browser import NEEDS
from tests.loopback.server import LoopbackModel

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana():
    """Ana, whose journey is remembered."""
    return data.ana()


def test_the_outcome_of_a_dry_run_shows_by_itself(page, site, ana, settings):
    version = prompt_versions.create("user", "Know {subject} better.", message="Knows people better")
    subject = Subject.objects.get(user=ana, kind="user")
    page.goto(f"{site}{reverse('admin:reasoning_promptversion_change', args=[version.pk])}")
    page.get_by_role("link", name="Try on a subject").first.click()
    page.locator(".field-subject .select2-selection").click()
    page.fill(".select2-search__field", "ana")
    page.locator(".select2-results__option", has_text="ana").first.click()
    page.fill("#id_events", "1")
    page.click("input[value='Try it']")
    expect(page.locator("#dry-run")).to_contain_text("Waiting for a worker.")

    forget_manners()
    with LoopbackModel() as model:
        settings.HONCHO = {"PROVIDER": "openai", "OPENAI_API_KEY": "key", "OPENAI_BASE_URL": model.url}
        assert trials.start_due()
        expect(page.locator("#dry-run")).to_contain_text("What they would get", timeout=60_000)
        assert model.count == 1
    expect(page.locator("#dry-run")).to_contain_text("Lea loves tiles and trams.")
    assert Trial.objects.get().by == "operator"
    before = subject.current_id
    subject.refresh_from_db()
    assert subject.current_id == before
