"""Where prompt versions are at work: the labels that point at them, and what tries them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Prefetch, QuerySet, prefetch_related_objects

from reasoning.models import Arm, Experiment, Label, PromptVersion, Reprocess

_GOING_ON = [Experiment.State.RUNNING, Experiment.State.PAUSED]
_OPEN = [Reprocess.State.RUNNING, Reprocess.State.PAUSED, Reprocess.State.DONE]


@dataclass(frozen=True, slots=True)
class Place:
    """One place: how the version stands there (``live``, ``candidate``, ``previous``, ``tried``, ``control``, ``run``),
    in which experiment or run (``where``), and for which share of the subjects where it is tried."""

    how: str
    where: Model | None = None
    share: float | None = None


def with_places(rows: QuerySet[PromptVersion]) -> QuerySet[PromptVersion]:
    """Return the versions with what :func:`of` needs. Four more statements, however many versions there are."""
    return rows.prefetch_related(*_parts())


def look_up(versions: Sequence[PromptVersion]) -> None:
    """Read what :func:`of` needs of versions that are there already. At most four statements."""
    prefetch_related_objects(list(versions), *_parts())


def of(version: PromptVersion) -> list[Place]:
    """Return where a version of :func:`with_places` or :func:`look_up` is at work; what serves comes first."""
    found: Any = version
    order = list(Label.Name.values)
    labels = sorted((label.name for label in version.labels.all()), key=order.index)
    return [
        *(Place(name) for name in labels),
        *(Place("tried", arm.experiment, arm.share) for arm in found.open_arms),
        *(Place("control", experiment) for experiment in found.open_controls),
        *(Place("run", run) for run in found.open_runs),
    ]


def _parts() -> list[str | Prefetch[Any]]:
    arms = Arm.objects.filter(experiment__state__in=_GOING_ON).select_related("experiment")
    controls = Experiment.objects.filter(state__in=_GOING_ON)
    runs = Reprocess.objects.filter(state__in=_OPEN).defer("estimate", "subjects").order_by("pk")
    return [
        "labels",
        Prefetch("arms", arms, to_attr="open_arms"),
        Prefetch("controls", controls, to_attr="open_controls"),
        Prefetch("reprocesses", runs, to_attr="open_runs"),
    ]
