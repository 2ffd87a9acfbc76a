"""Four eyes over what the site's own pages promote: proposed by one, confirmed by another, and every such act asks."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memory import proposals
from memory.models import Proposal
from reasoning import labels
from tests.admin import data
from tests.loop.experiments import arm, experiment, prompt

pytestmark = pytest.mark.django_db
FOUND = 200
MAY = ("view_experiment", "view_proposal", "promote_prompts")


@pytest.fixture(autouse=True)
def four_eyes(settings):
    """Two people are asked for."""
    settings.HONCHO = {**settings.HONCHO, "FOUR_EYES": True}


def step(client, who, url, **fields):
    """Look at what somebody's act would do, then do it; return where that leads."""
    client.force_login(who)
    shown = client.post(url, {"step": "preview", "reason": "It reads better", **fields})
    assert shown.status_code == FOUND
    token = re.search(r'name="token" value="(\w+)"', shown.content.decode())[1]
    return client.post(url, {"step": "preview", "reason": "It reads better", "token": token, **fields})


def test_what_can_be_promoted_asks_for_a_second_person():
    asking = {
        f"{model._meta.label_lower}.{act.name}"
        for model, model_admin in admin.site._registry.items()
        for act in getattr(model_admin, "acts", ())
        if act.four_eyes
    }
    assert asking >= {"reasoning.experiment.promote", "reasoning.reprocess.promote"}


def test_an_experiment_is_proposed_by_one_and_promoted_by_another(client):
    ana, bo = (data.staff(*MAY, name=name) for name in ("ana", "bo"))
    found = experiment(prompt("Better"))
    chosen = arm(found)
    step(client, ana, reverse("admin:reasoning_experiment_promote", args=[found.pk]), arm=chosen.public_id)
    found.refresh_from_db()
    assert found.state == "running"
    proposal = Proposal.objects.get()
    assert proposal.app_id == found.app_id

    page = reverse("admin:memory_proposal_change", args=[proposal.pk])
    assert reverse("admin:reasoning_experiment_change", args=[found.pk]) in client.get(page).content.decode()
    step(client, bo, reverse("admin:memory_proposal_confirm", args=[proposal.pk]))
    found.refresh_from_db()
    assert found.state == "promoted"
    assert labels.live(found.app_id, "user") == chosen.version
    act = found.acts.get(act="promote")
    assert (act.by, act.reason) == ("bo", "It reads better (proposed by ana)")


def test_the_list_of_proposals_makes_as_many_queries_for_30_as_for_3(client):
    client.force_login(data.superuser())
    listing = reverse("admin:memory_proposal_changelist")

    def queries(count):
        for number in range(count):
            version = prompt(f"More {number}")
            proposals.propose("make_live", version, verb="Make live", data={}, reason="Better", by="ana")
        client.get(listing)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(listing).status_code == FOUND
        return len(captured)

    assert queries(3) == queries(27) <= 8
