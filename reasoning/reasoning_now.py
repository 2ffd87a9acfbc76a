"""Having what waits of one subject read now, whatever it waits for: its time, a budget, another try."""

from __future__ import annotations

from django.db import transaction

from memory import audit, clock, feeds
from memory.errors import Conflict
from memory.models import Subject
from reasoning import following, signals
from reasoning.models import Work


def reason_now(subject: Subject, *, reason: str, by: str) -> Work:
    """Let the line that serves a subject read now what waits for it, with a clean count of attempts; return its work.

    What is held asks its budgets once more. Raises :class:`Conflict` where nothing waits or a worker is at it.
    """
    following.take_in()
    with transaction.atomic():
        line = feeds.lock_subject(subject.pk).line_id
        work = Work.objects.select_for_update(of=("self",)).select_related("line").filter(line=line).first()
        if work is None or not work.waiting_events:
            raise Conflict("Nothing waits to be read here.")
        if work.state == Work.State.LEASED:
            raise Conflict("A worker is at it now.")
        before = work.state
        work.state, work.attempts, work.step, work.due_at = Work.State.WAITING, 0, 0, clock.now()
        work.save()
        audit.note("reason now", work, by=by, reason=reason, before={"state": before}, after={"state": work.state})
        transaction.on_commit(signals.wake, robust=True)
    return work
