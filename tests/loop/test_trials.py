"""Dry runs that a worker makes: what is kept of them, for how long, and that an erasure takes them along."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from memory import clock
from memory.erasure import act
from memory.errors import Conflict, Invalid
from memory.models import Event, Representation
from reasoning import following, prompt_versions, trials
from reasoning.models import PromptVersion, Spend, Trial
from reasoning.providers.openai import forget_manners
from tests.loop.helpers import AT_ONCE, one_pass
from tests.loopback.server import LoopbackModel
from tests.store.helpers import person, say, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model(settings):
    """A model that answers over HTTP."""
    forget_manners()
    with LoopbackModel() as server:
        settings.HONCHO = AT_ONCE | {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": server.url}
        yield server


@pytest.fixture
def ana(model):
    """Somebody of whom a version stands, and who has said more since."""
    subject = person()
    say("I moved to Lisbon.")
    one_pass()
    say("I have a dog.")
    following.take_in()
    return subject


def candidate() -> PromptVersion:
    return prompt_versions.create("user", "Know {subject} better.", message="Better")


def made(trial: Trial) -> Trial:
    """The trial when a worker has been at it."""
    assert [row.pk for row in trials.claim(5)] == [trial.pk]
    trials.make(Trial.objects.get(pk=trial.pk))
    trial.refresh_from_db()
    return trial


def test_asking_calls_no_model_and_a_worker_keeps_what_came_of_it(model, ana):
    versions = Representation.objects.count()
    trial = trials.ask(candidate(), ana, events=5, by="olga")
    assert (trial.state, trial.by, model.count) == ("waiting", "olga", 0)
    made(trial)
    assert (trial.state, trial.error, model.count) == ("done", "", 1)
    assert trial.outcome["stands"] == 1
    assert trial.outcome["window"]["covers"]["events"] == 1
    assert trial.outcome["would_be"]["text"]
    assert Representation.objects.count() == versions
    assert Spend.objects.get(prompt_version=trial.prompt_version).calls == 1


def test_a_worker_finds_it_among_its_chores_and_does_not_wait_for_the_model(model, ana):
    trial = trials.ask(candidate(), ana)
    assert trials.start_due()
    assert not trials.start_due()
    until(lambda: Trial.objects.filter(pk=trial.pk, state="done").exists(), "the dry run is made")


def test_a_refusal_is_told_and_nothing_is_tried_again(model, ana):
    model.always("status", status=500)
    trial = made(trials.ask(candidate(), ana))
    assert trial.state == "failed"
    assert "may be back soon" in trial.error
    assert trials.claim(5) == []


def test_one_whose_worker_died_has_failed_and_is_not_paid_for_twice(model, ana):
    trial = trials.ask(candidate(), ana)
    trials.claim(5)
    Trial.objects.update(started_at=clock.now() - trials.LOST - timedelta(seconds=1))
    assert trials.claim(5) == []
    trial.refresh_from_db()
    assert (trial.state, model.count) == ("failed", 0)
    assert "worker is gone" in trial.error


def test_what_cannot_be_tried_is_refused_before_anything_is_kept(ana):
    session = prompt_versions.create("session", "Sum {subject} up.", message="Short")
    with pytest.raises(Invalid, match="take a prompt of that kind"):
        trials.ask(session, ana)
    with pytest.raises(Invalid, match="One pass shows"):
        trials.ask(candidate(), ana, events=0)
    assert not Trial.objects.exists()


def test_so_many_may_wait_and_no_more(ana, monkeypatch):
    monkeypatch.setattr(trials, "MOST_OPEN", 2)
    version = candidate()
    trials.ask(version, ana)
    trials.ask(version, ana)
    with pytest.raises(Conflict, match="2 dry runs wait already"):
        trials.ask(version, ana)


def test_old_ones_go_when_another_is_asked_for(ana):
    old = trials.ask(candidate(), ana)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reasoning_trial SET created_at = created_at - interval '8 days'")
    new = trials.ask(candidate(), ana)
    assert [row.pk for row in Trial.objects.all()] == [new.pk] != [old.pk]


def test_an_erasure_takes_them_along_even_one_under_way(model, ana):
    done = made(trials.ask(candidate(), ana))
    under_way = trials.ask(candidate(), ana)
    [claimed] = trials.claim(5)
    act.erase(Event.objects.order_by("pk")[0])
    trials.make(claimed)
    assert not Trial.objects.filter(pk__in=[done.pk, under_way.pk]).exists()
