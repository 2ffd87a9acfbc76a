"""The sums behind the measures, read from the database: of each subject's lines, by prompt version and period.

What counts, ``reasoning.experiments.measures`` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection

from memory import ids
from reasoning.experiments import split
from reasoning.models import Arm, Experiment
from reasoning.providers.base import OUTAGES

Sums = dict[str, Any]
"""Numbers by name."""

ByVersion = dict[UUID, dict[int, Sums]]
"""A subject's sums by prompt version and period, counted from 0."""


@dataclass(frozen=True)
class Scope:
    """What is counted: an experiment with its arms, the time, and ``only`` these subjects (None: all)."""

    experiment: Experiment
    arms: list[Arm]
    since: datetime
    until: datetime
    only: list[UUID] | None = None

    def falls_to(self, subject_id: UUID) -> UUID:
        """Return the prompt version that a subject falls to."""
        bucket = split.bucket_of(self.experiment.salt, subject_id)
        arm = next((arm for arm in self.arms if split.holds(arm.buckets, bucket)), None)
        return self.experiment.control_id if arm is None else arm.version_id

    def counts_for(self, falls_to: UUID, recipe: str, branch: str) -> UUID | None:
        """Return in whose figures, by prompt version, a line of a subject counts; None where it does in none."""
        beside = branch == self.experiment.public_id
        shadow = self.experiment.mode == Experiment.Mode.SHADOW
        control = self.experiment.control_id
        if recipe == self.recipes[control]:
            return control if not beside and (shadow or falls_to == control) else None
        return falls_to if recipe == self.recipes[falls_to] and beside == shadow else None

    @cached_property
    def recipes(self) -> dict[UUID, str]:
        """The recipes of all lines that count, by prompt version."""
        return {pk: ids.encode(pk) for pk in (self.experiment.control_id, *(arm.version_id for arm in self.arms))}


# The subjects for which an experiment counts: an app's, or those of apps with neither a label nor an experiment of
# their own.
_SCOPE = """
subject.kind = %(kind)s AND (subject.app_id = %(app)s OR %(app)s::uuid IS NULL
    AND subject.app_id NOT IN (
        SELECT app_id FROM reasoning_label WHERE app_id IS NOT NULL AND kind = %(kind)s AND name = 'live'
         UNION ALL
        SELECT app_id FROM reasoning_experiment
         WHERE app_id IS NOT NULL AND kind = %(kind)s AND state IN ('running', 'paused')))
AND (%(only)s::uuid[] IS NULL OR subject.id = ANY(%(only)s::uuid[]))
"""

_PERIOD = """
(width_bucket(extract(epoch FROM {at}), extract(epoch FROM %(since)s::timestamptz),
              extract(epoch FROM %(until)s::timestamptz), %(periods)s) - 1)
"""

MADE = """
LEFT JOIN LATERAL (
    SELECT (SELECT coalesce(sum(tokens), 0) FROM unnest(version.line_tokens) tokens) AS text_tokens,
           (SELECT count(*) FROM memory_span WHERE line_id = line.id AND since = version.number) AS added,
           (SELECT count(*) FROM memory_span WHERE line_id = line.id AND until = version.number) AS retired
      FROM memory_representation version WHERE version.id = pass.representation_id) made ON pass.outcome = 'published'
"""
_NOT_MADE = "CROSS JOIN (SELECT 0 AS text_tokens, 0 AS added, 0 AS retired) made"

# Outages say nothing of a prompt: what failed for one is no pass here. What such a pass may have cost counts.
_OURS = "NOT (pass.outcome = 'failed' AND pass.failure = ANY(%(outages)s))"
_ANSWERED = "pass.outcome IN ('published', 'quarantined')"

SUMS = f"""
       count(*) FILTER (WHERE {_OURS}) AS passes,
       count(*) FILTER (WHERE {_OURS} AND pass.outcome = 'failed') AS failed,
       count(*) FILTER (WHERE {_ANSWERED}) AS answers,
       count(*) FILTER (WHERE {_ANSWERED} AND pass.error <> '') AS stopped,
       coalesce(sum(pass.covers_to - pass.covers_from) FILTER (WHERE pass.outcome = 'published'), 0)::float8
           AS events,
       sum(pass.input_tokens) AS input_tokens, sum(pass.output_tokens) AS output_tokens,
       coalesce(sum(pass.cost), 0)::float8 AS cost,
       bool_or(pass.cost IS NULL AND pass.input_tokens + pass.output_tokens > 0) AS unpriced,
       coalesce(sum(extract(epoch FROM pass.ended_at - pass.started_at)) FILTER (WHERE {_ANSWERED}), 0)::float8
           AS seconds,
       count(*) FILTER (WHERE pass.outcome = 'published') AS versions,
       coalesce(sum(made.text_tokens), 0)::float8 AS text_tokens,
       coalesce(sum(made.added), 0)::float8 AS added, coalesce(sum(made.retired), 0)::float8 AS retired
"""
"""The columns that figures are made of, for passes (``pass``) of lines (``line``) joined with ``MADE``."""

_ALL = """
reasoning_pass pass JOIN memory_line line ON line.id = pass.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id
"""

# Of some subjects: by the indexes, however the planner thinks of it, which may be wrong about how many rows those have.
_SOME = """
memory_subject subject
  JOIN LATERAL (SELECT * FROM memory_line WHERE subject_id = subject.id OFFSET 0) line ON TRUE
  JOIN LATERAL (SELECT * FROM reasoning_pass WHERE line_id = line.id OFFSET 0) pass ON TRUE
"""

_PASSES = """
SELECT line.subject_id, line.recipe, line.branch, {period} AS period, {sums}
  FROM {source} {made}
 WHERE pass.started_at >= %(since)s AND pass.started_at < %(until)s
   AND pass.outcome IN ('published', 'quarantined', 'failed') AND pass.task = 'read' AND pass.run_id IS NULL
   AND line.recipe = ANY(%(recipes)s) AND {scope}
 GROUP BY line.id, line.subject_id, line.recipe, line.branch, period ORDER BY line.subject_id
"""

_FEEDBACK = """
SELECT line.subject_id, line.recipe, line.branch, {period} AS period, count(*) AS count,
       sum(feedback.score)::float8 AS total
  FROM memory_feedback feedback JOIN memory_representation version ON version.id = feedback.representation_id
  JOIN memory_line line ON line.id = version.line_id JOIN memory_subject subject ON subject.id = line.subject_id
 WHERE feedback.created_at >= %(since)s AND feedback.created_at < %(until)s AND version.created_at >= %(since)s
   AND line.recipe = ANY(%(recipes)s) AND {scope}
 GROUP BY line.id, period ORDER BY line.subject_id
"""


def passes(scope: Scope, periods: int, versions: bool) -> Iterator[tuple[UUID, ByVersion]]:
    """Yield, for each subject with anything that counts, what it falls to and what its passes did."""
    made, source = MADE if versions else _NOT_MADE, _ALL if scope.only is None else _SOME
    return _by_subject(scope, periods, _PASSES, at="pass.started_at", made=made, source=source, sums=SUMS)


def feedback(scope: Scope, periods: int) -> Iterator[tuple[UUID, ByVersion]]:
    """Yield, for each subject with feedback that counts, what it falls to, and its scores' ``count`` and ``total``."""
    return _by_subject(scope, periods, _FEEDBACK, at="feedback.created_at")


def added_up(several: Iterable[Sums]) -> Sums:
    """Return the sums of sums with the same names."""
    total: Sums = {}
    for sums in several:
        for name, value in sums.items():
            total[name] = total.get(name, 0) + value
    return total


_NAMES = ("subject_id", "recipe", "branch", "period")


def _by_subject(
    scope: Scope, periods: int, statement: str, *, at: str, **parts: str
) -> Iterator[tuple[UUID, ByVersion]]:
    rows = _rows(statement.format(scope=_SCOPE, period=_PERIOD.format(at=at), **parts), scope, periods)
    for subject_id, lines in groupby(rows, itemgetter("subject_id")):
        falls_to = scope.falls_to(subject_id)
        found: ByVersion = {}
        for row in lines:
            version = scope.counts_for(falls_to, row["recipe"], row["branch"])
            if version is not None:
                sums = {name: value for name, value in row.items() if name not in _NAMES}
                by_period = found.setdefault(version, {})
                before = by_period.get(row["period"])
                by_period[row["period"]] = sums if before is None else added_up((before, sums))
        if found:
            yield falls_to, found


def _rows(statement: str, scope: Scope, periods: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a statement one after the other: they are never all in memory."""
    values: dict[str, Any] = {
        "since": scope.since,
        "until": scope.until,
        "periods": periods,
        "kind": scope.experiment.kind,
        "app": scope.experiment.app_id,
        "recipes": list(scope.recipes.values()),
        "only": scope.only,
        "outages": [str(failure) for failure in OUTAGES],
    }
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        columns: list[str] | None = None
        while rows := cursor.fetchmany(2_000):
            columns = columns or [column[0] for column in cursor.description]
            for row in rows:
                yield dict(zip(columns, row, strict=True))
