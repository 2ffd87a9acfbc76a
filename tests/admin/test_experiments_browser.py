"""An operator sets an experiment up and reviews pairs by the keyboard, under a strict Content-Security-Policy."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory.models import Subject
from reasoning.experiments import falling
from reasoning.models import Comparison, Experiment
from tests.admin.browser import NEEDS, heading
from tests.loop.experiments import APP, experiment, live, prompt, reason
from tests.loop.helpers import AT_ONCE
from tests.store.helpers import say

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def ana(settings):
    """Four people, a live prompt and a candidate."""
    settings.HONCHO = AT_ONCE
    prompts = live("Control"), prompt("Candidate")
    for name in ("ana", "bo", "cleo", "dina"):
        say("I plan a journey.", user=name, app=APP)
    reason()
    return prompts


def test_one_form_with_a_preview_then_a_draft_that_is_started(page, site, ana):
    page.goto(f"{site}{reverse('admin:reasoning_experiment_add')}")
    page.fill("#id_name", "Shorter")
    page.fill("#id_reason", "Readers skip long ones")
    page.fill("#id_app", APP)
    page.press("#id_app", "Tab")  # the app's prompts are shown at once
    page.select_option("#id_candidates-0-version", label="user-2: Candidate")
    page.fill("#id_candidates-0-share", "50")
    page.get_by_role("button", name="See who falls where").click()
    expect(page.locator("#shown")).to_contain_text("Of the 4 subjects that there are")
    assert not Experiment.objects.exists()
    page.get_by_role("button", name="Make the draft").click()
    expect(heading(page)).to_have_text("Shorter")
    expect(page.locator("#content")).to_contain_text("This is a draft: nobody is affected yet.")
    found = Experiment.objects.get()
    inside = falling.who(found, list(found.arms.all())).parts[1].count
    expect(page.locator(".honcho-falls tbody tr").nth(1)).to_contain_text(f"50% {inside}")
    page.locator(".object-tools").get_by_role("link", name="Start").click()
    page.fill("#id_reason", "Agreed")
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".messagelist")).to_contain_text("“Shorter” runs.")
    expect(page.locator(".honcho-arm")).to_have_count(2)


def test_pairs_are_judged_by_the_keyboard_and_told_afterwards(page, site, ana):
    found = experiment(ana[1], mode="shadow")
    for subject in Subject.objects.filter(kind="user"):
        say("I plan another.", user=subject.user.name, app=APP)
    reason()
    page.goto(f"{site}{reverse('admin:reasoning_experiment_review', args=[found.pk])}")
    expect(page.locator(".honcho-progress")).to_contain_text("0 judged by you, 4 to go")
    expect(page.locator(".honcho-review")).not_to_contain_text("user-1")
    page.keyboard.press("a")
    expect(page.locator(".honcho-told")).to_contain_text("You chose A, user-")
    page.focus("#id_reason")
    page.keyboard.press("t")  # typed, no verdict
    expect(page.locator("#id_reason")).to_have_value("t")
    page.locator(".honcho-sides").click()
    page.keyboard.press("t")
    expect(page.locator(".honcho-told")).to_contain_text("You chose neither")
    page.keyboard.press("s")
    expect(page.locator(".honcho-progress")).to_contain_text("2 judged by you, 1 to go")
    assert list(Comparison.objects.order_by("pk").values_list("by", "reason")) == [("operator", ""), ("operator", "t")]
