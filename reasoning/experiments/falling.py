"""Who falls where: of the subjects that are there, how many each arm has, and some of them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import MD5, Cast

from memory.models import App, Subject
from reasoning import assignment
from reasoning.experiments import split
from reasoning.models import Arm, Experiment, Label, PromptVersion

LOOKED_AT = 10_000
"""So many of the newest subjects are looked at, and a salt is chosen by how evenly it splits them."""

EXAMPLES = 5

_OPEN = (Experiment.State.RUNNING, Experiment.State.PAUSED)


@dataclass
class Part:
    """What falls to one arm (None: to the control). ``target`` is the share that shall, ``sampled`` how many of its
    subjects have the control's versions made beside."""

    arm: Arm | None
    version: PromptVersion
    target: float
    count: int = 0
    sampled: int = 0
    examples: list[Subject] = field(default_factory=list)


@dataclass(frozen=True)
class Falls:
    """Who falls where, of the newest ``looked_at`` subjects; ``more`` says that there are others."""

    looked_at: int
    more: bool
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Moves:
    """How many of the subjects that were looked at a change would bring into an arm, and out of one."""

    looked_at: int
    into: int
    out: int


def concerned(kind: str, app: App | None) -> QuerySet[Subject]:
    """Return the subjects that an experiment of an app (None: of the site) counts for.

    The site's counts in no app that has a live prompt or an experiment of its own.
    """
    subjects = Subject.objects.filter(kind=kind)
    if app is not None:
        return subjects.filter(app=app)
    return subjects.exclude(Q(app__in=_with_a_prompt(kind)) | Q(app__in=_with_an_experiment(kind)))


def newest(kind: str, app: App | None, limit: int = LOOKED_AT) -> list[UUID]:
    """Return the newest subjects that an experiment counts for, as many as are looked at. One statement."""
    return list(concerned(kind, app).order_by("-pk").values_list("pk", flat=True)[:limit])


def by_chance(kind: str, app: App | None, limit: int) -> list[UUID]:
    """Return so many of the subjects that an experiment counts for, always the same ones. One statement."""
    chance = MD5(Cast("pk", TextField()))
    return list(concerned(kind, app).order_by(chance).values_list("pk", flat=True)[:limit])


def left_out(kind: str) -> QuerySet[App]:
    """Return the apps in which an experiment of the site does not count."""
    return App.objects.filter(Q(pk__in=_with_a_prompt(kind)) | Q(pk__in=_with_an_experiment(kind))).order_by("name")


def who(experiment: Experiment, arms: Sequence[Arm]) -> Falls:
    """Return who falls where; neither the experiment nor its arms need be kept. Two statements."""
    found = newest(experiment.kind, experiment.app, LOOKED_AT + 1)
    looked_at = found[:LOOKED_AT]
    control = Part(None, experiment.control, max(1.0 - sum(arm.share for arm in arms), 0.0))
    parts: dict[UUID | None, Part] = {None: control, **{arm.pk: Part(arm, arm.version, arm.share) for arm in arms}}
    named: dict[UUID, Part] = {}
    for subject_id in looked_at:
        arm = assignment.arm_of(arms, split.bucket_of(experiment.salt, subject_id))
        part = parts[None if arm is None else arm.pk]
        part.count += 1
        part.sampled += arm is not None and split.sampled(experiment.salt, subject_id, experiment.sample)
        if part.count <= EXAMPLES:
            named[subject_id] = part
    rows = Subject.objects.select_related("app", "user", "observer", "session", "project")
    for row in rows.filter(pk__in=named).order_by("-pk"):
        named[row.pk].examples.append(row)
    return Falls(len(looked_at), len(found) > LOOKED_AT, list(parts.values()))


def moves(experiment: Experiment, before: Sequence[Arm], after: Sequence[Arm]) -> Moves:
    """Return how many subjects would move if its arms were as they are ``after``. One statement."""
    looked_at = newest(experiment.kind, experiment.app)
    buckets = [split.bucket_of(experiment.salt, subject_id) for subject_id in looked_at]
    fell, fall = _counts_in(before), _counts_in(after)
    into = sum(fall(bucket) and not fell(bucket) for bucket in buckets)
    return Moves(len(looked_at), into, sum(fell(bucket) and not fall(bucket) for bucket in buckets))


def _counts_in(arms: Sequence[Arm]) -> Callable[[int], bool]:
    open_arms = [arm for arm in arms if not arm.paused]
    return lambda bucket: assignment.arm_of(open_arms, bucket) is not None


def _with_a_prompt(kind: str) -> QuerySet[Label, UUID | None]:
    return Label.objects.filter(kind=kind, name=Label.Name.LIVE, app__isnull=False).values_list("app", flat=True)


def _with_an_experiment(kind: str) -> QuerySet[Experiment, UUID | None]:
    found = Experiment.objects.filter(kind=kind, state__in=_OPEN, app__isnull=False)
    return found.values_list("app", flat=True)
