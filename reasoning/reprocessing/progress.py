"""How far a run has come, at what rate, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Count

from memory import clock
from reasoning.models import Pass, Reprocess, ReprocessItem, Work

RATE_MINUTES = 5
"""The rate is that of so many last minutes."""

_NO_VERSION = (Pass.Outcome.FAILED, Pass.Outcome.QUARANTINED)

WITH_ITEM = (
    "line__head", "base", "made", "subject__current",
    "subject__user", "subject__observer", "subject__session", "subject__project",
)  # fmt: skip
"""What is shown, and compared, of an item."""

_READ = """
SELECT coalesce(sum(least(line.cursor, item.target) - coalesce(base.covers_to, 0)), 0)
  FROM reasoning_reprocessitem item JOIN memory_line line ON line.id = item.line_id
  LEFT JOIN memory_representation base ON base.id = item.base_id
 WHERE item.run_id = %(run)s
"""

_LATELY = """
SELECT coalesce(sum(covers_to - covers_from), 0),
       least(extract(epoch FROM now() - %(started)s) / 60, %(minutes)s)
  FROM reasoning_pass
 WHERE run_id = %(run)s AND outcome = 'published' AND ended_at > now() - make_interval(mins => %(minutes)s)
"""


_LATEST = """
SELECT date_bin('1 minute', ended_at, %(now)s), coalesce(sum(covers_to - covers_from), 0)
  FROM reasoning_pass
 WHERE run_id = %(run)s AND outcome = 'published'
   AND started_at > %(now)s - make_interval(mins => %(look)s)
   AND ended_at > %(now)s - make_interval(mins => %(minutes)s)
 GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of a run. ``rate`` is events a minute, None while it does not run; ``eta_seconds`` None where unknown.

    ``items`` and ``passes`` count by state and outcome, ``failed`` the passes that gave no version by what went wrong,
    ``work`` the lines that wait, are leased, held or parked.
    """

    items: dict[str, int]
    events: int
    events_read: int
    passes: dict[str, int]
    failed: dict[str, int]
    work: dict[str, int]
    tokens: int
    cost: Decimal
    rate: float | None
    eta_seconds: int | None

    @property
    def events_left(self) -> int:
        """How many events are still to be read."""
        return max(self.events - self.events_read, 0)

    @property
    def share(self) -> float:
        """How much is read, 0 to 1."""
        return self.events_read / self.events if self.events else 0.0

    @property
    def failures(self) -> int:
        """How many passes gave no version."""
        return sum(self.passes.get(outcome, 0) for outcome in _NO_VERSION)


def progress(run: Reprocess) -> Progress:
    """Return how far a run has come. Five statements."""
    events, read, rate = int(run.estimate.get("events", 0)), 0, None
    if run.started_at is not None:
        with connection.cursor() as cursor:
            cursor.execute(_READ, {"run": run.pk})
            read = int(cursor.fetchone()[0])
            cursor.execute(_LATELY, {"run": run.pk, "started": run.started_at, "minutes": RATE_MINUTES})
            lately, minutes = cursor.fetchone()
        if run.state == Reprocess.State.RUNNING:
            rate = float(lately) / float(minutes) if minutes else 0.0
    left = max(events - read, 0)
    passes, failed = _passes(run)
    return Progress(
        items=states(run),
        events=events,
        events_read=min(read, events),
        passes=passes,
        failed=failed,
        work=_counts(
            Work.objects.filter(run=run).exclude(state=Work.State.IDLE).values_list("state").annotate(Count("pk"))
        ),
        tokens=run.tokens,
        cost=run.cost,
        rate=rate,
        eta_seconds=round(left / rate * 60) if rate else None,
    )


def states(run: Reprocess) -> dict[str, int]:
    """Return how many subjects of a run are in each state."""
    return _counts(ReprocessItem.objects.filter(run=run).values_list("state").annotate(Count("subject")))


def _passes(run: Reprocess) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many passes a run has by outcome, and those that gave no version by what went wrong."""
    outcomes: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    rows = Pass.objects.filter(run=run).values_list("outcome", "failure").annotate(count=Count("pk"))
    for outcome, failure, count in rows:
        outcomes[outcome] += count
        if outcome in _NO_VERSION:
            failed[failure or outcome] += count
    return dict(outcomes), dict(failed)


def lately(run: Reprocess, minutes: int = 30) -> list[tuple[datetime, int]]:
    """Return for each of the last ``minutes`` when it began and how many events were read in it, the oldest first.

    It looks at passes that began in that time and as much before it, or a day before it where batches carry them.
    """
    now = clock.now()
    look = 2 * minutes + (24 * 60 if run.carrier == Reprocess.Carrier.BATCH else 0)
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"run": run.pk, "minutes": minutes, "look": look, "now": now})
        read = {at: int(events) for at, events in cursor.fetchall()}
    whole = [now - timedelta(minutes=back) for back in range(minutes, 0, -1)]
    return [(at, read.get(at, 0)) for at in whole]


def _counts(rows: object) -> dict[str, int]:
    return {str(key): int(count) for key, count in rows}  # type: ignore[attr-defined]


def items(
    run: Reprocess, *, state: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[ReprocessItem]:
    """Return up to ``limit`` subjects of a run, of one state where one is given, that come after subject ``after``."""
    found = ReprocessItem.objects.filter(run=run)
    if state is not None:
        found = found.filter(state=state)
    if after is not None:
        found = found.filter(subject__gt=after)
    return list(found.select_related(*WITH_ITEM).order_by("subject")[:limit])
