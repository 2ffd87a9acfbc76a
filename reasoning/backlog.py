"""What waits to be reasoned over, in one app or in all, for whoever asks from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

_LOOK_AT = 10_000

# What a run reads again is no backlog: it has a progress of its own.
_BY_KIND = """
SELECT kind, state, count(*), sum(waiting_events), min(oldest)
  FROM reasoning_work
 WHERE (%(app)s::uuid IS NULL OR app_id = %(app)s) AND state <> 'idle' AND run_id IS NULL GROUP BY 1, 2
"""

# What no drainer has taken in yet. Bounded: where so much waits, its exact number matters to nobody.
_NOT_TAKEN_IN = """
SELECT count(DISTINCT event.id), min(event.recorded_at)
  FROM (SELECT event_id FROM memory_feedentry WHERE position IS NULL ORDER BY event_id LIMIT %(most)s) entry
  JOIN memory_event event ON event.id = entry.event_id
 WHERE %(app)s::uuid IS NULL OR event.app_id = %(app)s
"""


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one kind of subject in one state: how many, how many events they wait for, since when."""

    kind: str
    state: str
    lines: int
    events: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The lines that have work, of an app or of all, and the events that no drainer has taken in yet."""

    groups: tuple[Group, ...]
    new_events: int
    new_oldest: datetime | None

    @property
    def oldest(self) -> datetime | None:
        """When the oldest event that waits was recorded."""
        moments = [group.oldest for group in self.groups] + [self.new_oldest]
        return min((moment for moment in moments if moment is not None), default=None)


def of_app(app_id: UUID) -> Backlog:
    """Return what waits in an app. Two statements."""
    return _waiting(app_id)


def of_site() -> Backlog:
    """Return what waits in all apps together. Two statements."""
    return _waiting(None)


def _waiting(app_id: UUID | None) -> Backlog:
    with connection.cursor() as cursor:
        cursor.execute(_BY_KIND, {"app": app_id})
        groups = tuple(Group(*row) for row in cursor.fetchall())
        cursor.execute(_NOT_TAKEN_IN, {"app": app_id, "most": _LOOK_AT})
        new_events, new_oldest = cursor.fetchone()
    return Backlog(groups, new_events, new_oldest)
