"""When what is known of a subject is gone over: merged, generalised, held against itself. It is a pass like any other,
which reads no events; ``reasoning.passes`` makes it, ``reasoning.queue`` lets events go before it.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from memory import audit, clock
from memory.errors import Conflict, NotFound
from memory.models import App, Subject
from reasoning import following, signals
from reasoning.conf import ReasoningSettings
from reasoning.models import Work

AT_ONCE = 500
"""How many lines are marked in one transaction."""


def schedule() -> bool:
    """Let the lines that have grown, or have grown a little and been quiet, go over what they know; a chore.

    Return whether there were any.
    """
    settings = ReasoningSettings.load()
    return settings.consolidate and mark_due() > 0


def mark_due() -> int:
    """Mark up to ``AT_ONCE`` lines that are due, whether that is to be done by itself or not; return how many."""
    settings = ReasoningSettings.load()
    quiet = clock.now() - timedelta(seconds=settings.consolidate_quiet_seconds)
    due = _serving().filter(
        Q(unconsolidated__gte=settings.consolidate_statements)
        | Q(unconsolidated__gte=settings.consolidate_quiet_statements, last_pass_at__lt=quiet),
        state=Work.State.IDLE,
        run=None,
    )
    return following.consolidate(due, AT_ONCE)


def ask_for(subject: Subject, *, by: str, reason: str = "") -> Work:
    """Have what is known of a subject gone over next, once nothing waits to be read; return its work.

    ``by`` names who asks.

    Raises :class:`NotFound` where no pass has concluded anything yet, and :class:`Conflict` where an operator must act
    first.
    """
    of_subject = _serving().filter(line__subject=subject)
    with transaction.atomic():
        following.consolidate(of_subject.exclude(state=Work.State.PARKED), 1)
        transaction.on_commit(signals.wake, robust=True)
        work = of_subject.select_related("line").first()
        if work is not None and work.task == Work.Task.CONSOLIDATE:
            audit.note("consolidate", work, by=by, reason=reason, after={"state": work.state})
    if work is None:
        raise NotFound("Nothing has been reasoned over here yet: there is nothing to consolidate.")
    if work.state == Work.State.PARKED:
        raise Conflict("Its work is parked, since it failed again and again: let it be tried again first.")
    return work


def ask_for_all(app: App) -> int:
    """Have what is known of all subjects of an app gone over next; return how many subjects that are."""
    wanted = _serving().filter(app=app, run=None, task=Work.Task.READ).exclude(state=Work.State.PARKED)
    count = 0
    while marked := following.consolidate(wanted, AT_ONCE):
        count += marked
    transaction.on_commit(signals.wake, robust=True)
    return count


def _serving() -> QuerySet[Work]:
    return Work.objects.filter(line__subject__line=F("line"))
