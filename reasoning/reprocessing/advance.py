"""The chore that takes runs forward: opens their lines, sees how far each has come, lets go of what has ended.

All that it knows is in rows, and each part is a transaction of its own: killed at any moment, it goes on where it was.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Count, Q

from memory import branching
from memory.webhooks import outbox
from reasoning import following
from reasoning.models import Reprocess, ReprocessItem, Work

CHUNK = 1_000
"""So many lines are opened, or let go, in one transaction."""

MOST_OPEN = 3_000
"""So many lines of a run are read at a time: a run over a million subjects does not open them all at once."""

MOST_OPEN_BY_BATCH = 50_000
"""So many where an answer takes hours."""

State = Reprocess.State

# An item that failed is read again where an operator has its work tried again.
_MARK = """
UPDATE reasoning_reprocessitem item
   SET state = seen.state, error = seen.error, made_id = seen.head_id
  FROM (SELECT item.subject_id, line.head_id,
               CASE WHEN line.cursor >= item.target THEN 'ready' WHEN work.state = 'parked' THEN 'failed'
                    ELSE 'reading' END AS state,
               CASE WHEN line.cursor < item.target AND work.state = 'parked' THEN work.last_error ELSE '' END AS error
          FROM reasoning_reprocessitem item
          JOIN memory_line line ON line.id = item.line_id
          JOIN reasoning_work work ON work.line_id = line.id
         WHERE item.run_id = %(run)s AND item.state IN ('reading', 'failed')) seen
 WHERE item.run_id = %(run)s AND item.subject_id = seen.subject_id AND item.state <> seen.state
"""

_READING = """
UPDATE reasoning_reprocessitem item SET state = 'reading', line_id = line.id, base_id = line.head_id
  FROM memory_line line
 WHERE line.id = ANY(%(lines)s) AND item.run_id = %(run)s AND item.subject_id = line.subject_id
"""


def advance() -> bool:
    """Take every run a bounded step forward; return whether there was anything to do."""
    busy = False
    open_runs = Reprocess.objects.filter(state__in=[State.RUNNING, State.PAUSED, State.DONE])
    for run in open_runs.select_related("prompt_version").order_by("pk"):
        busy |= _mark(run)
        if run.state == State.RUNNING:
            busy |= _open_lines(run) or _finish(run)
    for run in Reprocess.objects.filter(_HAS_ENDED, work__follows=True).distinct():
        busy |= let_go(run)
    return busy


_HAS_ENDED = Q(state__in=[State.CANCELLED, State.PROMOTED, State.DISCARDED])


def let_go_all(run: Reprocess) -> None:
    """Let go of everything that a run still holds."""
    while let_go(run):
        pass


def let_go(run: Reprocess) -> bool:
    """Let some of an ended run's lines follow no more; passes under way lose their lease. Return whether any were."""
    held = list(Work.objects.filter(run=run, follows=True).order_by("pk").values_list("pk", flat=True)[:CHUNK])
    following.stop_following(Work.objects.filter(pk__in=held))
    return bool(held)


def _mark(run: Reprocess) -> bool:
    """Note which lines have come to their target, and which have failed."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"run": run.pk})
        return bool(cursor.rowcount)


def _open_lines(run: Reprocess) -> bool:
    """Open lines for some of the items that wait for one, unless enough are being read; return whether any were."""
    items = ReprocessItem.objects.filter(run=run)
    most = MOST_OPEN_BY_BATCH if run.carrier == Reprocess.Carrier.BATCH else MOST_OPEN
    room = min(CHUNK, most - items.filter(state=ReprocessItem.State.READING).count())
    pending = items.filter(state=ReprocessItem.State.PENDING).order_by("subject")
    subjects = list(pending.values_list("subject", flat=True)[: max(room, 0)])
    if not subjects:
        return False
    version = run.prompt_version
    with transaction.atomic(), connection.cursor() as cursor:
        lines = branching.open_branches(
            subjects,
            recipe=version.recipe,
            branch=run.public_id,
            since=run.since,
            made_by={"reprocess": run.public_id, "prompt_version": version.public_id, "by": run.by},
        )
        opened = [line.pk for line in lines]
        following.follow_beside(opened, run)
        cursor.execute(_READING, {"run": run.pk, "lines": opened})
        # Last, as everybody locks it last: a run that has ended meanwhile gets no more lines.
        if Reprocess.objects.select_for_update().get(pk=run.pk).state != State.RUNNING:
            transaction.set_rollback(True)
            return False
    return True


def _finish(run: Reprocess) -> bool:
    """Note that a run has read everything; return whether it has."""
    unread = [ReprocessItem.State.PENDING, ReprocessItem.State.READING]
    failed = Count("pk", filter=Q(state=ReprocessItem.State.FAILED))
    counted = ReprocessItem.objects.filter(run=run).aggregate(
        unread=Count("pk", filter=Q(state__in=unread)), failed=failed, all=Count("pk")
    )
    if counted["unread"]:
        return False
    told = "Everything is read" + (
        f", but {counted['failed']:,} of {counted['all']:,} failed." if counted["failed"] else "."
    )
    running = Reprocess.objects.filter(pk=run.pk, state=State.RUNNING)
    with transaction.atomic():
        finished = bool(running.update(state=State.DONE, state_reason=told))
        if finished and run.app_id is not None:
            result = {"reprocess_id": run.public_id, "subjects": counted["all"], "failed": counted["failed"]}
            outbox.add(run.app_id, outbox.Event.REPROCESSED, result)
    return finished
