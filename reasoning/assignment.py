"""Which prompt version a subject falls to, and what is made beside what it is served."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from memory import ids
from memory.models import Subject
from reasoning import labels
from reasoning.experiments import split
from reasoning.models import Arm, Experiment, PromptVersion


@dataclass(frozen=True, slots=True)
class Beside:
    """A line that reads a subject's new events and serves nobody: by which recipe, and the name of its branch."""

    recipe: str
    branch: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """By which recipe a subject is served from its next events on, and what reads them beside, if anything does."""

    recipe: str
    beside: Beside | None = None


def recipes(subjects: Collection[Subject]) -> dict[UUID, str]:
    """Return by subject the recipe of the line that serves it from now on. A fixed number of statements."""
    return {pk: found.recipe for pk, found in _assigned(subjects, "").items()}


def assigned(subjects: Collection[Subject]) -> dict[UUID, Assigned]:
    """Return by subject what it falls to. A fixed number of statements.

    Until the transaction ends no experiment changes on which that rests: what ends one ends all that was begun for it.
    """
    return _assigned(subjects, "FOR SHARE")


def arm_of(arms: Sequence[Arm], bucket: int) -> Arm | None:
    """Return the arm that has a bucket, None where it is the control's."""
    return next((arm for arm in arms if split.holds(arm.buckets, bucket)), None)


def _assigned(subjects: Collection[Subject], lock: str) -> dict[UUID, Assigned]:
    apps: dict[str, set[UUID]] = {}
    for subject in subjects:
        apps.setdefault(subject.kind, set()).add(subject.app_id)
    live = {kind: labels.live_of(app_ids, kind) for kind, app_ids in apps.items()}
    experiments = _open_experiments(apps, lock)
    arms: dict[UUID, list[Arm]] = {experiment.pk: [] for experiment in experiments.values()}
    if arms:
        for arm in Arm.objects.filter(experiment__in=arms):
            arms[arm.experiment_id].append(arm)
    found = {}
    for subject in subjects:
        version = live[subject.kind][subject.app_id]
        experiment = experiments.get((subject.kind, subject.app_id))
        if experiment is None and version.app_id is None:
            experiment = experiments.get((subject.kind, None))
        if experiment is None:
            found[subject.pk] = Assigned(version.recipe)
        else:
            found[subject.pk] = _in(experiment, arms[experiment.pk], subject.pk, version)
    return found


# Open ones, running or not: an app whose own experiment is paused does not fall to the site's.
_OPEN = """
SELECT * FROM reasoning_experiment
 WHERE state IN ('running', 'paused') AND kind = ANY(%s) AND (app_id IS NULL OR app_id = ANY(%s)) ORDER BY id {lock}
"""


def _open_experiments(apps: Mapping[str, set[UUID]], lock: str) -> dict[tuple[str, UUID | None], Experiment]:
    """Return the experiments that are begun and not ended, by kind and app (None: the site)."""
    everywhere = sorted({app_id for app_ids in apps.values() for app_id in app_ids})
    rows = Experiment.objects.raw(_OPEN.format(lock=lock), [list(apps), everywhere])
    return {(row.kind, row.app_id): row for row in rows}


def _in(experiment: Experiment, arms: Sequence[Arm], subject_id: UUID, live: PromptVersion) -> Assigned:
    """Return what a subject falls to by an experiment that counts for it."""
    arm = arm_of(arms, split.bucket_of(experiment.salt, subject_id))
    if arm is None or arm.paused or experiment.state != Experiment.State.RUNNING:
        return Assigned(live.recipe)
    candidate, branch = ids.encode(arm.version_id), experiment.public_id
    if experiment.mode == Experiment.Mode.SHADOW:
        return Assigned(live.recipe, Beside(candidate, branch))
    sampled = split.sampled(experiment.salt, subject_id, experiment.sample)
    return Assigned(candidate, Beside(ids.encode(experiment.control_id), branch) if sampled else None)
