"""Prompt versions in the admin: listed, compared, cloned, tried, labelled; and deployments rolled back and undone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memory import clock
from memory.models import Audit, Line, Representation, Subject
from reasoning import labels, prompt_versions, trials
from reasoning.experiments import lifecycle
from reasoning.models import Label, LabelMove, PromptVersion, Rollback, Trial
from reasoning.providers.base import Answer, Statement
from tests.admin import data

pytestmark = pytest.mark.django_db

REFUSED, FOUND, MOVED = 403, 200, 302


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:reasoning_{name}", args=args)


def text_of(response: Any) -> str:
    assert response.status_code == FOUND, response.status_code
    return re.sub(r"\s+", " ", response.content.decode())


def first() -> PromptVersion:
    return PromptVersion.objects.get(kind="user", app=None, number=1)


def second(**more: Any) -> PromptVersion:
    text = f"{first().instructions}\n\nSay less than you would."
    return prompt_versions.create("user", text, message="Says less", by="key 123", **{"model": "gpt-large", **more})


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def confirmed(client: Any, address: str, **fields: Any) -> Any:
    """Send an act's form, and confirm what it shows; return the page where that leads."""
    form = {"step": "preview", "reason": "Because", **fields}
    shown = client.post(address, form)
    assert shown.context["preview"] is not None, shown.context["form"].errors
    done = client.post(address, {**form, "token": shown.context["preview"].digest})
    assert done.status_code == MOVED, text_of(done)
    return client.get(done.url)


def queries_of(client: Any, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == FOUND
    return len(captured)


# The list, a version's page, and two beside each other


def test_the_list_shows_where_each_version_is_at_work_and_leads_on(operator):
    version = second()
    labels.move("candidate", version, reason="Try it")
    lifecycle.start(lifecycle.create("user", "short answers", [lifecycle.Candidate(version, 0.2)]))
    shown = text_of(operator.get(url("promptversion_changelist")))
    for words in ("live", "candidate", "tried in “short answers”", "control of “short answers”", "key 123…"):
        assert words in shown
    for name in ("promptversion_compare", "trial_changelist", "labelmove_changelist", "rollback_changelist"):
        assert url(name) in shown


def test_a_version_shows_who_made_it_how_it_does_and_how_its_labels_moved(operator):
    data.spending(data.ana().app)
    version = second()
    labels.move("live", version, reason="Fewer words", by="olga")
    page = text_of(operator.get(url("promptversion_change", first().pk)))
    for words in ("Passes that failed", "Statements added", "What it cost, by day", "Fewer words", "olga", "previous"):
        assert words in page
    page = text_of(operator.get(url("promptversion_change", version.pk)))
    for words in ("key 123", "Says less", "New passes in every app without a prompt of its own are made by it"):
        assert words in page
    assert f"?from={first().pk}&amp;to={version.pk}" in page


def test_a_version_that_has_made_nothing_says_what_to_do(operator):
    page = text_of(operator.get(url("promptversion_change", second().pk)))
    assert "Nowhere: no label points at it" in page
    assert f"{url('trial_add')}?prompt_version=" in page


def test_two_versions_are_compared_word_by_word_and_by_what_else_they_set(operator):
    version = second(parameters={"temperature": 0})
    page = text_of(operator.get(url("promptversion_compare"), {"from": first().pk, "to": version.pk}))
    assert re.search(r"<ins\b.*Say less than you would\.", page)
    assert '<th scope="row">Temperature</th><td>not set</td><td>0</td>' in page
    for words in ("the site’s default", "gpt-large", "Turn around"):
        assert words in page
    assert "Say less than you would." in text_of(operator.get(url("promptversion_compare"))), "live and the newest"


def test_versions_of_different_kinds_are_not_compared(operator):
    session = PromptVersion.objects.get(kind="session", app=None)
    page = text_of(operator.get(url("promptversion_compare"), {"from": first().pk, "to": session.pk}))
    assert "nothing to compare" in page


def test_two_selected_versions_lead_to_their_comparison(operator):
    version = second()
    sent = {"action": "compare_selected", "_selected_action": [first().pk, version.pk]}
    answer = operator.post(url("promptversion_changelist"), sent)
    assert answer.url == f"{url('promptversion_compare')}?from={first().pk}&to={version.pk}"
    sent["_selected_action"] = [version.pk]
    assert "Select two" in text_of(operator.post(url("promptversion_changelist"), sent, follow=True))


def test_pages_make_as_many_queries_for_much_as_for_little(operator):
    def counts() -> dict[str, int]:
        addresses = {
            "list": url("promptversion_changelist"),
            "version": url("promptversion_change", first().pk),
            "compare": url("promptversion_compare"),
            "moves": url("labelmove_changelist"),
            "trials": url("trial_changelist"),
            "rollbacks": url("rollback_changelist"),
            "deployments": url("rollback_deployments"),
        }
        return {name: queries_of(operator, address) for name, address in addresses.items()}

    def fill(size: int, name: str) -> None:
        data.crowd(size, name)
        subject = Subject.objects.filter(kind="user").first()
        for _ in range(size):
            version = prompt_versions.create("user", "Know {subject}.", message="More")
            labels.move("candidate", version, reason="Next")
            Trial.objects.create(prompt_version=first(), subject=subject, by="olga")
            Rollback.objects.create(prompt_version=first(), reason="Bad", by="olga")

    fill(3, "few")
    few = counts()
    fill(30, "many")
    assert counts() == few
    assert max(few.values()) <= 24, few


# Labels


def test_a_version_goes_live_after_a_look_for_a_reason_and_back_again(operator):
    version = second()
    go = url("promptversion_make_live", version.pk)
    assert go in text_of(operator.get(url("promptversion_change", version.pk)))
    shown = text_of(operator.post(go, {"step": "preview", "reason": "Fewer words"}))
    for words in ("Live until now", "The prompt that ships", "gpt-large", "Say less than you would."):
        assert words in shown
    assert labels.pointed("live", None, "user") == first(), "a look changes nothing"
    done = text_of(confirmed(operator, go, reason="Fewer words"))
    assert labels.pointed("live", None, "user") == version
    undo = url("promptversion_make_live", first().pk)
    assert undo in done
    confirmed(operator, undo)
    assert labels.pointed("live", None, "user") == first()
    assert [(row.before["number"], row.after["number"], row.by) for row in Audit.objects.filter(act="move label")][
        -2:
    ] == [(1, 2, "operator"), (2, 1, "operator")]
    assert LabelMove.objects.filter(name="live", reason="Fewer words", by="operator").exists()
    assert "Fewer words" in text_of(operator.get(url("labelmove_changelist")))


def test_without_a_reason_nothing_moves(operator):
    version = second()
    answer = operator.post(url("promptversion_make_live", version.pk), {"step": "preview", "reason": " "})
    assert answer.context["form"].errors["reason"]
    assert labels.pointed("live", None, "user") == first()


def test_an_app_gets_a_prompt_of_its_own_and_goes_by_the_sites_again(operator):
    app = data.crowd(1)
    version = second(app=app)
    confirmed(operator, url("promptversion_make_live", version.pk))
    assert labels.live(app.pk, "user") == version
    off = url("promptversion_take_off_live", version.pk)
    assert off in text_of(operator.get(url("promptversion_change", version.pk)))
    confirmed(operator, off)
    assert labels.live(app.pk, "user") == first()


def test_the_candidate_is_named_and_taken_back(operator):
    version = second()
    confirmed(operator, url("promptversion_make_candidate", version.pk))
    assert labels.pointed("candidate", None, "user") == version
    confirmed(operator, url("promptversion_take_off_candidate", version.pk))
    assert not Label.objects.filter(name="candidate").exists()


def test_an_experiment_that_loses_its_control_is_named_before_the_label_moves(operator):
    lifecycle.start(lifecycle.create("user", "short answers", [lifecycle.Candidate(second(), 0.2)]))
    other = prompt_versions.create("user", "Know {subject}.", message="Other")
    shown = text_of(operator.post(url("promptversion_make_live", other.pk), {"step": "preview", "reason": "Now"}))
    assert "Going on with it as their control: “short answers”" in shown


@pytest.mark.parametrize(
    ("permission", "names"),
    [
        ("promote_prompts", ["promptversion_make_live"]),
        ("edit_prompts", ["promptversion_make_candidate"]),
        ("roll_back_versions", ["promptversion_roll_back"]),
    ],
)
def test_each_act_is_for_those_with_its_permission(client, permission, names):
    version = second()
    Line.objects.create(subject=data.crowd(1).subjects.filter(kind="user").get(), recipe=version.recipe)
    acts = ("promptversion_make_live", "promptversion_make_candidate", "promptversion_roll_back")
    client.force_login(data.staff("view_promptversion", permission))
    page = text_of(client.get(url("promptversion_change", version.pk)))
    for name in acts:
        address = url(name, version.pk)
        assert (address in page) == (name in names)
        assert client.get(address).status_code == (FOUND if name in names else REFUSED)


def test_who_may_only_look_sees_no_way_to_change_anything(client):
    version = second()
    client.force_login(data.staff("view_promptversion", "view_rollback", "view_trial", "view_labelmove"))
    page = text_of(client.get(url("promptversion_change", version.pk)))
    for words in ("Clone", "Try on a subject", "Make live", "Roll back what it made"):
        assert words not in page
    for name in ("promptversion_add", "trial_add", "rollback_deployments"):
        assert client.get(url(name)).status_code == REFUSED
    assert "Roll back a deployment" not in text_of(client.get(url("rollback_changelist")))


# Dry runs


@pytest.fixture
def ana():
    """Ana's subject, with a version that stands and an event that waits."""
    return Subject.objects.get(user=data.ana(), kind="user")


def test_a_dry_run_is_asked_for_and_its_page_waits_for_the_worker(operator, ana):
    version = second()
    form = operator.get(url("trial_add"), {"prompt_version": version.pk, "subject": ana.pk})
    assert form.context["adminform"].form.initial == {"prompt_version": str(version.pk), "subject": str(ana.pk)}
    sent = {"prompt_version": version.pk, "subject": ana.pk, "events": "5"}
    page = text_of(operator.post(url("trial_add"), sent, follow=True))
    trial = Trial.objects.get()
    assert (trial.by, trial.events, trial.state) == ("operator", 5, "waiting")
    for words in ("Waiting for a worker.", "No worker has ever run", 'data-refresh="2"', "memory/refresh.js"):
        assert words in page


def test_what_came_of_a_dry_run_stands_beside_what_readers_get(operator, ana, settings):
    settings.HONCHO = {"PROVIDER": "local"}
    trial = trials.ask(second(), ana, by="olga")
    Trial.objects.update(state="running", lease=trial.pk, started_at=clock.now())
    trial.refresh_from_db()
    outcome = {**_outcome(ana), "warnings": [f"Beware of {data.HOSTILE}"]}
    Trial.objects.update(state="done", outcome=outcome, ended_at=clock.now())
    page = text_of(operator.get(url("trial_change", trial.pk)))
    for words in (
        "The gates would let this through.", "What readers get now", "What they would get", "Ana has a dog.",
        "Statement by statement", "1,200", "0.004", "Beware of &lt;script&gt;", "which no version has read yet",
    ):  # fmt: skip
        assert words in page
    assert re.search(r"<ins\b.*trains", page), "reworded, word by word"
    assert "data-refresh" not in page
    assert data.HOSTILE not in page


def _outcome(subject: Subject) -> dict[str, Any]:
    said = {"about": None, "level": "explicit", "importance": 3, "held_from": None, "held_until": None, "pinned": False}
    old = {"id": "x", "content": "Ana hates flying.", "about": None, "reason": "", "replaced_by": None}
    return {
        "stands": subject.current.number,
        "window": {"unread": True, "covers": {"from": 9, "to": 10, "events": 1}, "basis": subject.current.number},
        "verdict": {"publishable": True, "refused": [], "withheld": []},
        "would_be": {"text": "Ana has a dog.", "card": [], "now": "", "summary": {"short": "", "long": ""}},
        "added": [{**said, "content": "Ana has a dog.", "sources": ["e1"]}],
        "retired": [],
        "reworded": [
            {
                "from": old, "to": {**said, "content": "Ana hates flying and takes trains.", "sources": ["e1"]},
                "replaced": False, "similarity": 0.7,
            }
        ],
        "kept": [],
        "provider": "loopback", "model": "gpt-4o-mini", "input_tokens": 1200, "output_tokens": 90, "cached_tokens": 0,
        "cost": "0.004", "warnings": [],
    }  # fmt: skip


def test_a_dry_run_that_failed_says_why(operator, ana):
    trials.ask(second(), ana)
    Trial.objects.update(state="failed", error="openai: it has no credit left", ended_at=clock.now())
    page = text_of(operator.get(url("trial_change", Trial.objects.get().pk)))
    assert "openai: it has no credit left" in page
    assert "Try again" in page


def test_what_cannot_be_tried_is_said_in_the_form(operator, ana):
    session = PromptVersion.objects.get(kind="session", app=None)
    answer = operator.post(url("trial_add"), {"prompt_version": session.pk, "subject": ana.pk})
    assert "take a prompt of that kind" in text_of(answer)
    assert not Trial.objects.exists()


def test_where_too_many_wait_no_more_is_asked_for(operator, ana, monkeypatch):
    monkeypatch.setattr(trials, "MOST_OPEN", 0)
    answer = operator.post(url("trial_add"), {"prompt_version": second().pk, "subject": ana.pk}, follow=True)
    assert "0 dry runs wait already" in text_of(answer)
    assert not Trial.objects.exists()


# Deployments


def bad_answer(prepared: Any) -> Answer:
    events = tuple(range(1, len(prepared.events) + 1))
    return Answer(add=(Statement("It is all nonsense.", events),), now="Nonsense.", short_summary="Nonsense.")


@pytest.fixture
def deployed(ana):
    """A version that went live and made nonsense of Ana."""
    version = second()
    labels.move("live", version, reason="Fewer words")
    data.say("trip-planner", "ana", "lisbon-in-may", ("ana", "And we would like to hear some fado."))
    data.reason(bad_answer)
    ana.refresh_from_db()
    assert "nonsense" in ana.current.text
    return version


def test_a_deployment_is_rolled_back_after_a_look_and_undone(operator, deployed, ana):
    chosen = text_of(operator.get(url("rollback_deployments")))
    go = url("promptversion_roll_back", deployed.pk)
    assert go in chosen
    assert "The version that was live before" in text_of(operator.get(go))
    fields = {"then": "stay", "since": (clock.now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")}
    shown = operator.post(go, {"step": "preview", "reason": "It lies", **fields})
    lines = dict(shown.context["preview"].lines)
    assert (lines["Subjects taken back"], lines["Events read since"]) == ("1", "2: stay read")
    assert "The prompt that ships" in lines["Live from then on"]
    assert "It is all nonsense" in re.sub(r"<[^>]+>", "", text_of(shown))
    ana.refresh_from_db()
    assert "nonsense" in ana.current.text, "a look changes nothing"

    page = text_of(confirmed(operator, go, reason="It lies", **fields))
    rollback = Rollback.objects.get()
    ana.refresh_from_db()
    assert "nonsense" not in ana.current.text
    assert (rollback.by, rollback.reason, rollback.live) == ("operator", "It lies", first())
    for words in ("1 subject read again what they read before", "What changed for readers", "It lies"):
        assert words in page

    undo = url("rollback_undo", rollback.pk)
    assert undo in page
    shown = operator.post(undo, {"step": "preview", "reason": "It did not"})
    assert dict(shown.context["preview"].lines)["Subjects given back"] == "1"
    confirmed(operator, undo, reason="It did not")
    ana.refresh_from_db()
    assert "nonsense" in ana.current.text
    assert labels.pointed("live", None, "user") == deployed
    page = text_of(operator.get(url("rollback_change", rollback.pk)))
    assert "Undone by operator" in page
    assert undo not in page
    acts = Audit.objects.filter(act__in=["roll back deployment", "undo rollback"]).order_by("created_at")
    assert [(row.act, row.after["subjects"], row.reason) for row in acts] == [
        ("roll back deployment", 1, "It lies"), ("undo rollback", 1, "It did not"),
    ]  # fmt: skip


def test_what_has_changed_since_it_was_shown_is_shown_anew(operator, deployed, ana):
    go, form = url("promptversion_roll_back", deployed.pk), {"step": "preview", "reason": "It lies", "then": "stay"}
    token = operator.post(go, form).context["preview"].digest
    data.say("trip-planner", "ben", "other", ("ben", "I like boats."))
    data.reason(bad_answer)
    answer = operator.post(go, {**form, "token": token})
    assert "This has changed since you looked" in text_of(answer)
    assert not Rollback.objects.exists()


def test_a_prompt_that_stays_live_is_left_so(operator, deployed, ana):
    confirmed(operator, url("promptversion_roll_back", deployed.pk), then="stay", keep_live="on")
    ana.refresh_from_db()
    assert "nonsense" not in ana.current.text
    assert labels.pointed("live", None, "user") == deployed


def test_what_was_never_live_goes_live_by_a_rollback_only_for_who_may_promote(client, deployed):
    never = prompt_versions.create("user", "Know {subject}.", message="Never live")
    go, fields = url("promptversion_roll_back", deployed.pk), {"step": "preview", "reason": "It lies", "then": "stay"}
    client.force_login(data.staff("roll_back_versions", name="on duty"))
    assert client.post(go, {**fields, "live": never.pk}).status_code == REFUSED
    assert client.post(go, {**fields, "live": first().pk}).context["preview"] is not None
    client.force_login(data.staff("roll_back_versions", "promote_prompts", name="lead"))
    assert client.post(go, {**fields, "live": never.pk}).context["preview"] is not None


def test_what_cannot_be_rolled_back_says_why(operator, ana):
    go = url("promptversion_roll_back", first().pk)
    answer = operator.post(go, {"step": "preview", "reason": "It lies", "then": "stay"})
    assert "say which version shall be live instead" in text_of(answer)
    unused = url("promptversion_roll_back", second().pk)
    assert "There is nothing to do here now" in text_of(operator.get(unused, follow=True))


def test_a_rollback_warns_where_readers_would_get_nothing(operator, deployed):
    data.say("trip-planner", "ben", "other", ("ben", "I like boats."))
    data.reason(bad_answer)
    go = url("promptversion_roll_back", deployed.pk)
    shown = operator.post(go, {"step": "preview", "reason": "It lies", "then": "reason_again"})
    assert "1 of them had nothing before" in shown.context["preview"].warning
    assert Representation.objects.filter(subject__user__name="ben").exists()
