"""Taking back what a prompt version made, in all subjects at once: to what it replaced, for good, and undone again."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction

from memory import clock, corrections, reading, restoring
from memory.errors import Conflict, Invalid
from memory.models import Conclusion, Representation, Serving, Subject
from reasoning import following, labels, prompt_versions, reconcile, rollbacks
from reasoning.experiments import lifecycle as experiments
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Experiment, Pass, PromptVersion, Work
from reasoning.providers.base import Answer, Request, Statement
from tests.loop.helpers import AT_ONCE, FakeProvider, drain, draining
from tests.store.helpers import PATIENCE, contents, is_waited_for, person, say, together, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def by_prompt(request: Request) -> Answer:
    """Statements that say which prompt made them."""
    word = "BAD" if "Bad" in request.instructions else "good"
    return Answer(
        add=tuple(Statement(f"{word}: {event.content}", (event.number,)) for event in request.events),
        now=f"{word} {len(request.events)}",
    )


def reason() -> None:
    drain(FakeProvider(by_prompt))


def bad(live: bool = True) -> PromptVersion:
    version = prompt_versions.create("user", "Bad. {subject}", message="Bad")
    if live:
        labels.move("live", version, reason="Try it")
    return version


def first() -> PromptVersion:
    return PromptVersion.objects.get(kind="user", app=None, number=1)


def subject(name: str) -> Subject:
    return Subject.objects.select_related("current", "line").get(user__name=name)


def known(name: str) -> list[str]:
    return contents(subject(name).current)


@pytest.fixture
def history(at_once):
    """Ana has versions of both prompts, Ben of the bad one alone, Cleo of the good one alone."""
    for name in ("ana", "ben", "cleo"):
        person(name)
    say("a1", user="ana")
    say("c1", user="cleo")
    reason()
    version = bad()
    say("a2", user="ana")
    say("a3", user="ana")
    say("b1", user="ben")
    reason()
    assert known("ana") == ["BAD: a2", "BAD: a3", "good: a1"]
    return version


def test_the_plan_says_what_would_be_taken_back_and_changes_nothing(history):
    before = Representation.objects.count(), Serving.objects.count()
    plan = rollbacks.plan(history)
    assert {item.subject_id for item in plan.affected} == {subject("ana").pk, subject("ben").pk}
    assert (plan.versions, plan.nothing_before, plan.events, plan.live) == (2, 1, 3, first())
    assert (Representation.objects.count(), Serving.objects.count()) == before


def test_readers_get_what_it_replaced_and_what_it_made_stays_in_the_history(history):
    made = subject("ana").current
    text = Representation.objects.get(subject=subject("ana"), number=1).text
    rollback = rollbacks.roll_back(history, reason="It lies", by="olga")
    assert (rollback.subjects, rollback.live) == (2, first())
    ana = subject("ana")
    assert reading.context("harbour", "ana").text == text
    assert (ana.current.restores.number, ana.current.number) == (1, 3)
    assert ana.line.recipe == first().recipe
    assert known("ben") == []
    assert reading.context("harbour", "ben").text == ""
    assert known("cleo") == ["good: c1"]
    assert subject("cleo").current.number == 1
    assert contents(made) == ["BAD: a2", "BAD: a3", "good: a1"]
    assert labels.pointed("live", None, "user") == first()
    served = Serving.objects.filter(subject=ana).order_by("-since")[0]
    assert (served.reason, served.by) == ("It lies", "olga")
    assert reconcile.account().faults == 0


def test_it_sticks_and_the_events_since_stay_read(history):
    rollbacks.roll_back(history, reason="It lies")
    reason()
    assert known("ana") == ["good: a1"]
    assert not Work.objects.exclude(state="idle").exists()
    say("a4", user="ana")
    say("b2", user="ben")
    reason()
    assert known("ana") == ["good: a1", "good: a4"]
    assert known("ben") == ["good: b2"]
    assert reconcile.account().faults == 0


def test_events_since_are_read_again_by_what_is_live_then_where_that_is_asked_for(history):
    rollbacks.roll_back(history, reason="It lies", then=restoring.Onward.REASON_AGAIN)
    assert known("ana") == ["good: a1"]
    assert set(Work.objects.exclude(state="idle").values_list("bulk", flat=True)) == {True}
    reason()
    assert known("ana") == ["good: a1", "good: a2", "good: a3"]
    assert known("ben") == ["good: b1"]
    assert [subject(name).line.cursor for name in ("ana", "ben")] == [3, 1]
    assert not Work.objects.filter(bulk=True).exists()
    assert reconcile.account().faults == 0
    say("a4", user="ana")
    reason()
    assert known("ana")[-1] == "good: a4"


def test_since_a_moment_only_what_was_made_from_then_on_is_taken_back(history):
    moment = clock.now()
    say("a4", user="ana")
    reason()
    assert known("ana") == ["BAD: a2", "BAD: a3", "BAD: a4", "good: a1"]
    rollbacks.roll_back(history, since=moment, keep_live=True, reason="The provider was ill")
    assert known("ana") == ["BAD: a2", "BAD: a3", "good: a1"]
    assert known("ben") == ["BAD: b1"]
    assert history.is_live


def test_what_another_prompt_built_on_it_is_taken_back_too(history):
    labels.move("live", first(), reason="Back")
    say("a4", user="ana")
    reason()
    assert known("ana") == ["BAD: a2", "BAD: a3", "good: a1", "good: a4"]
    rollbacks.roll_back(history, reason="It lies")
    assert known("ana") == ["good: a1"]


def test_what_humans_have_said_since_stays(history):
    ana = subject("ana")
    corrections.add(ana, "Ana lives in Faro.", by="olga")
    corrections.retract(ana, Conclusion.objects.get(content="good: a1").pk, by="olga")
    rollbacks.roll_back(history, reason="It lies")
    assert known("ana") == ["Ana lives in Faro."]
    assert "Faro" in reading.context("harbour", "ana").text
    assert "a1" not in reading.context("harbour", "ana").text


def test_undone_readers_get_again_what_they_got_before(history):
    before = {name: reading.context("harbour", name).text for name in ("ana", "ben", "cleo")}
    rollback = rollbacks.roll_back(history, reason="It lies")
    undone = rollbacks.undo(rollback, reason="It did not", by="olga")
    assert {name: reading.context("harbour", name).text for name in ("ana", "ben", "cleo")} == before
    assert (undone.undoes, undone.live) == (rollback, history)
    assert labels.pointed("live", None, "user") == history
    say("a4", user="ana")
    reason()
    assert known("ana") == ["BAD: a2", "BAD: a3", "BAD: a4", "good: a1"]
    assert reconcile.account().faults == 0
    with pytest.raises(Conflict, match="undone already"):
        rollbacks.undo(rollback, reason="Once more")
    again = rollbacks.roll_back(history, reason="It does lie")
    assert (again.subjects, known("ana")) == (2, ["good: a1"])


def test_a_pass_of_it_that_is_under_way_publishes_nothing(history):
    say("a4", user="ana")
    provider = FakeProvider(by_prompt)
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call")
        rollbacks.roll_back(history, reason="It lies")
        provider.gate.set()
        until(lambda: Pass.objects.filter(outcome="abandoned").exists(), "the pass is given up")
    say("a5", user="ana")
    reason()
    assert known("ana") == ["good: a1", "good: a4", "good: a5"]
    assert Pass.objects.filter(outcome="abandoned").count() == 1
    assert reconcile.account().faults == 0


@pytest.mark.parametrize("name", ["cleo", "dora"])
def test_what_waits_to_be_read_by_it_is_read_by_what_is_live_then(history, name):
    person(name)
    say("news", user=name)
    following.take_in()
    assert Work.objects.get(state="waiting").line.recipe == history.recipe
    rollbacks.roll_back(history, reason="It lies")
    reason()
    assert "good: news" in known(name)
    assert not any("BAD" in statement for statement in known(name))
    assert reconcile.account().faults == 0


def test_nor_does_its_first_pass_of_somebody_that_is_under_way_publish_anything(history):
    say("c2", user="cleo")
    provider = FakeProvider(by_prompt)
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight == 1, "the call")
        rollbacks.roll_back(history, reason="It lies")
        provider.gate.set()
        until(lambda: "good: c2" in known("cleo"), "it is read by the other")
    assert known("cleo") == ["good: c1", "good: c2"]
    assert Pass.objects.filter(outcome="abandoned").count() == 1
    assert reconcile.account().faults == 0


def test_what_waits_is_left_to_a_prompt_that_stays_live(history):
    say("c2", user="cleo")
    following.take_in()
    rollbacks.roll_back(history, reason="It lied", keep_live=True)
    reason()
    assert known("cleo") == ["BAD: c2", "good: c1"]


def test_the_first_version_of_all_needs_to_be_told_what_shall_be_live():
    person()
    say("one")
    reason()
    before = Representation.objects.count()
    with pytest.raises(Conflict, match="say which version shall be live"):
        rollbacks.roll_back(first(), reason="It lies")
    assert Representation.objects.count() == before
    other = prompt_versions.create("user", "Other. {subject}", message="Other")
    rollbacks.roll_back(first(), live=other, reason="It lies")
    assert labels.pointed("live", None, "user") == other


def test_without_a_reason_or_where_nothing_was_made_it_is_refused():
    person()
    never = bad(live=False)
    with pytest.raises(Conflict, match="Readers get nothing"):
        rollbacks.roll_back(never, reason="It lies")
    with pytest.raises(Invalid, match="Say why"):
        rollbacks.roll_back(never, reason=" ")


def test_one_subject_can_have_its_events_since_read_again():
    ana = person()
    for text in ("one", "two", "three"):
        say(text)
        reason()
    made = restoring.roll_back(ana, 1, reason="Wrong turn", then=restoring.Onward.REASON_AGAIN)
    assert (contents(made), made.covers_to) == (["good: one"], 1)
    reason()
    assert known("ana") == ["good: one", "good: three", "good: two"]
    assert subject("ana").line.cursor == 3
    assert reconcile.account().faults == 0


def test_undone_in_one_app_the_app_goes_by_the_sites_prompt_again(history):
    app = subject("ana").app
    own = prompt_versions.create("user", "Good. {subject}", message="Ours", app=app)
    assert rollbacks.live_instead(history, app=app, live=own) == own
    rollback = rollbacks.roll_back(history, app=app, live=own, reason="It lies")
    assert labels.live(app.pk, "user") == own
    rollbacks.undo(rollback, reason="It does not")
    assert labels.live(app.pk, "user") == history
    assert labels.pointed("live", app, "user") is None
    assert known("ana") == ["BAD: a2", "BAD: a3", "good: a1"]


def test_undone_it_leaves_live_what_somebody_has_chosen_since(history):
    rollback = rollbacks.roll_back(history, reason="It lies")
    assert rollbacks.live_again(rollback) == history
    better = prompt_versions.create("user", "Better. {subject}", message="Better")
    labels.move("live", better, reason="It is better")
    assert rollbacks.live_again(rollback) is None
    assert rollbacks.undo(rollback, reason="It did not lie").live is None
    assert labels.pointed("live", None, "user") == better
    assert known("ana") == ["BAD: a2", "BAD: a3", "good: a1"]


def test_who_rolls_back_while_somebody_promotes_an_experiment_against_it_is_told_so(history):
    better = prompt_versions.create("user", "Better. {subject}", message="Better")
    found = experiments.start(experiments.create("user", "tone", [Candidate(better, 1.0)]))
    begun = threading.Event()

    def promotes() -> None:
        with transaction.atomic():
            Experiment.objects.select_for_update(no_key=True).get(pk=found.pk)  # as everybody does first
            begun.set()
            until(is_waited_for, "the rollback waits for the experiment")
            experiments.promote(found, found.arms.get(), reason="It is better")

    def rolls_back() -> None:
        assert begun.wait(PATIENCE)
        with pytest.raises(Conflict, match="promoted"):
            rollbacks.roll_back(history, reason="It lies")

    together(promotes, rolls_back)
    assert labels.pointed("live", None, "user") == better
    assert rollbacks.roll_back(history, reason="It lies").live is None


def test_a_sample_shows_what_readers_get_and_would_get(history, django_assert_num_queries):
    plan = rollbacks.plan(history)
    with django_assert_num_queries(2):
        found = {str(item.subject): (item.current, item.target) for item in rollbacks.samples(plan.targets)}
    assert found["ana"][0] == subject("ana").current
    assert found["ana"][1].number == 1
    assert (found["ben"][0], found["ben"][1]) == (subject("ben").current, None)
    assert len(rollbacks.samples(plan.targets, 1)) == 1


def test_what_undoing_gives_back_is_known_before_it_is_done(history):
    made = subject("ana").current
    rollback = rollbacks.roll_back(history, reason="It lies")
    assert rollbacks.given_back(rollback)[subject("ana").pk] == made.pk
    assert len(rollbacks.given_back(rollback)) == 2
