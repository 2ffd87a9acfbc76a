"""What each arm of an experiment did, in figures with their uncertainty.

What counts: ended passes that read events, of lines that the arm's prompt version is the recipe of, of subjects that
fall to the arm now, begun while the experiment went on. In *shadow* mode an arm's lines are those beside, and the
control serves everybody; in *serve* mode what is made beside, for comparison, is in no arm's figures.

The database sums up by subject; those sums are read one subject after the other and added up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count

from memory import clock, diffs, ids
from memory.models import Representation, Subject
from reasoning.experiments import pairwise, split
from reasoning.experiments.estimates import UNKNOWN, Z95, Estimate, Ratio, difference, wilson
from reasoning.models import Arm, Comparison, Experiment, PromptVersion
from reasoning.providers.base import OUTAGES


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

    def count(self, sums: dict[str, Any]) -> None:
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
class Figures:
    """What the arms of an experiment did from ``since`` up to ``until``; None where it has not begun."""

    experiment: Experiment
    since: datetime | None
    until: datetime
    subjects: int
    control: ArmFigures
    arms: list[ArmFigures]


def of(experiment: Experiment, *, versions: bool = True, compared: bool = True) -> Figures:
    """Return what the arms did. A fixed number of statements, and up to three for each of 200 subjects ``compared``.

    Without ``versions``, what must be read from those is left out, without ``compared``, what compares two of them.
    """
    arms = list(experiment.arms.select_related("version").order_by("pk"))
    found = {arm.pk: ArmFigures(arm, arm.version, arm.share) for arm in arms}
    control = ArmFigures(None, experiment.control, max(1.0 - sum(arm.share for arm in arms), 0.0))
    until = experiment.ended_at or clock.now()
    subjects = 0
    if experiment.started_at is not None:
        whose = _Whose(experiment, arms, found, control)
        with transaction.atomic():  # where rows are read one after the other
            subjects = _count_passes(whose, experiment.started_at, until, versions)
            _count_feedback(whose, experiment.started_at, until)
        _count_choices(experiment, found)
        if compared:
            for arm in arms:
                _compare(found[arm.pk], arm)
    return Figures(experiment, experiment.started_at, until, subjects, control, list(found.values()))


@dataclass(frozen=True)
class _Whose:
    """Tells whose a line is."""

    experiment: Experiment
    arms: list[Arm]
    found: dict[UUID, ArmFigures]
    control: ArmFigures

    def subject(self, subject_id: UUID) -> Arm | None:
        """Return the arm that a subject falls to, None for the control."""
        bucket = split.bucket_of(self.experiment.salt, subject_id)
        return next((arm for arm in self.arms if split.holds(arm.buckets, bucket)), None)

    def line(self, arm: Arm | None, recipe: str, branch: str) -> ArmFigures | None:
        """Return the figures in which a line of a subject of ``arm`` counts, None where it does in none."""
        beside = branch == self.experiment.public_id
        shadow = self.experiment.mode == Experiment.Mode.SHADOW
        if recipe == ids.encode(self.experiment.control_id):
            return self.control if not beside and (shadow or arm is None) else None
        if arm is not None and recipe == ids.encode(arm.version_id) and beside == shadow:
            return self.found[arm.pk]
        return None

    @property
    def recipes(self) -> list[str]:
        """The recipes of all lines that count."""
        return [ids.encode(pk) for pk in (self.experiment.control_id, *(arm.version_id for arm in self.arms))]


# The subjects for which an experiment counts: an app's, or those of apps with neither a label nor an experiment of
# their own.
_SCOPE = """
subject.kind = %(kind)s AND (subject.app_id = %(app)s OR %(app)s::uuid IS NULL
    AND subject.app_id NOT IN (
        SELECT app_id FROM reasoning_label WHERE app_id IS NOT NULL AND kind = %(kind)s AND name = 'live'
         UNION ALL
        SELECT app_id FROM reasoning_experiment
         WHERE app_id IS NOT NULL AND kind = %(kind)s AND state IN ('running', 'paused')))
"""

_MADE = """
LEFT JOIN LATERAL (
    SELECT (SELECT coalesce(sum(tokens), 0) FROM unnest(version.line_tokens) tokens) AS text_tokens,
           (SELECT count(*) FROM memory_span WHERE line_id = line.id AND since = version.number) AS added,
           (SELECT count(*) FROM memory_span WHERE line_id = line.id AND until = version.number) AS retired
      FROM memory_representation version WHERE version.id = pass.representation_id) made ON pass.outcome = 'published'
"""
_NOT_MADE = "CROSS JOIN (SELECT 0 AS text_tokens, 0 AS added, 0 AS retired) made"

# Outages say nothing of a prompt: what failed for one is no pass here. What such a pass may have cost counts.
_PASSES = """
SELECT line.subject_id, line.recipe, line.branch,
       count(*) FILTER (WHERE {ours}) AS passes,
       count(*) FILTER (WHERE {ours} AND pass.outcome = 'failed') AS failed,
       count(*) FILTER (WHERE {answered}) AS answers,
       count(*) FILTER (WHERE {answered} AND pass.error <> '') AS stopped,
       coalesce(sum(pass.covers_to - pass.covers_from) FILTER (WHERE pass.outcome = 'published'), 0) AS events,
       sum(pass.input_tokens) AS input_tokens, sum(pass.output_tokens) AS output_tokens,
       coalesce(sum(pass.cost), 0) AS cost,
       bool_or(pass.cost IS NULL AND pass.input_tokens + pass.output_tokens > 0) AS unpriced,
       coalesce(sum(extract(epoch FROM pass.ended_at - pass.started_at)) FILTER (WHERE {answered}), 0) AS seconds,
       count(*) FILTER (WHERE pass.outcome = 'published') AS versions,
       coalesce(sum(made.text_tokens), 0) AS text_tokens, coalesce(sum(made.added), 0) AS added,
       coalesce(sum(made.retired), 0) AS retired
  FROM reasoning_pass pass JOIN memory_line line ON line.id = pass.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id {made}
 WHERE pass.started_at >= %(since)s AND pass.started_at < %(until)s
   AND pass.outcome IN ('published', 'quarantined', 'failed') AND pass.task = 'read' AND pass.run_id IS NULL
   AND line.recipe = ANY(%(recipes)s) AND {scope}
 GROUP BY line.id ORDER BY line.subject_id
"""
_OURS = "NOT (pass.outcome = 'failed' AND pass.failure = ANY(%(outages)s))"
_ANSWERED = "pass.outcome IN ('published', 'quarantined')"

_FEEDBACK = """
SELECT line.subject_id, line.recipe, line.branch, count(*) AS count, sum(feedback.score) AS total
  FROM memory_feedback feedback JOIN memory_representation version ON version.id = feedback.representation_id
  JOIN memory_line line ON line.id = version.line_id JOIN memory_subject subject ON subject.id = line.subject_id
 WHERE feedback.created_at >= %(since)s AND feedback.created_at < %(until)s AND version.created_at >= %(since)s
   AND line.recipe = ANY(%(recipes)s) AND {scope}
 GROUP BY line.id ORDER BY line.subject_id
"""


def _count_passes(whose: _Whose, since: datetime, until: datetime, versions: bool) -> int:
    """Add up what the passes did; return of how many subjects."""
    statement = _PASSES.format(made=_MADE if versions else _NOT_MADE, ours=_OURS, answered=_ANSWERED, scope=_SCOPE)
    seen: Counter[UUID | None] = Counter()
    for subject_id, lines in groupby(_rows(statement, whose, since, until), itemgetter("subject_id")):
        arm = whose.subject(subject_id)
        counted: dict[int, tuple[ArmFigures, dict[str, Any]]] = {}
        for sums in lines:
            figures = whose.line(arm, sums["recipe"], sums["branch"])
            if figures is None:
                continue
            _, before = counted.setdefault(id(figures), (figures, {}))
            before.update({key: before.get(key, 0) + value for key, value in sums.items() if key not in _NAMES})
        for figures, sums in counted.values():
            figures.count(sums)
        if counted:
            seen[None if arm is None else arm.pk] += 1
    whose.control.split = wilson(seen[None], seen.total())
    for pk, figures in whose.found.items():
        figures.split = wilson(seen[pk], seen.total())
    return seen.total()


_NAMES = ("subject_id", "recipe", "branch")


def _count_feedback(whose: _Whose, since: datetime, until: datetime) -> None:
    for sums in _rows(_FEEDBACK.format(scope=_SCOPE), whose, since, until):
        figures = whose.line(whose.subject(sums["subject_id"]), sums["recipe"], sums["branch"])
        if figures is not None:
            figures.score(sums["count"], sums["total"])


def _rows(statement: str, whose: _Whose, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the rows of a statement one after the other: they are never all in memory. Numbers as floats or ints."""
    values: dict[str, Any] = {
        "since": since,
        "until": until,
        "kind": whose.experiment.kind,
        "app": whose.experiment.app_id,
        "recipes": whose.recipes,
        "outages": [str(failure) for failure in OUTAGES],
    }
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        columns: list[str] | None = None
        while rows := cursor.fetchmany(2_000):
            columns = columns or [column[0] for column in cursor.description]
            for row in rows:
                yield dict(zip(columns, map(_plain, row), strict=True))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | UUID | bool | int) else float(value)


def _count_choices(experiment: Experiment, found: dict[UUID, ArmFigures]) -> None:
    """Count who won the blind comparisons."""
    worth = {Comparison.Choice.CANDIDATE: 1.0, Comparison.Choice.TIE: 0.5, Comparison.Choice.CONTROL: 0.0}
    rows = Comparison.objects.filter(arm__experiment=experiment).values_list("arm", "choice").annotate(Count("pk"))
    for arm_id, choice, count in rows.order_by():
        found[arm_id].comparisons += count
        found[arm_id].won += worth[Comparison.Choice(choice)] * count


def _compare(figures: ArmFigures, arm: Arm) -> None:
    """Compare the statements of an arm with the control's, for subjects of whom both read the same."""
    pairs = pairwise.pairs(arm, MOST_COMPARED)
    subjects = Subject.objects.in_bulk([pair.subject_id for pair in pairs])
    versions = Representation.objects.in_bulk([pk for pair in pairs for pk in (pair.control_id, pair.candidate_id)])
    for pair in pairs:
        found = diffs.between(subjects[pair.subject_id], versions[pair.control_id], versions[pair.candidate_id])
        alike = 2 * (len(found.kept) + len(found.reworded))
        if statements := alike + len(found.added) + len(found.retired):
            figures.agree(statements, alike)
