"""With four eyes asked for, nothing is promoted that another person has not confirmed, whoever calls for it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from memory import clock, proposals, tenants
from memory.errors import Conflict, Invalid
from memory.models import Audit, Proposal
from reasoning import labels, prompt_versions, rollbacks
from reasoning.experiments import lifecycle as experiments
from reasoning.models import Label, LabelMove
from reasoning.reprocessing import lifecycle as reprocessing
from tests.api.conftest import Agent, refused
from tests.factories import ApiKeyFactory
from tests.loop.experiments import arm, experiment, prompt
from tests.loop.test_promotion import done

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def four_eyes(settings):
    """Two people are asked for."""
    settings.HONCHO = {**settings.HONCHO, "FOUR_EYES": True}


@pytest.fixture
def version():
    """An app's own version, which serves nobody."""
    return prompt_versions.create("user", "Know {subject}.", message="Ours", app=tenants.make_app("harbour")[0])


def propose(obj, act="promote", by="ana"):
    """Ana's proposal."""
    return proposals.propose(act, obj, verb="Promote", data={}, reason="Better", by=by)


def confirmed(obj, do, by="bo"):
    """What Bo's confirmation of Ana's proposal does."""
    return proposals.confirm(propose(obj), do, by=by)


def test_a_version_goes_live_only_when_another_person_confirms_it(version):
    with pytest.raises(Conflict, match="A second person must confirm this"):
        labels.move("live", version, reason="Better", by="ana")
    assert not Label.objects.filter(app=version.app).exists()
    assert confirmed(version, lambda: labels.move("live", version, reason="Better", by="bo")).to == version
    assert labels.live(version.app_id, "user") == version


def test_a_label_that_serves_nobody_needs_no_second_person(version):
    labels.move("candidate", version, reason="Better", by="ana")
    labels.take_off("candidate", version.app, "user", reason="No", by="ana")


def test_taking_a_live_version_off_needs_a_second_person_too(version):
    confirmed(version, lambda: labels.move("live", version, reason="Better"))
    with pytest.raises(Conflict, match="second person"):
        labels.take_off("live", version.app, "user", reason="Worse")
    confirmed(version, lambda: labels.take_off("live", version.app, "user", reason="Worse"))
    assert labels.pointed("live", version.app, "user") is None


def test_a_confirmation_is_good_for_one_act_on_one_object(version):
    other = prompt_versions.create("user", "Know {subject} well.", message="More", app=version.app)

    def twice():
        labels.move("live", version, reason="Better")
        labels.move("live", other, reason="Better still")

    with pytest.raises(Conflict, match="second person"):
        confirmed(version, twice)
    assert not Label.objects.filter(app=version.app).exists()
    assert Proposal.objects.get().state == "open"
    proposals.confirm(Proposal.objects.get(), lambda: labels.move("live", version, reason="Better"), by="bo")
    with pytest.raises(Conflict, match="second person"):
        labels.take_off("live", version.app, "user", reason="Again")


def test_an_experiment_is_promoted_only_when_another_person_confirms_it():
    found = experiment(prompt("Better"))
    with pytest.raises(Conflict, match="second person"):
        experiments.promote(found, arm(found), reason="Better")
    found.refresh_from_db()
    assert found.state == "running"
    confirmed(found, lambda: experiments.promote(found, arm(found), reason="Better"))
    found.refresh_from_db()
    assert found.state == "promoted"
    assert labels.live(found.app_id, "user") == arm(found).version


@pytest.mark.django_db(transaction=True)
def test_a_reprocess_is_promoted_only_when_another_person_confirms_it():
    run, _ = done(1)
    with pytest.raises(Conflict, match="second person"):
        reprocessing.promote(run)
    run.refresh_from_db()
    assert run.state == "done"
    assert confirmed(run, lambda: reprocessing.promote(run)).promoted == 1


def test_a_rollback_to_what_was_live_before_waits_for_nobody(version):
    other = prompt_versions.create("user", "Know {subject} well.", message="More", app=version.app)
    for each in (other, version):
        confirmed(each, lambda: labels.move("live", each, reason="Better"))  # noqa: B023 - done at once
    made = rollbacks.roll_back(version, since=clock.now(), app=version.app, reason="It was worse", live=other, by="ana")
    assert labels.live(version.app_id, "user") == other
    rollbacks.undo(made, reason="It was not", by="ana")
    assert labels.live(version.app_id, "user") == version


def test_a_rollback_brings_nothing_live_that_never_was(version):
    confirmed(version, lambda: labels.move("live", version, reason="Better"))
    never = prompt_versions.create("user", "Know {subject} well.", message="More", app=version.app)
    with pytest.raises(Conflict, match="second person"):
        rollbacks.roll_back(version, since=clock.now(), app=version.app, reason="Worse", live=never, by="ana")
    assert labels.live(version.app_id, "user") == version


def test_over_http_it_is_refused_and_said_where_it_is_confirmed(version):
    path = "/v1/apps/harbour/prompts/labels/user/live"
    before = LabelMove.objects.count()
    answer = Agent(ApiKeyFactory().key).send("PUT", path, {"version": "user-1", "reason": "Better"})
    assert "propose it in the admin" in refused(answer, 409, "conflict")
    assert LabelMove.objects.count() == before


def test_one_cannot_confirm_what_one_has_proposed(version):
    proposal = propose(version)
    with pytest.raises(Conflict, match="another must decide"):
        proposals.confirm(proposal, lambda: labels.move("live", version, reason="Better"), by="ana")
    for by in ("ana", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            Proposal.objects.update(state="confirmed", decided_by=by, decided_at=clock.now())
    assert Proposal.objects.get().state == "open"


def test_a_proposal_is_decided_once_and_only_its_maker_withdraws_it(version):
    proposal = propose(version)
    with pytest.raises(Conflict, match="Somebody else made it"):
        proposals.withdraw(proposal, by="bo")
    proposals.decline(proposal, by="bo", reason="Too soon")
    with pytest.raises(Conflict, match="declined already"):
        proposals.confirm(proposal, lambda: None, by="bo")
    assert list(Audit.objects.filter(kind="memory.proposal").order_by("pk").values_list("act", "by", "reason")) == [
        ("propose", "ana", "Better"),
        ("decline proposal", "bo", "Too soon"),
    ]


def test_what_is_proposed_says_why_and_is_proposed_once(version):
    with pytest.raises(Invalid):
        proposals.propose("promote", version, verb="Promote", data={}, reason=" ", by="ana")
    propose(version)
    with pytest.raises(Conflict, match="proposed for it already"):
        propose(version, by="bo")
    assert proposals.open_for(version, "promote").by == "ana"
    assert proposals.open_for(version, "other") is None
