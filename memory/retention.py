"""How long versions are kept whole. An old one is thinned: what it covers, what made it and which statements stood in
it stay for good; its text and its other parts go, and readers of it get a text made anew of the statements.

Never thinned are versions that are served, or were served within the time that history is kept for, the heads of lines,
what nobody has decided upon yet, and what somebody keeps. Others can ask for more (``memory.signals.history_needed``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from memory import clock
from memory.conf import MemorySettings
from memory.errors import Erased, Invalid
from memory.models import KeptVersion, Representation
from memory.signals import history_needed

BATCH = 1_000

_THIN = """
UPDATE memory_representation
   SET thinned = true, text = '', line_tokens = '{}', card = '{}', now = '', short_summary = '', long_summary = '',
       draft = NULL
 WHERE id IN (
       SELECT version.id FROM memory_representation version JOIN memory_subject subject
           ON subject.id = version.subject_id
        WHERE NOT version.thinned AND version.created_at < %(before)s
          AND version.id IS DISTINCT FROM subject.current_id
          AND NOT EXISTS (SELECT FROM memory_line line WHERE line.subject_id = subject.id AND line.head_id = version.id)
          AND NOT EXISTS (SELECT FROM memory_keptversion kept WHERE kept.representation_id = version.id)
          AND (version.status = 'published'
               OR version.status = 'quarantined'
                  AND EXISTS (SELECT FROM memory_ruling ruling WHERE ruling.representation_id = version.id))
          AND NOT EXISTS (
              SELECT FROM memory_serving serving
               WHERE serving.subject_id = subject.id AND serving.representation_id = version.id
                 AND NOT EXISTS (SELECT FROM memory_serving later
                                  WHERE later.subject_id = subject.id AND later.since > serving.since
                                    AND later.since <= %(before)s))
        ORDER BY version.created_at LIMIT %(limit)s)
"""


def prune() -> int:
    """Thin what is older than ``HONCHO["HISTORY_DAYS"]``, a batch at a time; return how many versions that were."""
    before = keeps_from()
    if before is None:
        return 0
    total = 0
    while thinned := thin(before):
        total += thinned
    return total


def keeps_from() -> datetime | None:
    """Return from which moment on history is kept whole, None for all of it."""
    days = MemorySettings.load().history_days
    if days is None:
        return None
    asked: list[tuple[Any, Any]] = history_needed.send(sender=Representation)
    moments: list[datetime] = [moment for _, moment in asked if moment is not None]
    return min([clock.now() - timedelta(days=days), *moments])


def thin(before: datetime, limit: int = BATCH) -> int:
    """Thin up to ``limit`` versions that are of no use to who reads what was served at that moment or later."""
    with connection.cursor() as cursor:
        cursor.execute(_THIN, {"before": before, "limit": limit})
        return int(cursor.rowcount)


def keep(representation: Representation, *, reason: str, by: str = "") -> KeptVersion:
    """Keep a version whole, however old it gets.

    Raises :class:`Invalid` for one that was thinned already, and :class:`Erased` for one that was erased.
    """
    if representation.status == Representation.Status.ERASED:
        raise Erased(f"Version {representation.number} was erased.")
    if representation.thinned:
        raise Invalid(f"Of version {representation.number} only the statements are left.")
    return KeptVersion.objects.get_or_create(representation=representation, defaults={"reason": reason, "by": by})[0]


def release(representation: Representation) -> None:
    """Let a version be thinned like any other."""
    KeptVersion.objects.filter(representation=representation).delete()
