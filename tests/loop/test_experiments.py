"""Experiments: whose versions readers get, what is made beside, and that every end of one leaves all readable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from memory import corrections, log, restoring
from memory.errors import Conflict, Invalid, NotFound
from memory.models import Line, Representation, Subject
from reasoning import assignment, following, labels, passes, queue, reconcile
from reasoning.experiments import lifecycle, split
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Arm, Experiment, ExperimentAct, LabelMove, Pass, Work
from tests.loop.experiments import (
    APP,
    arm,
    experiment,
    line,
    live,
    marked,
    newcomer,
    prompt,
    reason,
    serving,
    shown,
    someone,
    tell,
)
from tests.loop.helpers import AT_ONCE, FakeProvider, completion, drain, make_due, prepared
from tests.store.helpers import PATIENCE, contents, person, refused, say, together, until

pytestmark = pytest.mark.django_db
concurrent = pytest.mark.django_db(transaction=True)
SERVE, SHADOW = Experiment.Mode.SERVE, Experiment.Mode.SHADOW


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture
def prompts(db):
    """The control, which is live, and a candidate."""
    return live("Control"), prompt("Candidate")


def take_in() -> None:
    """Take in what is new; it is due at once (in one transaction the database's time stands still)."""
    following.take_in()
    make_due()


def statements(found: Line) -> list[str]:
    return contents(Line.objects.select_related("head").get(pk=found.pk).head)


def acts(found: Experiment) -> list[tuple[str, str, str]]:
    return list(ExperimentAct.objects.filter(experiment=found).order_by("pk").values_list("act", "by", "reason"))


def falls(found: Experiment, inside: bool, sampled: bool) -> Callable[[UUID], bool]:
    """Whether an id falls into the first half of the buckets, and into the sample."""

    def fits(pk: UUID) -> bool:
        inner = split.bucket_of(found.salt, pk) < 5_000
        return inner == inside and split.sampled(found.salt, pk, found.sample) == sampled

    return fits


class TestServe:
    def test_each_subject_is_served_by_the_arm_that_it_falls_to(self, prompts):
        control, candidate = prompts
        other = prompt("Other")
        found = experiment(candidate, other, share=0.3)
        for falls_to, version in ((None, control), (arm(found, 0), candidate), (arm(found, 1), other)):
            subject = someone(found, falls_to)
            tell(subject, "Hello.")
            assert serving(subject) == version.recipe
            assert f"{version.message}: Hello" in shown(subject)
        assert reconcile.account().faults == 0

    def test_who_is_known_goes_on_with_what_is_known_of_them(self, prompts):
        control, candidate = prompts
        subject = person()
        tell(subject, "One.")
        experiment(candidate)
        assert serving(subject) == control.recipe, "nothing moves before there is something new"
        tell(subject, "Two.")
        assert serving(subject) == candidate.recipe
        assert statements(line(subject, candidate)) == ["Candidate: Two.", "Control: One."]
        assert reconcile.account().faults == 0

    def test_a_draft_changes_nothing(self, prompts):
        control, candidate = prompts
        lifecycle.create("user", "tone", [Candidate(candidate, 1.0)], app=person().app)
        subject = person()
        tell(subject, "One.")
        assert serving(subject) == control.recipe

    def test_a_paused_arms_subjects_go_on_with_the_control_and_come_back_when_it_is_resumed(self, prompts):
        control, candidate = prompts
        found = experiment(candidate)
        subject = person()
        tell(subject, "One.")
        lifecycle.pause(found, arm(found), by="olga", reason="It is rude")
        assert shown(subject).count("Candidate: One") == 1, "what was made stays readable"
        tell(subject, "Two.")
        assert serving(subject) == control.recipe
        assert statements(line(subject, control)) == ["Candidate: One.", "Control: Two."]
        lifecycle.resume(found, arm(found), by="olga")
        tell(subject, "Three.")
        assert serving(subject) == candidate.recipe
        assert statements(line(subject, candidate)) == ["Candidate: One.", "Candidate: Three.", "Control: Two."]
        assert reconcile.account().faults == 0

    def test_a_paused_experiment_is_as_none(self, prompts):
        control, candidate = prompts
        found = experiment(candidate)
        subject = person()
        lifecycle.pause(found)
        tell(subject, "One.")
        assert serving(subject) == control.recipe
        lifecycle.resume(found)
        tell(subject, "Two.")
        assert serving(subject) == candidate.recipe

    def test_ramping_up_lets_subjects_in_and_ramping_down_lets_those_go_that_came_last(self, prompts):
        control, candidate = prompts
        found = experiment(candidate, share=0.3)

        def between(first: int, end: int) -> Subject:
            return newcomer(lambda pk: first <= split.bucket_of(found.salt, pk) < end)

        early, later, never = between(0, 3_000), between(3_000, 6_000), between(6_000, 10_000)

        def served(text: str) -> list[str]:
            for subject in (early, later, never):
                say(text, user=subject.user.name)
            reason()
            return [serving(subject) for subject in (early, later, never)]

        assert served("One.") == [candidate.recipe, control.recipe, control.recipe]
        lifecycle.ramp(found, arm(found), 0.6)
        assert served("Two.") == [candidate.recipe, candidate.recipe, control.recipe]
        lifecycle.ramp(found, arm(found), 0.3)
        assert served("Three.") == [candidate.recipe, control.recipe, control.recipe]
        lifecycle.ramp(found, arm(found), 0.6)
        assert served("Four.") == [candidate.recipe, candidate.recipe, control.recipe]
        assert reconcile.account().faults == 0

    def test_a_pass_under_way_on_the_line_that_is_left_publishes_nothing(self, prompts):
        _, candidate = prompts
        subject = person()
        say("One.")
        take_in()
        late = prepared(queue.claim(1, "d1")[0])
        experiment(candidate)
        tell(subject, "Two.")
        assert statements(line(subject, candidate)) == ["Candidate: One.", "Candidate: Two."]
        with pytest.raises(queue.LostLease):
            passes.complete(late, completion(marked(late.request)))
        assert reconcile.account().faults == 0


class TestSample:
    def test_the_controls_version_is_made_beside_for_the_sample_and_is_not_served(self, prompts):
        control, candidate = prompts
        found = experiment(candidate, sample=1.0)
        subject = person()
        tell(subject, "One.", "Two.")
        beside = line(subject, control, found.public_id)
        assert serving(subject) == candidate.recipe
        assert statements(beside) == ["Control: One.", "Control: Two."]
        assert "Control" not in shown(subject)
        work = Work.objects.get(line=beside)
        assert (work.follows, work.bulk, work.state) == (True, True, "idle")
        tell(subject, "Three.")
        assert statements(beside) == ["Control: One.", "Control: Three.", "Control: Two."]
        assert statements(line(subject, candidate)) == ["Candidate: One.", "Candidate: Three.", "Candidate: Two."]
        assert reconcile.account().faults == 0

    def test_the_controls_own_subjects_and_those_outside_the_sample_have_nothing_beside(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, share=0.5, sample=0.5)
        chosen = {
            (inside, sampled): newcomer(falls(found, inside, sampled))
            for inside in (True, False)
            for sampled in (True, False)
        }
        for subject in chosen.values():
            tell(subject, "One.")
        beside = Line.objects.filter(branch=found.public_id).values_list("subject", flat=True)
        assert list(beside) == [chosen[True, True].pk]


class TestShadow:
    def test_the_candidates_version_is_made_beside_and_never_served(self, prompts):
        control, candidate = prompts
        subject = person()
        tell(subject, "One.")
        found = experiment(candidate, mode=SHADOW)
        assert line(subject, candidate, found.public_id) is None, "nothing is made before there is something new"
        tell(subject, "Two.", "Three.")
        beside = line(subject, candidate, found.public_id)
        assert statements(beside) == ["Candidate: Three.", "Candidate: Two.", "Control: One."]
        assert statements(line(subject, control)) == ["Control: One.", "Control: Three.", "Control: Two."]
        assert serving(subject) == control.recipe
        assert "Candidate" not in shown(subject)
        assert beside.cursor == 3
        assert reconcile.account().faults == 0

    def test_it_begins_where_the_serving_line_stands_however_far_that_has_read(self, prompts):
        _, candidate = prompts
        subject = person()
        tell(subject, "One.")
        say("Two.")
        take_in()  # waits, on the line that serves
        found = experiment(candidate, mode=SHADOW)
        tell(subject, "Three.")
        assert statements(line(subject, candidate, found.public_id)) == [
            "Candidate: Three.", "Candidate: Two.", "Control: One."
        ]  # fmt: skip

    def test_only_the_arms_subjects_have_one(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, mode=SHADOW, share=0.3)
        inside, outside = someone(found, arm(found)), someone(found, None)
        tell(inside, "One.")
        tell(outside, "One.")
        assert list(Line.objects.filter(branch=found.public_id).values_list("subject", flat=True)) == [inside.pk]

    def test_work_beside_yields_to_work_that_somebody_waits_for(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, mode=SHADOW)
        for name in ("ana", "bo"):
            person(name)
            say("One.", user=name)
        take_in()
        beside = set(Line.objects.filter(branch=found.public_id).values_list("pk", flat=True))
        assert len(beside) == 2
        assert not {claim.line_id for claim in queue.claim(2, "d1")} & beside
        assert {claim.line_id for claim in queue.claim(2, "d1")} == beside

    @pytest.mark.parametrize("end", ["pause", "pause the arm", "stop", "promote", "ramp down"])
    def test_when_it_ends_what_is_beside_reads_no_further_and_stays_readable(self, prompts, end):
        control, candidate = prompts
        found = experiment(candidate, mode=SHADOW)
        subject = person()
        tell(subject, "One.")
        beside = line(subject, candidate, found.public_id)
        made = beside.head_id
        say("Two.")
        take_in()
        token = next(claim.token for claim in queue.claim(2, "d1") if claim.line_id == beside.pk)
        {
            "pause": lambda: lifecycle.pause(found),
            "pause the arm": lambda: lifecycle.pause(found, arm(found)),
            "stop": lambda: lifecycle.stop(found),
            "promote": lambda: lifecycle.promote(found, arm(found), reason="Better"),
            "ramp down": lambda: lifecycle.ramp(found, arm(found), 0),
        }[end]()
        work = Work.objects.get(line=beside)
        assert (work.follows, work.state, work.lease_token, work.waiting_events) == (False, "idle", None, 0)
        assert Pass.objects.get(pk=token).outcome == "abandoned"
        make_due()
        tell(subject, "Three.")
        beside.refresh_from_db()
        assert beside.cursor == 1
        assert contents(Representation.objects.get(pk=made)) == ["Candidate: One."]
        assert serving(subject) == (candidate if end == "promote" else control).recipe
        assert reconcile.account().faults == 0

    def test_resumed_it_goes_on_where_the_serving_line_stands(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, mode=SHADOW)
        subject = person()
        tell(subject, "One.")
        lifecycle.pause(found)
        tell(subject, "Two.")
        lifecycle.resume(found)
        tell(subject, "Three.")
        beside = line(subject, candidate, found.public_id)
        assert statements(beside) == ["Candidate: Three.", "Control: One.", "Control: Two."]
        first = Representation.objects.filter(line=beside).order_by("number").first()
        assert contents(first) == ["Candidate: One."], "what it said before stays as it was"
        assert reconcile.account().faults == 0

    def test_one_that_has_read_further_than_the_serving_line_covers_nothing_twice(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, mode=SHADOW)
        subject = person()
        tell(subject, "One.")
        say("Two.")
        take_in()
        beside = line(subject, candidate, found.public_id)
        claims = {claim.line_id: claim for claim in queue.claim(2, "d1")}
        ready = prepared(claims[beside.pk])
        passes.complete(ready, completion(marked(ready.request)))
        lifecycle.pause(found)
        lifecycle.resume(found)
        queue.release([claims[Subject.objects.get(pk=subject.pk).line_id]])
        tell(subject, "Three.")
        assert statements(beside) == ["Candidate: One.", "Candidate: Three.", "Candidate: Two."]
        assert reconcile.account().faults == 0

    def test_a_correction_holds_beside_too(self, prompts):
        _, candidate = prompts
        found = experiment(candidate, mode=SHADOW)
        subject = person()
        tell(subject, "One.")
        corrections.add(Subject.objects.get(pk=subject.pk), "Ana sails.", by="olga")
        tell(subject, "Two.")
        assert "Ana sails." in statements(line(subject, candidate, found.public_id))


class TestScope:
    def test_the_sites_experiment_counts_where_an_app_has_neither_a_label_nor_an_experiment_of_its_own(self, db):
        control, candidate = labels.pointed("live", None, "user"), prompt("Candidate", app=None)
        found = experiment(candidate, app=None)
        own_live, own_try = live("Own", app="labelled"), prompt("Tried", app="trying")
        trying = experiment(own_try, app="trying", share=0.0)
        assert trying.control == control
        for app, version in ((APP, candidate), ("labelled", own_live), ("trying", control)):
            subject = person("ana", app)
            tell(subject, "One.")
            assert serving(subject) == version.recipe, app
        lifecycle.pause(trying)
        tell(person("bo", "trying"), "One.")
        assert serving(person("bo", "trying")) == control.recipe, "paused is not ended"
        lifecycle.stop(trying)
        tell(person("ana", "trying"), "Two.")
        assert serving(person("ana", "trying")) == candidate.recipe
        lifecycle.stop(found)
        tell(person("ana", "trying"), "Three.")
        assert serving(person("ana", "trying")) == control.recipe

    def test_other_kinds_are_left_alone(self, prompts):
        _, candidate = prompts
        experiment(candidate)
        log.append(APP, [log.NewEvent(content="One.")], user="ana", session="talk")
        take_in()
        session = Subject.objects.select_related("line").get(kind="session")
        assert session.line.recipe == labels.live(session.app_id, "session").recipe

    def test_one_at_a_time_for_an_app_and_kind(self, prompts):
        _, candidate = prompts
        running = experiment(candidate)
        second = lifecycle.create("user", "second", [Candidate(candidate)], app=running.app)
        with pytest.raises(Conflict, match="'tone' goes on with user prompts: end it first"):
            lifecycle.start(second)
        lifecycle.pause(running)
        with pytest.raises(Conflict):
            lifecycle.start(second)
        assert Experiment.objects.get(pk=second.pk).started_at is None
        lifecycle.stop(running)
        assert lifecycle.start(second).state == "running"

    def test_who_is_assigned_costs_a_fixed_number_of_statements(self, prompts, django_assert_num_queries):
        _, candidate = prompts
        people = list(Subject.objects.filter(pk__in=[person(f"user-{number}").pk for number in range(20)]))
        with django_assert_num_queries(2):
            assignment.assigned(people[:1])
        with django_assert_num_queries(2):
            assignment.assigned(people)
        experiment(candidate, prompt("Other"), share=0.5, sample=0.5)
        with django_assert_num_queries(3):
            assignment.assigned(people[:1])
        with django_assert_num_queries(3):
            assignment.assigned(people)


class TestEnds:
    def test_promoted_a_version_is_live_with_the_reason_and_everybody_goes_on_with_it(self, prompts):
        control, candidate = prompts
        found = experiment(candidate, share=0.5)
        subject = someone(found, None)
        tell(subject, "One.")
        found = lifecycle.promote(found, arm(found), reason="It won", by="olga")
        assert (found.state, found.ended_at is not None) == ("promoted", True)
        assert labels.live(subject.app_id, "user") == candidate
        move = LabelMove.objects.filter(name="live").latest("pk")
        assert (move.origin, move.to, move.reason, move.by) == (control, candidate, "It won", "olga")
        tell(subject, "Two.")
        assert statements(line(subject, candidate)) == ["Candidate: Two.", "Control: One."]
        assert acts(found)[-1] == ("promote", "olga", "It won")

    def test_stopped_its_subjects_go_back_to_what_is_live(self, prompts):
        control, candidate = prompts
        found = experiment(candidate)
        subject = person()
        tell(subject, "One.")
        lifecycle.stop(found, by="olga", reason="Enough")
        assert "Candidate: One" in shown(subject)
        tell(subject, "Two.")
        assert serving(subject) == control.recipe

    def test_what_has_ended_has_ended(self, prompts):
        found = experiment(prompts[1])
        lifecycle.stop(found)
        before = ExperimentAct.objects.count()
        for act in (
            lambda: lifecycle.start(found),
            lambda: lifecycle.pause(found),
            lambda: lifecycle.pause(found, arm(found)),
            lambda: lifecycle.resume(found),
            lambda: lifecycle.ramp(found, arm(found), 0.1),
            lambda: lifecycle.stop(found),
            lambda: lifecycle.promote(found, arm(found), reason="x"),
        ):
            with pytest.raises(Conflict, match="Its state is stopped: it cannot be"):
                act()
        assert ExperimentAct.objects.count() == before

    def test_a_draft_has_nothing_to_end(self, prompts):
        draft = lifecycle.create("user", "tone", [Candidate(prompts[1])], app=person().app)
        for act in (
            lambda: lifecycle.stop(draft),
            lambda: lifecycle.pause(draft),
            lambda: lifecycle.pause(draft, arm(draft)),
            lambda: lifecycle.promote(draft, arm(draft), reason="x"),
        ):
            with pytest.raises(Conflict, match="Its state is draft: it cannot be"):
                act()

    def test_an_arm_is_paused_once_and_resumed_once(self, prompts):
        found = experiment(prompts[1])
        with pytest.raises(Conflict, match="not paused"):
            lifecycle.resume(found, arm(found))
        lifecycle.pause(found, arm(found), reason="Rude")
        assert (arm(found).paused, arm(found).paused_because) == (True, "Rude")
        with pytest.raises(Conflict, match="paused already"):
            lifecycle.pause(found, arm(found))
        lifecycle.resume(found, arm(found))
        assert (arm(found).paused, arm(found).paused_because) == (False, "")

    def test_every_act_is_noted_with_the_shares_before_and_after(self, prompts):
        found = experiment(prompts[1], share=0.1, by="olga", reason="Shorter")
        lifecycle.ramp(found, arm(found), 0.2, by="olga", reason="Looks good")
        lifecycle.pause(found, by="olga")
        lifecycle.resume(found, by="olga")
        lifecycle.stop(found, by="olga", reason="Enough")
        assert [act for act, *_ in acts(found)] == ["create", "start", "ramp", "pause", "resume", "stop"]
        name = arm(found).public_id
        ramp = ExperimentAct.objects.get(act="ramp")
        assert ramp.arm == arm(found)
        assert ramp.detail == {"shares_before": {name: 0.1}, "shares_after": {name: 0.2}}
        assert (ramp.by, ramp.reason) == ("olga", "Looks good")
        assert "refused" in refused("UPDATE reasoning_experimentact SET reason = 'x'")

    def test_a_version_of_the_site_does_not_become_live_for_every_app_by_one_apps_experiment(self, db):
        candidate = prompt("Candidate", app=None)
        person()
        found = experiment(candidate)
        with pytest.raises(Conflict, match="would become live in every app"):
            lifecycle.promote(found, arm(found), reason="It won")
        found.refresh_from_db()
        assert found.state == "running"
        assert labels.pointed("live", None, "user") != candidate

    def test_the_sites_live_version_wins_by_taking_the_apps_label_off(self, db):
        site, own = labels.pointed("live", None, "user"), live("Own")
        found = experiment(site)
        assert found.control == own
        lifecycle.promote(found, arm(found), reason="It won")
        assert labels.live(found.app_id, "user") == site
        assert labels.pointed("live", found.app_id, "user") is None

    def test_an_apps_version_wins_over_the_sites_as_the_apps_own(self, db):
        candidate = prompt("Candidate")
        found = experiment(candidate)
        lifecycle.promote(found, arm(found), reason="It won")
        assert labels.live(found.app_id, "user") == candidate
        assert labels.pointed("live", None, "user") == found.control

    def test_the_control_must_be_live_when_it_starts_and_when_it_is_resumed(self, prompts):
        _, candidate = prompts
        app = person().app
        draft = lifecycle.create("user", "draft", [Candidate(candidate, 0.1)], app=app)
        running = experiment(candidate, share=0.1)
        lifecycle.pause(running)
        live("New")
        for act in (lambda: lifecycle.start(draft), lambda: lifecycle.resume(running)):
            with pytest.raises(Conflict, match="is live by now"):
                act()

    def test_a_rolled_back_subject_stays_so_until_there_is_something_new(self, prompts):
        _, candidate = prompts
        subject = person()
        tell(subject, "One.")
        experiment(candidate)
        tell(subject, "Two.")
        restoring.roll_back(Subject.objects.get(pk=subject.pk), 1, reason="Rude", by="olga")
        assert "Candidate" not in shown(subject)
        tell(subject, "Three.")
        assert serving(subject) == candidate.recipe
        assert reconcile.account().faults == 0


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        ("changed", "where"),
        [
            ({"kind": "pet"}, "kind"),
            ({"mode": "loud"}, "mode"),
            ({"sample": 0.5, "mode": "shadow"}, "sample"),
            ({"sample": 1.5}, "sample"),
            ({"name": "a/b"}, "name"),
            ({"candidates": []}, "candidates"),
            ({"share": -0.1}, "candidates"),
            ({"share": True}, "candidates"),
            ({"guarded": [{"measure": "beauty", "limit": 1}]}, "guardrails"),
        ],
    )
    def test_it_is_refused_with_the_place_and_nothing_is_kept(self, prompts, changed, where):
        app = person().app
        asked = {"kind": "user", "name": "tone", "share": 0.1} | changed
        candidates = asked.pop("candidates", [Candidate(prompts[1], asked.pop("share"))])
        asked.pop("share", None)
        with pytest.raises(Invalid) as refusal:
            lifecycle.create(asked.pop("kind"), asked.pop("name"), candidates, app=app, **asked)
        assert refusal.value.where[0] == where
        assert not Experiment.objects.exists()
        assert not ExperimentAct.objects.exists()

    def test_a_candidate_is_another_version_of_the_kind_of_this_app_or_of_the_site(self, prompts):
        control, candidate = prompts
        app = person().app
        foreign, session = prompt("Foreign", app="elsewhere"), prompt("Session", kind="session")
        for versions in ([control], [foreign], [session], [candidate, candidate]):
            with pytest.raises(Invalid) as refusal:
                lifecycle.create("user", "tone", [Candidate(version) for version in versions], app=app)
            assert refusal.value.where[-1] == "version"
        with pytest.raises(Invalid):
            lifecycle.create("user", "tone", [Candidate(candidate)], app=None)
        eleven = [Candidate(prompt(f"Candidate {number}")) for number in range(11)]
        with pytest.raises(Invalid, match="1 to 10"):
            lifecycle.create("user", "tone", eleven, app=app)
        assert lifecycle.create("user", "tone", eleven[:10], app=app).arms.count() == 10

    def test_shares_do_not_overlap_and_what_was_one_arms_is_no_others(self, prompts):
        found = experiment(prompts[1], prompt("Other"), share=0.4)
        with pytest.raises(Invalid, match=r"At most 60.00% are left"):
            lifecycle.ramp(found, arm(found, 0), 0.7)
        lifecycle.ramp(found, arm(found, 0), 0.1)
        with pytest.raises(Invalid, match=r"At most 60.00% are left"):
            lifecycle.ramp(found, arm(found, 1), 0.7)
        assert [each.share for each in (arm(found, 0), arm(found, 1))] == [0.1, 0.4]

    def test_in_a_draft_nobody_has_been_anywhere(self, prompts):
        draft = lifecycle.create(
            "user", "tone", [Candidate(prompts[1], 0.9), Candidate(prompt("Other"))], app=person().app
        )
        lifecycle.ramp(draft, arm(draft, 0), 0.1)
        lifecycle.ramp(draft, arm(draft, 1), 0.9)
        assert [each.share for each in (arm(draft, 0), arm(draft, 1))] == [0.1, 0.9]

    def test_a_name_is_taken_once_in_an_app(self, prompts):
        found = experiment(prompts[1])
        with pytest.raises(Conflict, match="called 'tone' already"):
            lifecycle.create("user", "tone", [Candidate(prompts[1])], app=found.app)
        assert lifecycle.find(found.app, "tone") == lifecycle.find(found.app, found.public_id) == found
        with pytest.raises(NotFound):
            lifecycle.find(None, "tone")

    def test_an_arm_of_another_experiment_is_not_found(self, prompts):
        found = experiment(prompts[1])
        other = lifecycle.create("user", "other", [Candidate(prompts[1])], app=found.app)
        for act in (lifecycle.pause, lifecycle.resume):
            with pytest.raises(NotFound):
                act(found, arm(other))
        with pytest.raises(NotFound):
            lifecycle.ramp(found, arm(other), 0.5)

    @pytest.mark.parametrize("column", ["salt = 'x'", "mode = 'shadow'", "sample = 5", "started_at = now()"])
    def test_who_falls_where_is_settled_once_it_is_started(self, prompts, column):
        experiment(prompts[1])
        assert "refused" in refused(f"UPDATE reasoning_experiment SET {column}")


@concurrent
def test_what_is_begun_beside_while_an_experiment_is_paused_is_ended_by_that(prompts):
    """Whoever pauses waits for those who take in, and sees what they began."""
    found = experiment(prompts[1], mode=SHADOW)
    say("One.", user=person().user.name)
    begun = threading.Event()
    pausing: list[int] = []

    def take_in_slowly() -> None:
        with transaction.atomic():
            following.take_in()
            begun.set()
            waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = %s)"
            until(lambda: pausing and asked(waits, pausing), "whoever pauses waits")

    def pause() -> None:
        pausing.append(asked("SELECT pg_backend_pid()"))
        assert begun.wait(PATIENCE)
        lifecycle.pause(found)

    together(take_in_slowly, pause)
    assert Line.objects.filter(branch=found.public_id).count() == 1
    assert not Work.objects.filter(follows=True).exists()


def asked(sql: str, parameters: Sequence[Any] = ()) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


@concurrent
def test_a_drainer_serves_shadows_and_samples(prompts):
    """The whole way: a real drainer, with threads and connections of its own."""
    _, candidate = prompts
    found = experiment(candidate, share=0.5, sample=1.0)
    inside, outside = someone(found, arm(found)), someone(found, None)
    for subject in (inside, outside):
        say("One.", "Two.", user=subject.user.name)
    drain(FakeProvider(marked))
    assert (serving(inside), serving(outside)) == (candidate.recipe, found.control.recipe)
    assert statements(line(inside, found.control, found.public_id)) == ["Control: One.", "Control: Two."]
    assert reconcile.account().faults == 0


@concurrent
def test_two_ramps_at_once_give_no_bucket_to_two_arms(prompts):
    found = experiment(prompts[1], prompt("Other"), share=0.0)
    first, second = arm(found, 0), arm(found, 1)
    together(lambda: lifecycle.ramp(found, first, 0.5), lambda: lifecycle.ramp(found, second, 0.5))
    taken = [pair for each in Arm.objects.all() for pair in each.buckets]
    assert sorted(taken) == [[0, 5_000], [5_000, 10_000]]


def test_the_database_lets_only_one_run(prompts):
    found = experiment(prompts[1])
    other = lifecycle.create("user", "other", [Candidate(prompts[1])], app=found.app)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reasoning_experiment SET state = 'running', started_at = now() WHERE id = %s", [other.pk]
        )
