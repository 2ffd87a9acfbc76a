"""Taking readers back from what a run was promoted to, exactly those that it was promoted for."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from memory import audit, restoring
from memory.errors import Conflict, Invalid
from memory.models import Subject
from memory.restoring import Onward
from reasoning import assignment
from reasoning.models import Reprocess, ReprocessItem
from reasoning.reprocessing import lifecycle

State = Reprocess.State

STATES = (State.RUNNING, State.PAUSED, State.DONE, State.PROMOTED)
"""The states in which something of a run may be promoted."""

# Subjects whose readers get what was promoted, or what goes on from that; and what they were given before.
_BEFORE = """
WITH RECURSIVE promoted AS (
    SELECT item.subject_id, made.id, made.number
      FROM reasoning_reprocessitem item JOIN memory_representation made ON made.id = item.made_id
     WHERE item.run_id = %(run)s AND item.state = 'promoted'
), later AS MATERIALIZED (
    SELECT version.id, version.subject_id, coalesce(version.restores_id, version.parent_id) AS before_id
      FROM promoted JOIN memory_representation version ON version.subject_id = promoted.subject_id
           AND version.number > promoted.number AND version.status = 'published'
), follows AS (
    SELECT id, subject_id, id AS promoted_id FROM promoted
     UNION
    SELECT later.id, later.subject_id, follows.promoted_id FROM follows JOIN later ON later.before_id = follows.id
)
SELECT follows.subject_id, before.representation_id
  FROM follows
  JOIN memory_subject subject ON subject.id = follows.subject_id AND subject.current_id = follows.id
  JOIN LATERAL (
       SELECT min(since) AS since FROM memory_serving WHERE representation_id = follows.promoted_id) given ON true
  JOIN LATERAL (
       SELECT representation_id FROM memory_serving serving
        WHERE serving.subject_id = follows.subject_id AND serving.since < given.since
        ORDER BY serving.since DESC LIMIT 1) before ON true
  LEFT JOIN memory_representation version ON version.id = before.representation_id
 WHERE version.status IS DISTINCT FROM 'erased'
 ORDER BY follows.subject_id
"""


def before(run: Reprocess) -> dict[UUID, UUID | None]:
    """Return by subject the version that readers were given before a run was promoted (None: nothing).

    Left out are those that were taken elsewhere since, or whose version of then was erased. One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, {"run": run.pk})
        return dict(cursor.fetchall())


@transaction.atomic
def undo(run: Reprocess, *, reason: str, by: str = "") -> int:
    """Give readers again what they were given before a run was promoted; return of how many subjects.

    What was read since is read again by the prompts that the subjects fall to. A run that had ended is discarded then;
    another goes on with the subjects that were not promoted. Raises :class:`Invalid` without a reason, and
    :class:`Conflict` where readers get nothing of it.
    """
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))
    lifecycle.lock_subjects(before(run))
    locked = lifecycle.locked(run, "undone", STATES)
    targets = before(locked)
    if not targets:
        raise Conflict("Readers get nothing of what this run was promoted to.")
    restored = restoring.restore(
        targets,
        onward=Onward.REASON_AGAIN,
        reason=reason,
        by=by,
        made_by={"reprocess": locked.public_id, "undone": True},
        recipes=assignment.recipes(list(Subject.objects.filter(pk__in=lifecycle.among(targets)))),
    )
    ReprocessItem.objects.filter(run=locked, state=ReprocessItem.State.PROMOTED).update(state=ReprocessItem.State.LEFT)
    if locked.state == State.PROMOTED:
        lifecycle.ended(locked, "undo reprocess", State.DISCARDED, reason, by, undone=len(restored))
    else:
        audit.note("undo reprocess", locked, by=by, reason=reason, after={"undone": len(restored)})
    return len(restored)
