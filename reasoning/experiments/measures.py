"""What each arm of an experiment did, in figures with their uncertainty.

What counts: ended passes that read events, of lines that the arm's prompt version is the recipe of, of subjects that
fall to the arm now, begun while the experiment went on. In *shadow* mode an arm's lines are those beside, and the
control serves everybody; in *serve* mode what is made beside, for comparison, is in no arm's figures.

The database sums up by subject (and by period, for a chart); those sums are read one subject after the other and added
up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from memory import clock, diffs
from memory.models import Representation
from reasoning.experiments import counting, falling, pairwise
from reasoning.experiments.counting import Scope, Sums
from reasoning.experiments.estimates import UNKNOWN, Z95, Estimate, Ratio, difference, wilson
from reasoning.models import Arm, Comparison, Experiment, PromptVersion


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: what it is, in which unit, and over which things its interval is taken.

    ``lower_is_worse`` says on which side of a limit a breach lies, ``relative`` whether a ratio to the control's makes
    sense.
    """

    title: str
    unit: str
    over: str
    lower_is_worse: bool = False
    relative: bool = True


MEASURES = {
    "failure_rate": Measure("Passes that failed, outages of the provider aside", "share of passes", "passes"),
    "gate_rejection_rate": Measure("Answers that a gate stopped, wholly or in part", "share of answers", "answers"),
    "input_tokens": Measure("Tokens that were asked with", "tokens per event", "subjects"),
    "output_tokens": Measure("Tokens that were answered with", "tokens per event", "subjects"),
    "cost": Measure("Money", "currency of the prices, per event", "subjects"),
    "latency": Measure("From the claim of a pass to its answer's publication", "seconds per answer", "subjects"),
    "text_length": Measure("Length of the published text", "tokens per version", "subjects"),
    "added": Measure("Statements added", "statements per event", "subjects"),
    "retired": Measure("Statements retired", "statements per event", "subjects"),
    "feedback": Measure("Feedback", "score from -1 to 1", "subjects", lower_is_worse=True, relative=False),
    "win_rate": Measure(
        "Blind comparisons with the control that it won", "share of comparisons, a tie for half", "comparisons",
        lower_is_worse=True, relative=False,
    ),
    "agreement": Measure(
        "Statements that stand in the control's version too, or in other words", "share of statements", "subjects",
        lower_is_worse=True, relative=False,
    ),
}  # fmt: skip
"""Everything that is measured, by name."""

COMPARED = ("win_rate", "agreement")
"""Measures that compare with the control already: it has none of its own."""

OF_VERSIONS = ("text_length", "added", "retired")
"""Measures for which the versions themselves must be read."""

MOST_COMPARED = 200
"""Of how many subjects two arms' statements are compared at most."""

_RATIOS = {
    "input_tokens": ("events", "input_tokens"),
    "output_tokens": ("events", "output_tokens"),
    "cost": ("events", "cost"),
    "latency": ("answers", "seconds"),
    "text_length": ("versions", "text_tokens"),
    "added": ("events", "added"),
    "retired": ("events", "retired"),
}
"""Which sum is divided by which, (below, above)."""


@dataclass
class ArmFigures:
    """What one arm did; ``arm`` is None for the control. ``target`` is the share of subjects that shall fall to it."""

    arm: Arm | None
    version: PromptVersion
    target: float
    split: Estimate = UNKNOWN
    passes: int = 0
    failed: int = 0
    answers: int = 0
    stopped: int = 0
    events: int = 0
    unpriced: bool = False
    won: float = 0.0
    comparisons: int = 0
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def estimate(self, name: str, z: float = Z95) -> Estimate:
        """Return a measure with its interval; unknown money where a call had no price."""
        if name == "failure_rate":
            return wilson(self.failed, self.passes, z)
        if name == "gate_rejection_rate":
            return wilson(self.stopped, self.answers, z)
        if name == "win_rate":
            return wilson(self.won, self.comparisons, z)
        if name == "cost" and self.unpriced:
            return UNKNOWN
        return self._ratio(name).estimate(z)

    def against(self, control: ArmFigures, name: str, z: float = Z95) -> Estimate:
        """Return how much more a measure is than the control's."""
        return UNKNOWN if name in COMPARED else difference(self.estimate(name, z), control.estimate(name, z))

    def count(self, sums: Sums) -> None:
        """Count what one subject's lines did."""
        self.passes += sums["passes"]
        self.failed += sums["failed"]
        self.answers += sums["answers"]
        self.stopped += sums["stopped"]
        self.events += int(sums["events"])
        self.unpriced |= bool(sums["unpriced"])
        for name, (below, above) in _RATIOS.items():
            if sums[below] or sums[above]:
                self._ratio(name).add(sums[below], sums[above])

    def score(self, count: int, total: float) -> None:
        """Count one subject's feedback."""
        self._ratio("feedback").add(count, total)

    def agree(self, statements: int, alike: int) -> None:
        """Count how many of the statements of both arms about one subject stand in both."""
        self._ratio("agreement").add(statements, alike)

    def _ratio(self, name: str) -> Ratio:
        return self.ratios.setdefault(name, Ratio())


@dataclass(frozen=True)
class Period:
    """What the arms did in a part of the time, by prompt version."""

    since: datetime
    until: datetime
    arms: dict[UUID, ArmFigures]


@dataclass(frozen=True)
class Figures:
    """What the arms of an experiment did from ``since`` up to ``until``; None where it has not begun.

    ``periods`` are equal parts of that time, oldest first, as many as were asked for. ``sampled`` says that not all
    subjects were counted.
    """

    experiment: Experiment
    since: datetime | None
    until: datetime
    subjects: int
    control: ArmFigures
    arms: list[ArmFigures]
    periods: list[Period] = field(default_factory=list)
    sampled: bool = False


def of(
    experiment: Experiment,
    *,
    versions: bool = True,
    compared: int = MOST_COMPARED,
    periods: int = 0,
    most: int | None = None,
) -> Figures:
    """Return what the arms did. A fixed number of statements for each arm.

    Without ``versions``, what must be read from those is left out. ``compared`` is of how many subjects at most two
    arms' statements are compared, ``periods`` into how many parts the time is divided beside. Of more than ``most``
    subjects, so many are chosen by chance, and all figures are of those (but for blind comparisons).
    """
    arms = list(experiment.arms.select_related("version").order_by("pk"))
    since, until = experiment.started_at, experiment.ended_at or clock.now()
    whole, control = _figures(experiment, arms)
    parts: list[Period] = []
    subjects, sampled = 0, False
    if since is not None:
        parts = _parts(experiment, arms, since, until, periods)
        only = None if most is None else _by_chance(experiment, most)
        scope = Scope(experiment, arms, since, until, only)
        sampled = only is not None
        with transaction.atomic():  # where rows are read one after the other
            subjects = _count_passes(scope, whole, parts, versions)
            _count_feedback(scope, whole, parts)
        found = {figures.arm.pk: figures for figures in whole.values() if figures.arm is not None}
        _count_choices(experiment, found)
        if compared:
            for arm in arms:
                _compare(found[arm.pk], arm, compared)
    return Figures(experiment, since, until, subjects, control, [whole[arm.version_id] for arm in arms], parts, sampled)


def _by_chance(experiment: Experiment, most: int) -> list[UUID] | None:
    """Return so many subjects, chosen by chance; None where there are no more than those."""
    chosen = falling.by_chance(experiment.kind, experiment.app, most + 1)
    return chosen[:most] if len(chosen) > most else None


def _figures(experiment: Experiment, arms: list[Arm]) -> tuple[dict[UUID, ArmFigures], ArmFigures]:
    """Return figures in which nothing is counted yet: of all by prompt version, and the control's."""
    control = ArmFigures(None, experiment.control, max(1.0 - sum(arm.share for arm in arms), 0.0))
    candidates = {arm.version_id: ArmFigures(arm, arm.version, arm.share) for arm in arms}
    return {experiment.control_id: control, **candidates}, control


def _parts(experiment: Experiment, arms: list[Arm], since: datetime, until: datetime, count: int) -> list[Period]:
    length = (until - since) / max(count, 1)
    return [
        Period(since + place * length, since + (place + 1) * length, _figures(experiment, arms)[0])
        for place in range(count)
    ]


def _count_passes(scope: Scope, whole: dict[UUID, ArmFigures], parts: list[Period], versions: bool) -> int:
    """Add up what the passes did; return of how many subjects."""
    seen: Counter[UUID] = Counter()
    for falls_to, by_version in counting.passes(scope, max(len(parts), 1), versions):
        for version, by_period in by_version.items():
            whole[version].count(counting.added_up(by_period.values()))
            for period, sums in by_period.items() if parts else ():
                parts[period].arms[version].count(sums)
        seen[falls_to] += 1
    for version, figures in whole.items():
        figures.split = wilson(seen[version], seen.total())
    return seen.total()


def _count_feedback(scope: Scope, whole: dict[UUID, ArmFigures], parts: list[Period]) -> None:
    for _, by_version in counting.feedback(scope, max(len(parts), 1)):
        for version, by_period in by_version.items():
            total = counting.added_up(by_period.values())
            whole[version].score(total["count"], total["total"])
            for period, sums in by_period.items() if parts else ():
                parts[period].arms[version].score(sums["count"], sums["total"])


def _count_choices(experiment: Experiment, found: dict[UUID, ArmFigures]) -> None:
    """Count who won the blind comparisons."""
    worth = {Comparison.Choice.CANDIDATE: 1.0, Comparison.Choice.TIE: 0.5, Comparison.Choice.CONTROL: 0.0}
    rows = Comparison.objects.filter(arm__experiment=experiment).values_list("arm", "choice").annotate(Count("pk"))
    for arm_id, choice, count in rows.order_by():
        found[arm_id].comparisons += count
        found[arm_id].won += worth[Comparison.Choice(choice)] * count


def _compare(figures: ArmFigures, arm: Arm, most: int) -> None:
    """Compare the statements of an arm with the control's, for subjects of whom both read the same."""
    pairs = pairwise.pairs([arm], most)
    rows = Representation.objects.defer("text", "line_tokens", "draft")
    versions = rows.in_bulk([pk for pair in pairs for pk in (pair.control_id, pair.candidate_id)])
    for statements, alike in diffs.in_common(
        [(versions[pair.control_id], versions[pair.candidate_id]) for pair in pairs]
    ):
        if statements:
            figures.agree(statements, alike)
