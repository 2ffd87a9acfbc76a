"""Promoting a part of a run, and taking a promotion back."""

from __future__ import annotations

import pytest

from memory import corrections, restoring
from memory.errors import Conflict, Invalid
from memory.models import Subject
from reasoning import reconcile
from reasoning.reprocessing import lifecycle, outcome, undoing
from reasoning.reprocessing.parts import Part
from tests.loop.helpers import drain, people
from tests.loop.test_reprocessing import (  # noqa: F401
    FINE,
    TwoPrompts,
    at_once,
    finished,
    line_of,
    refusing,
    served,
    started,
    state_of,
    states,
)
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db(transaction=True)


def done(count: int, **options):
    """A run that has read everything of so many subjects, and those."""
    subjects = people(count)
    for subject in subjects:
        say("one", user=subject.user.name)
    drain()
    return finished(started(**options)), subjects


def promoted(subjects) -> set[str]:
    return {subject.user.name for subject in subjects if "Now read as" in served(subject)}


def test_a_share_is_promoted_first_and_a_larger_one_adds_to_it():
    run, subjects = done(5)
    assert lifecycle.promote(run, Part(percent=30), end=False) == lifecycle.Promotion(2, 3)
    first = promoted(subjects)
    assert (len(first), state_of(run).state) == (2, "done")
    assert outcome.plan(run, Part(percent=60)) == outcome.Plan(promoted=1, worse=0, left=2)
    assert lifecycle.promote(run, Part(percent=60), end=False).promoted == 1
    assert first < promoted(subjects)
    say("two", user=sorted(first)[0])
    drain(TwoPrompts())
    assert lifecycle.promote(run) == lifecycle.Promotion(2, 0)
    assert (promoted(subjects), state_of(run).state) == ({subject.user.name for subject in subjects}, "promoted")
    assert reconcile.account().faults == 0


def test_what_a_promoted_line_has_read_is_not_promoted_again():
    run, [subject] = done(1)
    lifecycle.promote(run, end=False)
    say("two", user=subject.user.name)
    drain(TwoPrompts())
    before = Subject.objects.get(pk=subject.pk).current
    assert lifecycle.promote(run) == lifecycle.Promotion(0, 0)
    assert Subject.objects.get(pk=subject.pk).current == before


def test_some_subjects_and_those_of_one_app_are_promoted_alone():
    subjects = [*people(2), person(app="elsewhere", name="bo")]
    say("one", user="user-0")
    say("one", user="user-1")
    say("one", app="elsewhere", user="bo")
    drain()
    run = finished(started(app=None))
    lifecycle.promote(run, Part(subjects=frozenset([subjects[0].pk])), end=False)
    assert promoted(subjects) == {"user-0"}
    assert outcome.plan(run, Part(app_id=subjects[2].app_id)) == outcome.Plan(promoted=1, worse=0, left=1)
    lifecycle.promote(run, Part(app_id=subjects[2].app_id))
    assert promoted(subjects) == {"user-0", "bo"}
    assert sorted(states(run)) == ["left", "promoted", "promoted"]


def test_a_plan_says_what_a_promotion_then_does(subtests):
    run, subjects = done(3)
    say("two", user="user-1")
    lifecycle.pause(run)
    drain()  # what is served has read more than the run
    for part, planned in (
        (Part(), outcome.Plan(promoted=3, worse=1, left=0)),
        (FINE, outcome.Plan(promoted=2, worse=0, left=1)),
    ):
        with subtests.test(str(part)):
            assert outcome.plan(run, part) == planned
    told = lifecycle.promote(run, FINE)
    assert (told.promoted, told.left) == (2, 1)
    assert promoted(subjects) == {"user-0", "user-2"}
    assert outcome.plan(run, Part()) == outcome.Plan(0, 0, 0)


def test_a_plan_of_many_subjects_looks_into_some_and_projects(monkeypatch):
    run, subjects = done(4)
    for subject in subjects:
        say("two", user=subject.user.name)
    lifecycle.pause(run)
    drain()
    monkeypatch.setattr(outcome, "MOST_COMPARED", 2)
    assert outcome.plan(run, Part()) == outcome.Plan(promoted=4, worse=4, left=0, exact=False)
    assert outcome.plan(run, FINE) == outcome.Plan(promoted=0, worse=0, left=4, exact=False)


def test_what_is_not_promoted_yet_is_what_a_sample_shows():
    run, _ = done(3)
    drawn = [each.item.subject_id for each in outcome.sample(run, 3)]
    lifecycle.promote(run, Part(percent=1), end=False)
    assert [each.item.subject_id for each in outcome.sample(run, 3)] == drawn[1:]
    assert [each.item.subject_id for each in outcome.sample(run, 3, Part(percent=60))] == drawn[1:2]


@pytest.mark.parametrize("percent", [0, 101, -5])
def test_a_share_that_is_none_is_refused(percent):
    with pytest.raises(Invalid, match="1 to 100"):
        Part(percent=percent)


# Taking it back


def test_an_undone_promotion_gives_readers_what_they_had_and_what_came_since_is_read_again():
    run, subjects = done(3)
    before = {subject.pk: served(subject) for subject in subjects}
    lifecycle.promote(run)
    say("two", user="user-1")
    drain(TwoPrompts())
    assert "two" in served(subjects[1])
    assert undoing.undo(run, reason="Worse after all", by="me") == 3
    run = state_of(run)
    assert (run.state, run.state_reason) == ("discarded", "By me: Worse after all")
    assert (served(subjects[0]), served(subjects[2])) == (before[subjects[0].pk], before[subjects[2].pk])
    drain(TwoPrompts())
    assert promoted(subjects) == set()
    assert "It was said: two" in served(subjects[1])
    assert reconcile.account().faults == 0
    with pytest.raises(Conflict, match=r"discarded\.$"):
        undoing.undo(run, reason="Again")


def test_a_run_whose_share_is_taken_back_goes_on_with_the_others():
    run, subjects = done(3)
    lifecycle.promote(run, Part(percent=30), end=False)
    assert undoing.undo(run, reason="Not yet") == 1
    assert (state_of(run).state, promoted(subjects)) == ("done", set())
    assert sorted(states(run)) == ["left", "ready", "ready"]
    assert lifecycle.promote(run) == lifecycle.Promotion(2, 1)


def test_a_subject_that_was_taken_elsewhere_since_is_left_there():
    run, subjects = done(2)
    first = Subject.objects.get(pk=subjects[0].pk).current.number
    lifecycle.promote(run)
    restoring.roll_back(Subject.objects.get(pk=subjects[0].pk), first, reason="This one at once")
    before = Subject.objects.get(pk=subjects[0].pk).current
    assert set(undoing.before(run)) == {subjects[1].pk}
    assert undoing.undo(run, reason="All of them") == 1
    assert Subject.objects.get(pk=subjects[0].pk).current == before


def test_what_a_human_said_of_the_promoted_version_holds_in_what_comes_back():
    run, [subject] = done(1)
    lifecycle.promote(run)
    corrections.add(subject, "Sails on Sundays.", by="me")
    undoing.undo(run, reason="Worse")
    assert "Sails on Sundays" in served(subject)
    assert "Now read as" not in served(subject)


def test_nothing_is_undone_where_nothing_was_promoted_or_without_a_reason():
    run, _ = done(1)
    with pytest.raises(Conflict, match="Readers get nothing"):
        undoing.undo(run, reason="To see")
    lifecycle.promote(run)
    with pytest.raises(Invalid, match="Say why"):
        undoing.undo(run, reason=" ")
    assert state_of(run).state == "promoted"
