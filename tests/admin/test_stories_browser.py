"""What operators are there for, from end to end: the live site, a worker's loop, a model on the loopback interface.

Each walks as a member of one of the groups that ``operator_groups`` makes, and may do no more than that group may.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone

from memory import reading
from memory.models import Erasure, Event, Representation, Subject, User
from reasoning import labels, prompt_versions
from reasoning.drainer import Drainer
from reasoning.models import Comparison, Experiment, Pass, PromptVersion, ProviderState, Reprocess, Work
from tests.admin import data
from tests.admin.browser import NEEDS, entered, heading
from tests.loop.experiments import someone
from tests.loop.helpers import AT_ONCE, draining
from tests.loopback.server import Behaviour, Call, LoopbackModel
from tests.store.helpers import say, together, until

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS

APP = "harbour"
ASKED = "See what would change"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as running:
        yield running


@pytest.fixture
def model(server: LoopbackModel, settings: Any) -> LoopbackModel:
    """The model, which the site's workers ask; what fails is parked at once."""
    server.reset()
    server.decide = None
    settings.HONCHO = AT_ONCE | {"OPENAI_BASE_URL": server.url, "MODEL": "loopback", "MAX_ATTEMPTS": 1}
    return server


@pytest.fixture
def enter(browser: Any, site: str) -> Any:
    """Opens the console as a member of a group."""

    @contextmanager
    def open_as(group: str) -> Iterator[Any]:
        data.member(group)
        with entered(browser, site, group.replace(" ", "-")) as page:
            page.locator("#content").get_by_role("link", name="Overview", exact=True).click()
            yield page

    return open_as


def work() -> None:
    """Let a worker's loop run until nothing is due. (Playwright has the loop of this thread.)"""
    together(lambda: asyncio.run(Drainer().run(until_idle=True)))


def read(user: str) -> str:
    """What an agent gets of a user."""
    return reading.context(APP, user).text


def go(page: Any, words: str) -> None:
    """Choose from the console's menu."""
    menu = page.get_by_role("navigation", name="Console")
    link = menu.get_by_role("link", name=words, exact=True)
    if not link.count():
        menu.get_by_text("More", exact=True).click()
    link.click()


def act(page: Any, reason: str, verb: str, *shown: str) -> None:
    """Give the reason, look at what would come of it, and confirm."""
    page.fill("#id_reason", reason)
    page.get_by_role("button", name=ASKED).click()
    for words in shown:
        expect(page.locator("#content-main")).to_contain_text(words)
    page.get_by_role("button", name=verb, exact=True).click()
    expect(page.locator(".messagelist")).to_be_visible()


def tool(page: Any, words: str) -> None:
    """Click one of the object's tools."""
    page.locator(".object-tools").get_by_role("link", name=words, exact=True).click()


def concluded(*contents: str) -> dict[str, Any]:
    """An answer whose statements rest on the first event shown."""
    said = [
        {
            "content": content, "events": [1], "level": "explicit", "about": None, "held_from": None,
            "held_until": None, "importance": 3,
        }
        for content in contents
    ]  # fmt: skip
    return {"add": said, "retire": [], "card": [], "now": "", "short_summary": "", "long_summary": ""}


def asked(words: str, kind: str, **options: Any) -> Any:
    """Decide what becomes of calls whose prompt has these words; the others are answered as ever."""

    def decide(call: Call) -> Behaviour | None:
        return Behaviour(kind, **options) if words in json.dumps(call.body.get("messages", "")) else None

    return decide


def next_prompt(words: str) -> PromptVersion:
    """A second prompt version of the site."""
    live = PromptVersion.objects.get(kind="user", app=None, labels__name="live")
    return prompt_versions.create("user", f"{live.instructions}\n{words}", message=words)


def test_find_why_an_agent_said_something_wrong_and_correct_it(model, enter, site):
    model.decide = asked("Lea, my daughter", "answer", body=concluded("Ana is allergic to peanuts"))
    say("Lea, my daughter, is allergic to peanuts.", user="ana", app=APP)
    work()
    assert "Ana is allergic to peanuts" in read("ana")
    with enter("operator") as page:
        go(page, "Subjects")
        page.fill("#searchbar", "ana")
        page.press("#searchbar", "Enter")
        page.locator("#result_list").get_by_role("link", name="ana", exact=True).click()
        page.locator(".honcho-read-text").get_by_role("link", name="Ana is allergic to peanuts").click()
        expect(page.locator("#content")).to_contain_text("Lea, my daughter, is allergic to peanuts.")
        statement = page.url
        page.locator("#content").get_by_role("link", name="this pass").click()
        expect(heading(page)).to_have_text("View pass")
        expect(page.locator("#content")).to_contain_text("Promptuser prompt 1")

        page.goto(statement)
        tool(page, "Correct")
        page.fill("#id_content", "Ana's daughter Lea is allergic to peanuts")
        act(page, "She spoke of her daughter.", "Correct", "Ana's daughter Lea is allergic to peanuts")
        expect(page.locator(".messagelist")).to_contain_text("Done.")
        say("We leave on Monday.", user="ana", app=APP)
        work()
        go(page, "Audit")
        expect(page.locator("#content")).to_contain_text("She spoke of her daughter.")
    assert "Ana's daughter Lea is allergic to peanuts" in read("ana")
    assert "Ana is allergic to peanuts" not in read("ana")
    assert "We leave on Monday." in read("ana"), "what is said since is learned as ever"


def test_try_a_new_prompt_on_a_fifth_review_blind_and_promote(model, enter, site):
    say("I plan a journey.", user="bo", app=APP)
    work()
    model.decide = asked("Say it in a few words.", "answer", body=concluded("Plans a journey"))
    with enter("prompt engineer") as page:
        go(page, "Prompts")
        live = PromptVersion.objects.get(kind="user", app=None, labels__name="live")
        page.locator(f"#result_list a[href*='{live.pk}']").first.click()
        tool(page, "Clone")
        text = page.input_value("#id_instructions")
        page.fill("#id_instructions", f"{text}\nSay it in a few words.")
        page.fill("#id_message", "Shorter")
        page.click("input[name=_save]")
        expect(page.locator(".messagelist")).to_contain_text("It is not live yet")
        expect(page.get_by_role("link", name="Make live")).to_have_count(0)
    candidate = PromptVersion.objects.get(kind="user", number=2)

    with enter("experimenter") as page:
        go(page, "Experiments")
        page.get_by_role("link", name="Add experiment").click()
        page.fill("#id_name", "Shorter")
        page.fill("#id_reason", "Readers skip long ones")
        page.select_option("#id_candidates-0-version", candidate.public_id)
        page.fill("#id_candidates-0-share", "20")
        page.fill("#id_sample", "100")
        page.get_by_role("button", name="See who falls where").click()
        expect(page.locator("#shown")).to_contain_text("20%")
        page.get_by_role("button", name="Make the draft").click()
        tool(page, "Start")
        act(page, "Agreed", "Start")
        found = Experiment.objects.get()
        tried, kept = someone(found, found.arms.get(), APP), someone(found, None, APP)
        for subject in (tried, kept):
            say("I plan a journey to the sea.", user=subject.user.name, app=APP)
        work()
        assert "Plans a journey" in read(tried.user.name)
        assert "I plan a journey to the sea." in read(kept.user.name)

        page.reload()
        page.get_by_role("link", name="Blind review").first.click()
        expect(page.locator(".honcho-review")).not_to_contain_text("site-user-2")
        page.keyboard.press("a")
        expect(page.locator("#content")).to_contain_text("You have judged all 1 pairs")
        page.get_by_role("link", name="See what the figures say").click()
        tool(page, "Promote")
        page.select_option("#id_arm", index=0)
        act(page, "Nobody misses the long ones", "Promote", "Becomes live")
        expect(page.locator(".messagelist")).to_contain_text("is live")
    assert Comparison.objects.get().by == "experimenter"
    assert Experiment.objects.get().state == "promoted"
    assert candidate.is_live
    say("And to the hills.", user="bo", app=APP)
    work()
    assert "Plans a journey" in read("bo")


def test_reprocess_thirty_days_pause_resume_and_promote(model, enter, site):
    for user in ("ana", "bo", "cleo"):
        say("I plan a journey.", user=user, app=APP)
    work()
    again = next_prompt("Look for goals.")
    model.decide = asked("Look for goals.", "answer", body=concluded("Wants to see the sea"))
    with enter("experimenter") as page, draining():  # a worker that goes on all the while
        go(page, "Reprocess runs")
        page.get_by_role("link", name="New run").click()
        page.select_option("#id_prompt", str(again.pk))
        page.fill("#id_app", APP)
        page.select_option("#id_window", "30")
        page.fill("#id_passes_per_minute", "1")
        page.fill("#id_reason", "Goals were missed")
        page.get_by_role("button", name="See what it would take").click()
        expect(page.locator(".honcho-setup-estimate")).to_contain_text("Subjects3")
        assert not Reprocess.objects.exists()
        page.get_by_role("button", name="Start", exact=True).click()
        until(lambda: Pass.objects.filter(line__branch__gt="", outcome="published").count() == 1, "one a minute")
        tool(page, "Pause")
        act(page, "A moment", "Pause")
        expect(page.locator("#honcho-run")).to_contain_text("Paused")
        expect(page.locator("#honcho-run")).to_contain_text("33 %")
        tool(page, "Limits")
        page.fill("#id_passes_per_minute", "")
        act(page, "It is quiet now", "Limits", "1 → no limit")
        tool(page, "Resume")
        act(page, "Go on", "Resume")
        until(lambda: Reprocess.objects.get().state == "done", "everything is read")
        page.reload()
        expect(page.locator("#content")).to_contain_text("Wants to see the sea")
        assert "Wants to see the sea" not in read("ana")
        tool(page, "Promote")
        act(page, "It is better", "Promote", "Subjects that change3")
        expect(page.locator(".messagelist")).to_contain_text("Readers of 3 subjects")
    assert all("Wants to see the sea" in read(user) for user in ("ana", "bo", "cleo"))


def test_roll_a_deployment_back_and_undo(model, enter, site):
    for user in ("ana", "bo"):
        say("I plan a journey.", user=user, app=APP)
    work()
    labels.move("live", next_prompt("Guess boldly."), reason="Bolder")
    model.decide = asked("Guess boldly.", "answer", body=concluded("Owns a yacht"))
    since = timezone.localtime()
    for user in ("ana", "bo"):
        say("I like the sea.", user=user, app=APP)
    work()
    with enter("operator") as page:
        go(page, "Rollbacks")
        page.get_by_role("link", name="Roll back a deployment").click()
        page.locator("tr", has_text="Guess boldly.").get_by_role("link", name="Roll back").click()
        page.fill("#id_since", f"{since:%Y-%m-%dT%H:%M}")
        act(page, "It makes things up", "Roll back what it made", "Subjects taken back2", "Owns a yacht")
        expect(page.locator(".messagelist")).to_contain_text("2 subjects read again what they read before.")
        assert all("Owns a yacht" not in read(user) for user in ("ana", "bo"))
        assert PromptVersion.objects.get(kind="user", labels__name="live").number == 1
        page.locator(".messagelist").get_by_role("link", name="Undo").click()
        act(page, "It was true", "Undo this rollback", "Subjects given back2")
    assert all("Owns a yacht" in read(user) for user in ("ana", "bo"))
    assert PromptVersion.objects.get(kind="user", labels__name="live").number == 2


def test_clear_quarantine_after_an_outage(model, enter, site):
    say("I plan a journey.", user="ana", app=APP)
    work()
    model.decide = asked("I like the sea.", "empty")
    say("I like the sea.", user="ana", app=APP)
    work()
    model.decide = asked("I like the hills.", "refusal")
    say("I like the hills.", user="bo", app=APP)
    work()
    model.always("quota")
    say("I like the woods.", user="cleo", app=APP)
    together(lambda: asyncio.run(Drainer().run(seconds=1)))
    assert ProviderState.objects.get().needs_operator
    assert Representation.objects.get(status="quarantined").subject.user.name == "ana"
    assert set(Work.objects.values_list("state", flat=True)) == {"parked", "waiting"}
    model.reset()
    model.decide = None

    with enter("operator") as page:
        go(page, "Overview")
        page.get_by_role("link", name="Resume a provider").click()
        page.locator("#result_list tbody a").first.click()
        tool(page, "Resume")
        act(page, "It is paid", "Resume")
        go(page, "Quarantine")
        page.locator("#result_list").get_by_role("link", name="Version 2").click()
        expect(page.locator("#content")).to_contain_text("It would leave nothing of the card")
        page.go_back()
        page.check("#action-toggle")
        page.select_option("select[name=action]", "ask-anew")
        page.click("button[name=index]")
        act(page, "The provider was ill", "Discard and ask again", "yes, about 1 event that wait")
        go(page, "Work")
        page.locator("#changelist-filter").get_by_role("link", name="Parked").click()
        page.check("#action-toggle")
        page.select_option("select[name=action]", "retry")
        page.click("button[name=index]")
        act(page, "The provider is well", "Retry")
        work()
        go(page, "Overview")
        expect(page.locator(".honcho-tile", has_text="Parked").locator("dd").first).to_have_text("0")
        expect(page.locator(".honcho-tile", has_text="Quarantine").locator("dd").first).to_have_text("0")
    assert set(Work.objects.values_list("state", flat=True)) == {"idle"}
    for user, words in (("ana", "I like the sea."), ("bo", "I like the hills."), ("cleo", "I like the woods.")):
        assert words in read(user)


def test_erase_a_person(model, enter, site):
    for user in ("ana", "bo"):
        say(f"I am {user}.", user=user, app=APP)
    work()
    with enter("privacy officer") as page:
        go(page, "Users")
        page.fill("#searchbar", "ana")
        page.press("#searchbar", "Enter")
        page.locator("#result_list").get_by_role("link", name="ana", exact=True).click()
        gone = page.url
        tool(page, "Erase")
        act(page, "Asked for on paper", "Erase for good", "Events1 erased", "There is no way back")
        expect(page.locator(".honcho-side")).to_contain_text("privacy-officer")
        expect(page.locator("#content")).not_to_contain_text("ana")
        page.goto(gone)
        expect(page.locator("body")).to_contain_text("doesn’t exist")
    assert list(User.objects.values_list("name", flat=True)) == ["bo"]
    assert not Subject.objects.filter(user__name="ana").exists()
    assert not Event.objects.filter(content__contains="ana").exists()
    assert Erasure.objects.get().by == "privacy-officer"
    assert "I am bo." in read("bo")
