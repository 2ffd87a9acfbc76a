"""Who falls where: counted of those who are there, and only of those whom an experiment concerns."""

from __future__ import annotations

import pytest

from memory import tenants
from memory.models import Audit, Subject
from reasoning import assignment
from reasoning.experiments import falling, lifecycle, split
from reasoning.experiments.lifecycle import Candidate
from reasoning.models import Arm, Experiment
from tests.loop.experiments import APP, arm, experiment, live, prompt, someone
from tests.store.helpers import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def prompts():
    """The control, which is live, and a candidate."""
    return live("Control"), prompt("Candidate")


def drafted(*candidates, share=0.5, **how):
    tried = [Candidate(version, share) for version in candidates]
    return lifecycle.drafted("user", "tone", tried, app=tenants.find_app(APP), **how)


def test_everybody_falls_to_one_part_as_they_are_assigned(prompts):
    found = experiment(prompts[1], share=0.5, sample=0.5)
    people = [person(f"user-{number}", APP) for number in range(12)]
    [control, candidate] = falling.who(found, list(found.arms.all())).parts
    buckets = {subject: split.bucket_of(found.salt, subject.pk) for subject in people}
    inside = [subject for subject, bucket in buckets.items() if assignment.arm_of([arm(found)], bucket)]
    assert (control.count, candidate.count) == (len(people) - len(inside), len(inside))
    assert candidate.sampled == sum(split.sampled(found.salt, subject.pk, found.sample) for subject in inside)
    assert control.sampled == 0
    assert set(candidate.examples) <= set(inside)
    assert len(candidate.examples) == min(len(inside), falling.EXAMPLES)


def test_a_draft_falls_as_what_is_made_of_it_and_keeps_nothing(prompts):
    for number in range(12):
        person(f"user-{number}", APP)
    kept, arms = drafted(prompts[1])
    assert not Experiment.objects.exists()
    assert not Arm.objects.exists()
    made = lifecycle.create("user", "tone", [Candidate(prompts[1], 0.5)], app=tenants.find_app(APP), salt=kept.salt)
    assert falling.who(kept, arms).parts[1].examples == falling.who(made, list(made.arms.all())).parts[1].examples


def test_more_than_are_looked_at_are_said_to_be_there(prompts, monkeypatch):
    monkeypatch.setattr(falling, "LOOKED_AT", 2)
    for number in range(3):
        person(f"user-{number}", APP)
    falls = falling.who(*drafted(prompts[1]))
    assert (falls.looked_at, falls.more) == (2, True)


def test_the_sites_concerns_no_app_with_a_prompt_or_an_experiment_of_its_own(db):
    candidate = prompt("For all", None)
    for app in ("plain", "prompted", "trying"):
        person("ana", app)
    live("Own", "prompted")
    experiment(candidate, app="trying")
    assert [subject.app.name for subject in falling.concerned("user", None)] == ["plain"]
    assert [app.name for app in falling.left_out("user")] == ["prompted", "trying"]
    assert falling.left_out("session").count() == 0


def test_who_moves_is_counted_in_both_ways(prompts):
    found = experiment(prompts[1], prompt("Other"), share=0.5)
    one, other = arm(found, 0), arm(found, 1)
    for place in (one, one, other):
        someone(found, place)
    everybody = Subject.objects.filter(app=found.app)
    ones = sum(assignment.arm_of([one], split.bucket_of(found.salt, subject.pk)) is not None for subject in everybody)
    count = len(everybody)
    assert 0 < ones < count
    assert falling.moves(found, [one, other], [other]) == falling.Moves(count, 0, ones)
    assert falling.moves(found, [other], [one, other]) == falling.Moves(count, ones, 0)
    paused = arm(found, 1)
    paused.paused = True
    assert falling.moves(found, [one, other], [one, paused]) == falling.Moves(count, 0, count - ones)


def test_each_act_is_audited_with_the_shares(prompts):
    found = experiment(prompts[1], share=0.5)
    one = arm(found)
    lifecycle.ramp(found, one, 0.25, by="olga", reason="Too many")
    kept = Audit.objects.get(act="ramp experiment")
    assert (kept.object_id, kept.app_id, kept.by, kept.reason) == (str(found.pk), found.app_id, "olga", "Too many")
    assert kept.before == {"shares": {one.public_id: 0.5}}
    assert kept.after == {"arm": "user-2", "state": "running", "shares": {one.public_id: 0.25}}
    assert set(Audit.objects.filter(object_id=found.pk).values_list("act", flat=True)) == {
        "create experiment", "start experiment", "ramp experiment",
    }  # fmt: skip
