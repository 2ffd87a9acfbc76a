"""What prompt versions cost and how good their answers are, from the newest of their passes, with the uncertainty.

The measures are those of experiments. But these subjects did not fall to the versions by lot: figures of two versions
that served other people, or at other times, tell less than an experiment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from memory import clock
from reasoning.experiments.counting import MADE, SUMS
from reasoning.experiments.measures import ArmFigures
from reasoning.models import PromptVersion, Spend
from reasoning.providers.base import OUTAGES

NEWEST = 2_000
"""The most passes of a version that are looked at."""

SHOWN = (
    "failure_rate", "gate_rejection_rate", "cost", "input_tokens", "output_tokens", "latency", "text_length", "added",
    "retired", "feedback",
)  # fmt: skip
"""The measures that make sense without a control."""

# By subject, for what is counted of one subject is alike.
_PASSES = f"""
SELECT version.id, min(pass.started_at) AS first, max(pass.started_at) AS last, {SUMS},
       coalesce(sum(told.count), 0)::int AS told, coalesce(sum(told.total), 0)::float8 AS score
  FROM unnest(%(versions)s::uuid[]) AS version (id)
 CROSS JOIN LATERAL (
       SELECT * FROM reasoning_pass
        WHERE prompt_version_id = version.id AND task = 'read'
          AND outcome IN ('published', 'quarantined', 'failed')
        ORDER BY started_at DESC LIMIT %(newest)s) pass
  JOIN memory_line line ON line.id = pass.line_id {MADE}
  LEFT JOIN LATERAL (
       SELECT count(*) AS count, sum(score) AS total FROM memory_feedback
        WHERE representation_id = pass.representation_id) told ON pass.outcome = 'published'
 GROUP BY version.id, line.subject_id
"""  # noqa: S608 - our own text


@dataclass
class Figures:
    """What the passes of a version from ``first`` to ``last`` did, of so many ``subjects``.

    ``sums.estimate`` gives each measure of ``SHOWN`` with its interval.
    """

    sums: ArmFigures
    subjects: int = 0
    first: datetime | None = None
    last: datetime | None = None


def of(versions: Collection[PromptVersion]) -> dict[UUID, Figures]:
    """Return by version the figures of its newest passes, at most ``NEWEST`` of each. One statement."""
    found = {version.pk: Figures(ArmFigures(None, version, 1.0)) for version in versions}
    values: dict[str, Any] = {
        "versions": list(found),
        "newest": NEWEST,
        "outages": [str(failure) for failure in OUTAGES],
    }
    with connection.cursor() as cursor:
        cursor.execute(_PASSES, values)
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            _count(found[row[0]], dict(zip(names, row, strict=True)))
    return found


def _count(figures: Figures, row: dict[str, Any]) -> None:
    first, last = row.pop("first"), row.pop("last")
    figures.sums.count(row)
    if row["told"]:
        figures.sums.score(row["told"], row["score"])
    figures.subjects += 1
    figures.first = min(first, figures.first or first)
    figures.last = max(last, figures.last or last)


@dataclass(frozen=True, slots=True)
class Day:
    """What a version took on one day (UTC). ``unpriced`` tokens are not in the cost."""

    day: date
    calls: int
    tokens: int
    unpriced: int
    cost: Decimal


def by_day(version: PromptVersion, days: int = 30) -> list[Day]:
    """Return what a version took on each of the past ``days``, the oldest first; none where it took nothing."""
    today = clock.now().date()
    since = today - timedelta(days=days - 1)
    rows = Spend.objects.filter(prompt_version=version, day__gte=since).order_by().values("day")
    totals = {"calls": Sum("calls"), "tokens": Sum("tokens"), "unpriced": Sum("unpriced_tokens"), "cost": Sum("cost")}
    found: Iterable[Any] = rows.annotate(**totals)
    spent = {row["day"]: Day(**row) for row in found}
    if not spent:
        return []
    every = [since + timedelta(days=number) for number in range(days)]
    return [spent.get(day) or Day(day, 0, 0, 0, Decimal(0)) for day in every]
