"""What happens when events have been appended, or when what calls may cost has changed: a wake-up for whoever listens.

It comes after the commit. A wake-up that is lost (a process killed between the two) costs at most
``HONCHO["POLL_INTERVAL"]``: the durable state is in the feed itself and in the work rows.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model

from memory import feeds
from reasoning import disposition, following, metrics
from reasoning.models import Budget, Experiment, Price, Reprocess

WAKE_CHANNEL = "honcho_wake"

WAKE_SPACING_SECONDS = 0.05
"""A process sends no two wake-ups closer than this; a drainer looks once more after it has been woken."""

_last_wake = 0.0


def on_events_appended(*, count: int, **kwargs: Any) -> None:
    """Count what was written and wake a drainer, once it is committed."""
    transaction.on_commit(lambda: _announce(count), robust=True)


def on_terms_changed(*, sender: type[Model], **kwargs: Any) -> None:
    """Let held work ask again, in the transaction that saves or deletes a budget or a price.

    Whoever is about to hold work has locked the budgets that it asked. To have them here means that this work is
    held by now, and asks again too; a change to a budget has locked it already.
    """
    with transaction.atomic():
        if sender is Price:
            list(Budget.objects.select_for_update().order_by("pk").values_list("pk"))
        disposition.release_held()
        transaction.on_commit(wake, robust=True)


def on_lines_moved(*, subject_ids: list[UUID], again: bool, **kwargs: Any) -> None:
    """Let the loop go on from where other hands have put lines, and wake a drainer once that is committed."""
    following.realign(subject_ids, again=again)
    transaction.on_commit(wake, robust=True)


def on_reading_awaited(*, subject_ids: list[UUID], **kwargs: Any) -> None:
    """Let what a reader waits for be read now, not when its cadence says; what has just come is taken in first."""
    if following.hasten(subject_ids) or feeds.has_new(subject_ids):
        wake()


def on_history_needed(**kwargs: Any) -> datetime | None:
    """Return since when what was served is part of an experiment, or of a run, that is not over."""
    over = [Experiment.State.STOPPED, Experiment.State.PROMOTED]
    ended = [Reprocess.State.CANCELLED, Reprocess.State.PROMOTED, Reprocess.State.DISCARDED]
    begun = [
        *Experiment.objects.exclude(state__in=over).values_list("started_at", flat=True),
        *Reprocess.objects.exclude(state__in=ended).values_list("started_at", flat=True),
        *Reprocess.objects.exclude(state__in=ended).values_list("since", flat=True),
    ]
    return min((moment for moment in begun if moment is not None), default=None)


# What nobody has taken in, what lines that follow have yet to read, and what a run has yet to begin with.
_NEEDED = """
WITH entry AS (
    SELECT subject_id, position FROM memory_feedentry
     WHERE event_id < %(before)s AND (%(first)s::uuid IS NULL OR event_id >= %(first)s)
)
SELECT (SELECT count(*) FROM entry WHERE position IS NULL),
       (SELECT count(DISTINCT line.id) FROM entry JOIN memory_line line ON line.subject_id = entry.subject_id
          JOIN reasoning_work work ON work.line_id = line.id AND work.follows WHERE entry.position > line.cursor),
       (SELECT count(DISTINCT item.subject_id) FROM reasoning_reprocessitem item
          JOIN reasoning_reprocess run ON run.id = item.run_id AND run.state IN ('running', 'paused')
         WHERE item.state = 'pending' AND item.subject_id IN (SELECT subject_id FROM entry))
"""


def on_events_needed(*, first: UUID | None, before: UUID, **kwargs: Any) -> str | None:
    """Return who needs the events of a range of ids still, as a sentence; None where nobody does."""
    with connection.cursor() as cursor:
        cursor.execute(_NEEDED, {"first": first, "before": before})
        not_taken_in, beside, to_begin = cursor.fetchone()
    told = [
        f"{not_taken_in:,} events were not taken in yet: let a worker run." if not_taken_in else "",
        f"{beside:,} lines beside what is served (experiments, reprocesses) have yet to read some." if beside else "",
        f"A reprocess has yet to begin with {to_begin:,} subjects." if to_begin else "",
    ]
    return " ".join(filter(None, told)) or None


def _announce(count: int) -> None:
    global _last_wake
    metrics.EVENTS_WRITTEN.inc(count)
    if time.monotonic() - _last_wake >= WAKE_SPACING_SECONDS:
        _last_wake = time.monotonic()
        wake()


def wake() -> None:
    """Tell every listening drainer that there may be work.

    Sent after the commit, in a transaction of its own: inside the writer's, the notification queue's lock would
    hold up the commits of all writers for one another.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {WAKE_CHANNEL}")
