"""Four eyes in the console: what one person proposes is done when another has seen it and confirms it."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from memory import proposals
from memory.errors import Conflict
from memory.models import App, Audit, Proposal
from tests.admin import data

REFUSED, FOUND, MOVED = 403, 200, 302
MAY = ("view_app", "change_app", "view_proposal")

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin.console")]


@pytest.fixture(autouse=True)
def four_eyes(settings):
    """Two people are asked for."""
    settings.HONCHO = {**settings.HONCHO, "FOUR_EYES": True}


@pytest.fixture
def app():
    """An app."""
    return App.objects.create(name="one")


@pytest.fixture
def act(client):
    """Do a step of an act as somebody: (name, act, object, fields) -> the answer."""
    people = {}

    def step(who, name, obj, permissions=MAY, **fields):
        if who not in people:
            people[who] = data.staff(*permissions, name=who)
        client.force_login(people[who])
        url = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{name}", args=[obj.pk])
        return client.post(url, {"step": "preview", "reason": "Because", **fields})

    return step


@pytest.fixture
def do(act):
    """Do an act as somebody, from the preview to its end: (who, act, object, fields) -> the answer."""

    def both(who, name, obj, **fields):
        token = re.search(r'name="token" value="(\w+)"', text_of(act(who, name, obj, **fields)))[1]
        return act(who, name, obj, token=token, **fields)

    return both


def text_of(response):
    """What the answer says."""
    assert response.status_code == FOUND
    return response.content.decode()


@pytest.fixture
def proposal(do, app):
    """Ana's proposal to bless an app."""
    assert do("ana", "bless", app, to="two").status_code == MOVED
    return Proposal.objects.get()


def test_an_act_is_proposed_and_nothing_is_done(proposal, app, client):
    assert App.objects.get().name == "one"
    assert (proposal.by, proposal.reason, proposal.data) == ("ana", "Because", {"to": ["two"]})
    said = text_of(client.get(reverse("admin:memory_app_change", args=[app.pk])))
    assert "Another person must confirm it." in said
    assert reverse("admin:memory_proposal_change", args=[proposal.pk]) in said


def test_another_person_sees_what_would_come_of_it_and_confirms_it(proposal, act, do, app, client):
    act("bo", "confirm", proposal)
    shown = text_of(client.get(reverse("admin:memory_proposal_confirm", args=[proposal.pk])))
    assert re.search(r"Proposed by</th><td>ana", shown)
    assert re.search(r"Then</th><td>two", shown)
    assert do("bo", "confirm", proposal).status_code == MOVED
    assert App.objects.get().name == "two one by bo"
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by) == ("confirmed", "bo")
    assert proposal.used_at
    assert list(Audit.objects.filter(kind="memory.proposal").order_by("pk").values_list("act", "by")) == [
        ("propose", "ana"),
        ("confirm proposal", "bo"),
    ]


def test_one_cannot_confirm_ones_own_proposal(proposal, act, client):
    page = reverse("admin:memory_proposal_change", args=[proposal.pk])
    assert "confirm/" not in text_of(client.get(page))
    assert act("ana", "confirm", proposal, token="0").status_code == MOVED
    with pytest.raises(Conflict, match="another must decide"):
        proposals.confirm(proposal, lambda: None, by="ana")
    assert App.objects.get().name == "one"
    assert Proposal.objects.get().state == "open"


def test_one_without_the_acts_own_permission_cannot_decide(proposal, act, client):
    assert act("cy", "confirm", proposal, permissions=("view_proposal",)).status_code == REFUSED
    assert act("cy", "decline", proposal).status_code == REFUSED
    shown = text_of(client.get(reverse("admin:memory_proposal_change", args=[proposal.pk])))
    assert "confirm/" not in shown
    assert "It waits for somebody who may do it." in shown


def test_it_can_be_declined_with_a_reason_or_withdrawn_by_who_made_it(proposal, do, act, app):
    assert do("bo", "decline", proposal, reason="Too soon").status_code == MOVED
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_because) == ("declined", "Too soon")
    do("ana", "bless", app, to="three")
    second = Proposal.objects.get(state="open")
    assert act("bo", "withdraw", second).status_code == REFUSED
    do("ana", "withdraw", second)
    assert Proposal.objects.get(pk=second.pk).state == "withdrawn"
    assert App.objects.get().name == "one"


def test_what_is_proposed_already_is_said_and_not_proposed_twice(proposal, act, app):
    shown = act("bo", "bless", app, to="two")
    assert "This is proposed already, by ana" in text_of(shown)
    token = re.search(r'name="token" value="(\w+)"', text_of(shown))[1]
    assert "waits for somebody to confirm it" in text_of(act("bo", "bless", app, to="two", token=token))
    assert Proposal.objects.count() == 1


def test_what_has_changed_since_is_shown_anew(proposal, act, do):
    token = re.search(r'name="token" value="(\w+)"', text_of(act("bo", "confirm", proposal)))[1]
    App.objects.update(name="meanwhile")
    assert "This has changed since you looked." in text_of(act("bo", "confirm", proposal, token=token))
    assert Proposal.objects.get().state == "open"


def test_what_cannot_be_done_any_more_stays_open_and_says_why(proposal, act):
    App.objects.update(name="held")
    assert "It is held." in text_of(act("bo", "confirm", proposal))
    App.objects.all().delete()
    assert "one is not there any more." in text_of(act("bo", "confirm", proposal))
    assert Proposal.objects.get().state == "open"


def test_it_cannot_be_done_past_the_second_person_in_bulk(app, act, client):
    act("ana", "bless", app)
    assert "Bless selected apps" not in text_of(client.get(reverse("admin:memory_app_changelist")))


def test_without_the_setting_it_is_done_at_once(settings, do, app):
    settings.HONCHO = {**settings.HONCHO, "FOUR_EYES": False}
    do("ana", "bless", app, to="two")
    assert App.objects.get().name == "two one by ana"
    assert not Proposal.objects.exists()
