"""What each arm did: against sums made here by other means; and arms that are paused for what they did."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from statistics import fmean, stdev
from uuid import UUID, uuid4

import pytest
from django.db.models import F

from memory import clock, feedback, publishing
from memory.errors import Conflict, Invalid, NotFound
from memory.models import Event, Representation, Subject
from reasoning import chores, following, labels, passes, queue
from reasoning.experiments import guardrails, lifecycle, measures, pairwise, watch
from reasoning.experiments.estimates import Z95, wilson
from reasoning.experiments.guardrails import Guardrail
from reasoning.experiments.measures import ArmFigures, Figures
from reasoning.models import Comparison, Experiment, ExperimentAct, Pass, PromptVersion, Reprocess
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Retirement, Statement, Usage
from tests.loop.experiments import arm, experiment, live, marked, prompt, someone, tell
from tests.loop.helpers import AT_ONCE, completion, make_due, prepared
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture
def prompts(db):
    """The control, which is live, and a candidate."""
    return live("Control"), prompt("Candidate")


@dataclass
class Run:
    """One pass that was made, and what it took."""

    subject: Subject
    events: int
    tokens: int
    cost: Decimal
    seconds: float


def ran(
    subject: Subject, events: int, tokens: int = 100, cost: str = "0.01", seconds: float = 2.0, answer=marked
) -> Run:
    """One pass over new events, that took what is said."""
    said = Event.objects.count()
    say(*[f"Event {said + number}" for number in range(events)], user=subject.user.name, app=subject.app.name)
    following.take_in()
    make_due()
    for claim in queue.claim(10, "d1"):
        ready = prepared(claim)
        done = replace(completion(answer(ready.request)), usage=Usage(tokens, 20))
        passes.complete(ready, done)
        rows = Pass.objects.filter(pk=claim.token)
        rows.update(cost=Decimal(cost), ended_at=F("started_at") + timedelta(seconds=seconds))
    return Run(subject, events, tokens, Decimal(cost), seconds)


def failed(subject: Subject, failure: str, count: int = 1) -> None:
    """Passes of the line that serves which gave no answer."""
    line = Subject.objects.get(pk=subject.pk).line
    now = clock.now()
    Pass.objects.bulk_create(
        Pass(id=uuid4(), line=line, outcome="failed", failure=failure, started_at=now, ended_at=now)
        for _ in range(count)
    )


def ratio(runs: list[Run], above, below) -> tuple[float, float, float]:
    """A ratio of sums with its interval over subjects, by the textbook's residuals."""
    sums: dict[UUID, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for run in runs:
        sums[run.subject.pk][0] += below(run)
        sums[run.subject.pk][1] += float(above(run))
    x, y = zip(*sums.values(), strict=True)
    value = sum(y) / sum(x)
    residuals = [b - value * a for a, b in zip(x, y, strict=True)]
    half = Z95 * stdev(residuals) / math.sqrt(len(x)) / fmean(x)
    return value, value - half, value + half


def bounds(found) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def test_figures_are_the_sums_of_each_arms_passes(prompts):
    found = experiment(prompts[1], share=0.5)
    runs: dict[str, list[Run]] = {"control": [], "arm": []}
    for number in range(4):
        for name, falls_to in (("control", None), ("arm", arm(found))):
            subject = someone(found, falls_to)
            more = 3 if name == "arm" else 1
            for again in range(1 + number % 3):
                runs[name].append(
                    ran(subject, 1 + number % 2, more * (50 + 10 * number + again), f"0.0{number + 1}", more + number)
                )
    figures = measures.of(found)
    for name, one in (("control", figures.control), ("arm", figures.arms[0])):
        done = runs[name]
        assert one.passes == one.answers == len(done)
        assert one.events == sum(run.events for run in done)
        for measure, above, below in [
            ("input_tokens", lambda run: run.tokens, lambda run: run.events),
            ("output_tokens", lambda run: 20, lambda run: run.events),
            ("cost", lambda run: run.cost, lambda run: run.events),
            ("latency", lambda run: run.seconds, lambda run: 1),
            ("added", lambda run: run.events, lambda run: run.events),
            ("retired", lambda run: 0, lambda run: run.events),
        ]:
            assert bounds(one.estimate(measure)) == pytest.approx(ratio(done, above, below)), (name, measure)
            assert one.estimate(measure).n == 4
        assert one.estimate("failure_rate") == wilson(0, len(done))
        versions = Representation.objects.filter(subject__in=[run.subject.pk for run in done])
        text = sum(sum(version.line_tokens) for version in versions) / len(versions)
        assert one.estimate("text_length").value == pytest.approx(text)
    gained = figures.arms[0].against(figures.control, "input_tokens")
    own, base = (each.estimate("input_tokens") for each in (figures.arms[0], figures.control))
    assert gained.value == pytest.approx(own.value - base.value)
    assert gained.high - gained.value == pytest.approx(math.hypot(own.high - own.value, base.high - base.value))
    assert figures.subjects == 8
    assert figures.control.split == wilson(4, 8)
    assert (figures.control.target, figures.arms[0].target) == (0.5, 0.5)


def test_statements_that_are_retired_count_per_event(prompts):
    found = experiment(prompts[1])
    subject = person()

    def forgets(request: Request) -> Answer:
        gone = tuple(Retirement(item.number, "over") for item in request.known[:2])
        return replace(marked(request), retire=gone)

    ran(subject, 4)
    ran(subject, 4, answer=forgets)
    [figures] = measures.of(found).arms
    assert figures.estimate("retired").value == 2 / 8
    assert figures.estimate("added").value == 8 / 8


def test_failures_count_but_for_outages_and_for_workers_that_died(prompts):
    found = experiment(prompts[1])
    subject = person()
    ran(subject, 1)
    failed(subject, Failure.NONSENSE, 2)
    failed(subject, Failure.RATE_LIMITED, 5)
    failed(subject, Failure.TRANSIENT, 5)
    line = Subject.objects.get(pk=subject.pk).line
    now = clock.now()
    Pass.objects.create(id=uuid4(), line=line, outcome="abandoned", failure="lost_lease", ended_at=now)
    Pass.objects.create(id=uuid4(), line=line, outcome="running")
    [figures] = measures.of(found).arms
    assert figures.estimate("failure_rate") == wilson(2, 3)


def test_what_was_made_of_known_statements_or_for_a_reprocess_says_nothing_of_an_arm(prompts):
    found = experiment(prompts[1])
    for name in ("ana", "bo", "cleo"):
        ran(person(name), 1)
    Pass.objects.filter(line__subject=person("ana")).update(task="consolidate")
    run = Reprocess.objects.create(prompt_version=prompts[1], reason="Better")
    Pass.objects.filter(line__subject=person("bo")).update(run=run)
    assert measures.of(found).arms[0].passes == 1


def test_answers_that_a_gate_stopped_count_wholly_or_in_part(prompts):
    found = experiment(prompts[1])
    subject = person()

    def silent(request: Request) -> Answer:
        return Answer(add=(Statement("x", (99,)),))

    def secret(request: Request) -> Answer:
        told = Statement("Ana's password is hunter2-XK9#mm2Lq.", (1,))
        return replace(marked(request), add=(*marked(request).add, told))

    ran(subject, 1)
    ran(subject, 1, answer=secret)
    ran(subject, 1, answer=silent)
    assert list(Pass.objects.order_by("started_at").values_list("outcome", flat=True)) == [
        "published", "published", "quarantined"
    ]  # fmt: skip
    [figures] = measures.of(found).arms
    assert figures.estimate("gate_rejection_rate") == wilson(2, 3)
    assert figures.estimate("failure_rate") == wilson(0, 3)
    assert figures.events == 2


def test_money_is_unknown_where_one_call_had_no_price(prompts):
    found = experiment(prompts[1])
    ran(person("ana"), 1)
    assert measures.of(found).arms[0].estimate("cost").value == 0.01
    ran(person("bo"), 1)
    Pass.objects.filter(line__subject=person("bo")).update(cost=None)
    figures = measures.of(found).arms[0]
    assert figures.estimate("cost").value is None
    assert figures.estimate("input_tokens").value == 100


def test_only_what_was_begun_while_it_went_on_counts(prompts):
    early, late = person("ana"), person("bo")
    ran(early, 1)
    found = experiment(prompts[1])
    ran(early, 2)
    lifecycle.stop(found)
    found.refresh_from_db()
    ran(late, 3)
    figures = measures.of(found)
    assert (figures.arms[0].events, figures.control.events) == (2, 0)
    assert figures.until == found.ended_at


def test_what_a_subject_did_before_it_fell_elsewhere_is_in_no_arms_figures(prompts):
    found = experiment(prompts[1], share=0.0)
    subject = person()
    ran(subject, 1)
    assert measures.of(found).control.events == 1
    lifecycle.ramp(found, arm(found), 1.0)
    figures = measures.of(found)
    assert (figures.control.events, figures.arms[0].events, figures.subjects) == (0, 0, 0)


def test_a_sample_made_beside_is_in_no_arms_figures(prompts):
    found = experiment(prompts[1], sample=1.0)
    ran(person(), 3)
    figures = measures.of(found)
    assert (figures.control.passes, figures.arms[0].passes, figures.arms[0].events) == (0, 1, 3)
    lifecycle.ramp(found, arm(found), 0)
    assert measures.of(found).control.passes == 0, "nor in the control's, once its subject is the control's again"


def test_in_shadow_mode_an_arms_lines_are_those_beside_and_the_control_serves_everybody(prompts):
    found = experiment(prompts[1], mode="shadow", share=0.5)
    for number in range(3):
        ran(someone(found, None), 1 + number)
        ran(someone(found, arm(found)), 1 + number)
    figures = measures.of(found)
    assert (figures.control.passes, figures.control.events) == (6, 12)
    assert (figures.arms[0].passes, figures.arms[0].events) == (3, 6)
    assert figures.subjects == 6
    assert figures.arms[0].split == wilson(3, 6)


def test_other_apps_and_kinds_are_not_counted(prompts):
    site = prompt("Site", app=None)
    found = experiment(prompts[1], site, share=0.5)
    elsewhere = experiment(site, app=person("ana", "elsewhere").app.name, name="theirs")
    ran(person("ana", "elsewhere"), 5)
    assert measures.of(found).subjects == 0
    assert measures.of(elsewhere).arms[0].events == 5


def test_the_sites_figures_leave_out_apps_that_go_their_own_way(db):
    control, candidate = labels.pointed("live", None, "user"), prompt("Candidate", app=None)
    found = experiment(candidate, app=None, share=0.0)
    ran(person("ana", "one"), 2)
    ran(person("ana", "two"), 3)
    assert measures.of(found).control.events == 5
    live("Own", app="two")
    figures = measures.of(found)
    assert (figures.control.events, figures.control.version) == (2, control)


def test_feedback_counts_for_the_arm_whose_version_it_is_about(prompts):
    found = experiment(prompts[1], share=0.5)
    scores: dict[str, list[list[float]]] = {"control": [[1, -1], [0.5], [0]], "arm": [[1], [1, 0.5, 1], [-0.5]]}
    for name, falls_to in (("control", None), ("arm", arm(found))):
        for each in scores[name]:
            subject = someone(found, falls_to)
            tell(subject, "One.")
            for score in each:
                feedback.add(subject, 1, score)
    figures = measures.of(found)
    for name, one in (("control", figures.control), ("arm", figures.arms[0])):
        flat = [score for each in scores[name] for score in each]
        assert one.estimate("feedback").value == pytest.approx(fmean(flat))
        assert one.estimate("feedback").n == 3


def test_feedback_on_what_was_made_before_counts_for_nobody(prompts):
    subject = person()
    tell(subject, "One.")
    found = experiment(prompts[1], share=0.0)
    feedback.add(subject, 1, 1)
    assert measures.of(found).control.estimate("feedback").value is None


def test_periods_add_up_to_the_whole(prompts):
    found = experiment(prompts[1], share=0.5)
    subjects = [someone(found, arm(found)), someone(found, None)]
    for subject in subjects:
        for _ in range(3):
            ran(subject, 2)
    feedback.add(subjects[0], 1, 1)
    found = lifecycle.stop(found)
    lasted = found.ended_at - found.started_at
    for place, each in enumerate(list(Pass.objects.order_by("started_at"))):  # two in each third of the time
        Pass.objects.filter(pk=each.pk).update(started_at=found.started_at + lasted * (place + 0.5) / 6)
    parts = measures.of(found, periods=3)
    assert [sum(each.passes for each in period.arms.values()) for period in parts.periods] == [2, 2, 2]
    assert parts.periods[0].since == found.started_at
    for total, scores in ((parts.control, 0), (parts.arms[0], 1)):
        mine = [period.arms[total.version.pk] for period in parts.periods]
        assert total.passes == sum(each.passes for each in mine) == 3
        assert total.events == sum(each.events for each in mine) == 6
        assert total.estimate("feedback").n == sum(each.estimate("feedback").n for each in mine) == scores
    assert measures.of(found).periods == []


def test_of_more_subjects_than_one_wants_some_are_counted_by_chance_and_that_is_said(prompts):
    found = experiment(prompts[1])
    for number in range(3):
        ran(person(f"user-{number}"), 2)
    some = measures.of(found, most=2)
    assert (some.sampled, some.subjects, some.arms[0].passes, some.arms[0].events) == (True, 2, 2, 4)
    every = measures.of(found, most=3)
    assert (every.sampled, every.subjects, every.arms[0].events) == (False, 3, 6)


class TestPairs:
    @pytest.fixture
    def shadow(self, prompts):
        return experiment(prompts[1], mode="shadow")

    def test_a_pair_has_read_the_same_and_is_the_newest_of_its_subject(self, shadow):
        subject = person()
        tell(subject, "One.")
        tell(subject, "Two.")
        say("Three.")
        following.take_in()
        make_due()
        [claim] = queue.claim(1, "d1")  # the serving line alone reads on
        ready = prepared(claim)
        passes.complete(ready, completion(marked(ready.request)))
        [pair] = pairwise.pairs([arm(shadow)], 10)
        control, candidate = (Representation.objects.get(pk=pk) for pk in (pair.control_id, pair.candidate_id))
        assert (control.covers_to, candidate.covers_to) == (2, 2)
        assert (control.now, candidate.now) == ("Control", "Candidate")

    def test_the_sample_of_a_served_arm_makes_pairs_too(self, prompts):
        found = experiment(prompts[1], sample=1.0)
        tell(person(), "One.")
        [pair] = pairwise.pairs([arm(found)], 10)
        assert Representation.objects.get(pk=pair.control_id).now == "Control"
        assert Representation.objects.get(pk=pair.candidate_id).now == "Candidate"

    def test_a_reviewer_is_shown_each_pair_once_and_the_order_is_the_same_when_asked_again(self, shadow):
        for name in ("ana", "bo"):
            tell(person(name), "One.")
        seen = []
        while pair := pairwise.next_pair([arm(shadow)], "olga"):
            again = pairwise.next_pair([arm(shadow)], "olga")
            assert (pair.first, pair.second) == (again.first, again.second)
            seen.append(pair.subject_id)
            pairwise.choose([arm(shadow)], pair.subject_id, pair.covers_to, "tie", by="olga")
        assert len(seen) == len(set(seen)) == 2
        assert pairwise.next_pair([arm(shadow)], "bert") is not None
        tell(person("ana"), "Two.")
        assert pairwise.next_pair([arm(shadow)], "olga").covers_to == 2, "what is newer is another pair"

    def test_one_queue_goes_over_all_arms_and_names_the_one_that_a_pair_is_of(self, prompts):
        found = experiment(prompts[1], prompt("Other"), share=0.5, mode="shadow")
        arms = [arm(found, 0), arm(found, 1)]
        fallen = {someone(found, each): each for each in arms}
        for subject in fallen:
            tell(subject, "One.")
        assert {pair.subject_id: pair.arm_id for pair in pairwise.pairs(arms, 10)} == {
            subject.pk: each.pk for subject, each in fallen.items()
        }
        pair = pairwise.next_pair(arms, "olga")
        kept = pairwise.choose(arms, pair.subject_id, pair.covers_to, "first", by="olga")
        assert kept.arm_id == pair.arm_id
        assert pairwise.next_pair(arms, "olga").subject_id != pair.subject_id

    def test_a_pair_can_be_skipped_and_is_left(self, shadow):
        for name in ("ana", "bo", "cleo"):
            tell(person(name), "One.")
        first = pairwise.next_pair([arm(shadow)], "olga")
        second = pairwise.next_pair([arm(shadow)], "olga", after=first.subject_id)
        third = pairwise.next_pair([arm(shadow)], "olga", after=second.subject_id)
        assert len({pair.subject_id for pair in (first, second, third)}) == 3
        assert [pair.left for pair in (first, second, third)] == [3, 2, 1]
        assert pairwise.next_pair([arm(shadow)], "olga", after=third.subject_id) is None
        assert pairwise.next_pair([arm(shadow)], "olga").subject_id == first.subject_id

    @pytest.mark.parametrize("choice", pairwise.CHOICES)
    def test_whose_they_were_is_told_as_they_were_shown(self, shadow, choice):
        tell(person(), "One.")
        pair = pairwise.next_pair([arm(shadow)], "olga")
        told = pairwise.revealed(pairwise.choose([arm(shadow)], pair.subject_id, pair.covers_to, choice, by="olga"))
        assert (told.first.message, told.second.message) == (pair.first.now, pair.second.now)
        assert (told.choice, told.control.message) == (choice, "Control")

    def test_a_choice_means_what_was_shown(self, shadow):
        tell(person(), "One.")
        for reviewer in itertools.count():
            pair = pairwise.next_pair([arm(shadow)], f"reviewer {reviewer}")
            kept = pairwise.choose([arm(shadow)], pair.subject_id, pair.covers_to, "first", by=f"reviewer {reviewer}")
            assert {"Control": "control", "Candidate": "candidate"}[pair.first.now] == kept.choice
            if Comparison.objects.values("choice").distinct().count() == 2:
                return  # some are shown the one first, some the other

    def test_what_is_no_pair_or_was_judged_cannot_be(self, shadow):
        subject = person()
        tell(subject, "One.")
        with pytest.raises(NotFound):
            pairwise.choose([arm(shadow)], subject.pk, 7, "tie", by="olga")
        with pytest.raises(Invalid):
            pairwise.choose([arm(shadow)], subject.pk, 1, "both", by="olga")
        pairwise.choose([arm(shadow)], subject.pk, 1, "tie", by="olga")
        with pytest.raises(Conflict):
            pairwise.choose([arm(shadow)], subject.pk, 1, "first", by="olga")
        assert Comparison.objects.count() == 1

    def test_a_tie_is_half_a_win(self, shadow):
        for number in range(5):
            tell(person(f"user-{number}"), "One.")
        for number in range(5):
            pair = pairwise.next_pair([arm(shadow)], "olga")
            sides = {pair.first.now: "first", pair.second.now: "second"}
            choice = "tie" if number < 2 else sides["Candidate" if number < 4 else "Control"]
            pairwise.choose([arm(shadow)], pair.subject_id, pair.covers_to, choice, by="olga")
        assert measures.of(shadow).arms[0].estimate("win_rate") == wilson(2 + 2 * 0.5, 5)

    def test_arms_agree_in_statements_that_both_have_or_have_in_other_words(self, shadow):
        def says(request: Request) -> Answer:
            candidate = request.instructions.endswith("Candidate")
            other = "Ana plays the cello badly." if candidate else "Ana lives in Porto now."
            words = "Ana sails a small red boat." if candidate else "Ana sails a small red boat often."
            said = ("Ana sews.", words, other)
            return Answer(add=tuple(Statement(text, (1,)) for text in said), now="x")

        tell(person("ana"), "One.", answer=says)
        agreed = measures.of(shadow).arms[0].estimate("agreement")
        assert agreed.value == pytest.approx(4 / 6), "one kept and one reworded of three each"
        assert agreed.n == 1


def figures(arm_figures: ArmFigures, control: ArmFigures) -> Figures:
    return Figures(Experiment(), None, clock.now(), 0, control, [arm_figures])


def did(passes: int = 0, failed: int = 0, tokens: list[float] | None = None) -> ArmFigures:
    """An arm that made so many passes, and took so many tokens per event for each subject."""
    found = ArmFigures(None, PromptVersion(), 0.5, passes=passes, failed=failed)
    for each in tokens or []:
        found._ratio("input_tokens").add(1, each)
    return found


class TestBreach:
    RATE = Guardrail("failure_rate", 0.1)

    @pytest.mark.parametrize(
        ("passes", "failed", "breaches"),
        [(100, 10, False), (100, 18, False), (100, 30, True), (49, 49, False), (50, 50, True), (1_000, 150, True)],
    )
    def test_a_rate_breaches_where_chance_does_not_explain_it_and_enough_is_known(self, passes, failed, breaches):
        assert bool(guardrails.breach(figures(did(passes, failed), did()), did(passes, failed), self.RATE)) == breaches

    def test_a_ratio_to_the_control_counts_the_uncertainty_of_both(self):
        rail = Guardrail("input_tokens", 1.5, relative=True)
        near, far, vague = ([100 + wide * (-1) ** n for n in range(40)] for wide in (10, 10, 99))
        double = [2 * each for each in far]
        for control, breaches in ((near, True), (vague, False)):
            one = did(60, tokens=double)
            assert bool(guardrails.breach(figures(one, did(60, tokens=control)), one, rail)) == breaches
        assert not guardrails.breach(
            figures(did(60, tokens=double), did(49, tokens=near)), did(60, tokens=double), rail
        )

    def test_nobody_is_judged_by_few_subjects_however_many_passes_they_have(self):
        one = did(1_000, tokens=[500.0] * 9)
        assert not guardrails.breach(figures(one, did()), one, Guardrail("input_tokens", 100))
        one = did(1_000, tokens=[500.0] * 10)
        assert guardrails.breach(figures(one, did()), one, Guardrail("input_tokens", 100))

    def test_a_low_score_breaches_from_below(self):
        one = did(60)
        for _ in range(40):
            one.score(1, -0.5)
            one.score(1, -0.7)
        assert guardrails.breach(figures(one, did()), one, Guardrail("feedback", 0.0))
        assert not guardrails.breach(figures(one, did()), one, Guardrail("feedback", -0.9))

    def test_it_is_said_in_a_sentence(self):
        one = did(100, 30)
        said = guardrails.breach(figures(one, did()), one, self.RATE)
        assert said == (
            "failure_rate is 0.3 (share of passes; 0.175 to 0.4641 with 99.9 % certainty, after 100 passes): above the "
            "limit of 0.1."
        )
        assert "times the control's 0" in guardrails.breach(
            figures(one, did(100)), one, Guardrail("failure_rate", 2, relative=True)
        )

    @pytest.mark.parametrize(
        "given",
        [
            "cost",
            [5],
            [{}],
            [{"measure": "beauty", "limit": 1}],
            [{"measure": "agreement", "limit": 0.5}],
            [{"measure": ["cost"], "limit": 1}],
            [{"measure": "cost"}],
            [{"measure": "cost", "limit": "1"}],
            [{"measure": "cost", "limit": True}],
            [{"measure": "cost", "limit": math.inf}],
            [{"measure": "cost", "limit": math.nan}],
            [{"measure": "cost", "limit": 0, "relative": True}],
            [{"measure": "cost", "limit": 1, "relative": 1}],
            [{"measure": "feedback", "limit": 1, "relative": True}],
            [{"measure": "cost", "limit": 1, "least_passes": 0}],
            [{"measure": "cost", "limit": 1, "least_passes": 2.5}],
            [{"measure": "cost", "limit": 1, "most": 5}],
            [{"measure": "cost", "limit": 1}] * 21,
        ],
    )
    def test_what_can_be_no_limit_is_refused_with_the_place(self, given):
        with pytest.raises(Invalid) as refusal:
            guardrails.checked(given)
        assert refusal.value.where[0] == "guardrails"


class TestWatch:
    RAILS = [{"measure": "failure_rate", "limit": 0.2}]

    def test_an_arm_that_breaches_is_paused_with_the_reason_and_others_go_on(self, prompts):
        found = experiment(prompts[1], prompt("Other"), share=0.5, guarded=self.RAILS)
        bad, good = someone(found, arm(found, 0)), someone(found, arm(found, 1))
        for subject in (bad, good):
            ran(subject, 1)
        failed(bad, Failure.NONSENSE, 60)
        failed(good, Failure.QUOTA, 60)
        assert watch.pause_arms_that_breach() is True
        assert (arm(found, 0).paused, arm(found, 1).paused) == (True, False)
        act = ExperimentAct.objects.latest("pk")
        assert (act.act, act.by, act.arm) == ("pause", "guardrail", arm(found, 0))
        assert act.reason == arm(found, 0).paused_because
        assert "failure_rate is 0.9836" in act.reason
        assert watch.pause_arms_that_breach() is False, "it is paused once"

    def test_nothing_that_does_not_run_or_breaches_nothing_is_touched(self, prompts):
        found = experiment(prompts[1], guarded=self.RAILS)
        subject = person()
        ran(subject, 1)
        assert watch.pause_arms_that_breach() is False
        failed(subject, Failure.NONSENSE, 60)
        lifecycle.pause(found)
        assert watch.pause_arms_that_breach() is False
        assert not arm(found).paused

    def test_without_guardrails_nothing_is_asked_of_the_database_but_that(self, prompts, django_assert_num_queries):
        experiment(prompts[1])
        with django_assert_num_queries(1):
            watch.pause_arms_that_breach()

    def test_drainers_do_it(self):
        assert watch.pause_arms_that_breach in [chore.run for chore in chores.everything()]

    def test_measures_that_need_the_versions_are_seen_to_as_well(self, prompts):
        found = experiment(prompts[1], guarded=[{"measure": "added", "limit": 0.1, "least_passes": 10}])
        for number in range(10):
            ran(person(f"user-{number}"), 1)
        assert watch.pause_arms_that_breach() is True
        assert "added is 1 (statements per event;" in arm(found).paused_because


def test_a_real_failure_is_a_failed_pass(prompts):
    found = experiment(prompts[1])
    say("One.", user=person().user.name)
    following.take_in()
    make_due()
    [claim] = queue.claim(1, "d1")
    ready = prepared(claim)
    passes.fail(claim, ProviderError(Failure.NONSENSE, "no JSON", usage=Usage(70, 5)), ready)
    [one] = measures.of(found).arms
    assert (one.passes, one.failed, one.events) == (1, 1, 0)
    assert one.estimate("input_tokens").value is None, "nothing was read yet"
    ran(person(), 1)
    figures = measures.of(found).arms[0]
    assert (figures.events, figures.estimate("input_tokens").value) == (1, 170), "what came to nothing was paid for"


def test_a_correction_or_a_version_made_otherwise_is_no_pass(prompts):
    found = experiment(prompts[1])
    subject = person()
    ran(subject, 1)
    subject.refresh_from_db()
    publishing.quarantine(
        subject.line_id, publishing.Draft(parent_id=subject.line.head_id, covers_from=1, covers_to=1), "x"
    )
    assert measures.of(found).arms[0].answers == 1
