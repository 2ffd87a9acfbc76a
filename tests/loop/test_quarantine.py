"""What publishing a stopped version means for the work behind it: a parked line goes on, and no event counts twice."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from memory import publishing
from memory.errors import Conflict
from memory.models import Conclusion, Representation, Ruling, Subject
from memory.publishing import NewConclusion
from reasoning import passes, quarantine, queue, reconcile, signals
from reasoning.models import Work
from tests.loop.helpers import AT_ONCE, claimed, completion, drain, prepared, truthful
from tests.store.helpers import draft_on, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE}


@pytest.fixture
def parked():
    """A line that is parked before its first two events, with the version that was stopped."""
    events = say("one", "two")
    queue.take_in()
    line = Subject.objects.get().line
    added = [NewConclusion(content="It was said: one and two", evidence=events)]
    kept = publishing.quarantine(line.pk, draft_on(line, added=added), "It looks like a secret.", "secrets")
    Work.objects.update(state=Work.State.PARKED, due_at=None, attempts=5, last_failure="gated")
    say("three")
    queue.take_in()
    return SimpleNamespace(line=line, kept=kept)


def test_published_a_parked_line_goes_on_and_each_event_is_covered_once(parked):
    quarantine.publish(parked.kept, reason="It is no secret.", by="olga")
    work = Work.objects.get()
    assert (work.state, work.waiting_events, work.attempts) == ("waiting", 1, 0)
    asked = drain().requests
    assert [[event.content for event in request.events] for request in asked] == [["three"]]
    assert set(Conclusion.objects.values_list("content", flat=True)) == {
        "It was said: one and two",
        "It was said: three",
    }
    account = reconcile.account()
    assert (account.covered, account.faults) == (3, 0)


def test_published_a_waiting_drainer_is_woken(parked, monkeypatch):
    woken = []
    monkeypatch.setattr(signals, "wake", lambda: woken.append(Ruling.objects.count()))
    quarantine.publish(parked.kept, reason="It is no secret.", by="olga")
    assert woken == [1], "once it is committed"


def test_where_the_work_row_cannot_be_set_nothing_is_published(parked, monkeypatch):
    def fails(line_id):
        raise RuntimeError

    monkeypatch.setattr(queue, "look_again", fails)
    with pytest.raises(RuntimeError):
        quarantine.publish(parked.kept, reason="It is no secret.", by="olga")
    assert not Ruling.objects.exists()
    assert not Representation.objects.filter(status="published").exists()


def test_discarded_a_parked_line_stays_parked(parked):
    quarantine.discard(parked.kept, reason="It is a secret.", by="olga")
    assert Work.objects.get().state == "parked"
    queue.retry(Work.objects.all())
    drain()
    assert reconcile.account().covered == 3


def test_a_pass_under_way_finds_that_the_line_has_moved_on(parked):
    Work.objects.update(state=Work.State.WAITING, due_at=timezone.now() - timedelta(seconds=1), attempts=0)
    ready = prepared(claimed())
    made = quarantine.publish(parked.kept, reason="It is no secret.", by="olga")
    assert Work.objects.get().state == "leased"
    with pytest.raises(Conflict, match="moved on"):
        passes.complete(ready, completion(truthful(ready.request)))
    assert Subject.objects.get().current == made
    account = reconcile.account()
    assert (account.covered, account.faults) == (2, 0)
