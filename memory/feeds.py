"""The order in which a subject's events count.

A writer adds feed entries without a position and waits for nobody. ``number`` gives positions, under the subject's
lock, to entries whose transactions have committed. A line's cursor is a position, so it can never step over a
transaction that is still open: what commits later gets a higher position, whatever its id or its time.

(Why not lock the subject before ids are taken: a host's long transaction would hold up every writer of the same user,
and two transactions that append to two users in opposite order would deadlock. Why not order by transaction id: one
long transaction anywhere in the cluster would hold up all reasoning, and a dump restored elsewhere would carry ids of
the future. ``benchmarks/ordering.py`` measures all three.)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from memory import statements
from memory.errors import NotFound
from memory.models import Event, FeedEntry, Session, Subject, User
from memory.statements import Columns

_MOST_LOOKED_AT = 1_000

_LOCK = """
SELECT id FROM memory_subject WHERE id IN (
    SELECT DISTINCT subject_id FROM (
        SELECT subject_id FROM memory_feedentry WHERE position IS NULL ORDER BY event_id LIMIT %(limit)s) waiting)
 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""

_NUMBER = """
WITH fresh AS (
    SELECT event_id, subject_id, row_number() OVER (PARTITION BY subject_id ORDER BY event_id) AS place
      FROM memory_feedentry WHERE position IS NULL AND subject_id = ANY(%(subjects)s)
), numbered AS (
    UPDATE memory_feedentry entry SET position = subject.head + fresh.place
      FROM fresh JOIN memory_subject subject ON subject.id = fresh.subject_id
     WHERE entry.event_id = fresh.event_id AND entry.subject_id = fresh.subject_id
    RETURNING entry.subject_id, entry.event_id
), arrived AS (
    SELECT subject_id, count(*) AS events, sum(tokens) AS tokens, min(recorded_at) AS oldest, max(recorded_at) AS newest
      FROM numbered JOIN memory_event event ON event.id = numbered.event_id GROUP BY subject_id
), moved AS (
    UPDATE memory_subject subject SET head = head + arrived.events
      FROM arrived WHERE subject.id = arrived.subject_id
)
SELECT arrived.subject_id, subject.app_id, subject.kind, events, tokens, oldest, newest
  FROM arrived JOIN memory_subject subject ON subject.id = arrived.subject_id ORDER BY subject_id
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has just joined a subject's feed: how many events and tokens, recorded from when until when."""

    subject_id: UUID
    app_id: UUID
    kind: str
    events: int
    tokens: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """What lies above a position in a feed; ``oldest`` and ``newest`` are None where nothing does."""

    events: int
    tokens: int
    oldest: datetime | None
    newest: datetime | None


def number(limit: int = 10_000) -> list[Arrival]:
    """Give positions to committed entries that have none, and say whose feeds grew.

    Looks at up to ``limit`` entries to find the subjects, then numbers all that these have. Subjects that another
    caller is numbering, or publishing, at this moment are left for the next call. Call it inside a transaction to
    act on the result in the same one; the subjects stay locked until it ends.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, {"limit": limit})
        subjects = [row[0] for row in cursor.fetchall()]
        if not subjects:
            return []
        # A statement of its own: its snapshot must be younger than the locks.
        cursor.execute(_NUMBER, {"subjects": subjects})
        return [Arrival(*row) for row in cursor.fetchall()]


def has_new(subject_ids: Collection[UUID]) -> bool:
    """Say whether any of these subjects has entries that nobody has numbered yet."""
    return FeedEntry.objects.filter(subject__in=subject_ids, position=None).exists()


_WAITING = """
SELECT count(*), coalesce(sum(tokens), 0), min(recorded_at), max(recorded_at)
  FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
 WHERE entry.subject_id = %s AND entry.position > %s
"""


def waiting_after(subject_id: UUID, position: int) -> Waiting:
    """Return what the feed holds above ``position``, numbered."""
    # A plan that is kept while much waits reads the whole log ever after.
    [found] = statements.rows(_WAITING, [subject_id, position], prepare=False)
    return Waiting(*found)


_NEXT = """
SELECT event.recorded_at FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
 WHERE entry.subject_id = %s AND entry.position > %s ORDER BY entry.position LIMIT 1
"""


def next_recorded(subject_id: UUID, position: int) -> datetime | None:
    """Return when the first event above ``position`` was recorded; None where there is none."""
    found: list[tuple[datetime]] = statements.rows(_NEXT, [subject_id, position])
    return found[0][0] if found else None


_EVENT, _PERSON, _SESSION = Columns(Event), Columns(User, "name"), Columns(Session, "name")
_FEED = f"""
SELECT entry.position, {_EVENT.of("event")}, {_PERSON.of("author")}, {_SESSION.of("session")}
  FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
  LEFT JOIN memory_user author ON author.id = event.author_id
  LEFT JOIN memory_session session ON session.id = event.session_id
 WHERE entry.subject_id = %s AND entry.position > %s ORDER BY entry.position LIMIT %s
"""  # noqa: S608 - columns of our own models


def read(subject_id: UUID, after: int, limit: int) -> list[tuple[int, Event]]:
    """Return up to ``limit`` (position, event) of a feed above ``after``, in order, with author and session."""
    found = []
    for position, *rest in statements.rows(_FEED, [subject_id, after, limit]):
        values = iter(rest)
        event = _EVENT.read(values)
        event.author, event.session = _PERSON.maybe(values), _SESSION.maybe(values)
        found.append((position, event))
    return found


def lock_subject(subject_id: UUID) -> Subject:
    """Lock one subject until the transaction ends. Lock order everywhere: subject, line, work row.

    Raises :class:`NotFound` for one that is gone: an erasure may end while somebody waits for it.
    """
    subject = Subject.objects.select_for_update(no_key=True).filter(pk=subject_id).first()
    if subject is None:
        raise NotFound("There is no such subject any more")
    return subject


def tail(subject_id: UUID, after: int, limit: int, by: datetime | None = None) -> list[Event]:
    """Return the newest ``limit`` events that a version covering up to ``after`` has not seen, oldest first.

    With ``by``, as they were at that moment: those recorded by then, of the first 1,000 that it has not seen.
    """
    not_seen = FeedEntry.objects.filter(subject_id=subject_id).select_related("event__author")
    if by is not None:
        not_seen = not_seen.filter(event__recorded_at__lte=by).exclude(position__gt=after + _MOST_LOOKED_AT)
    numbered = not_seen.filter(position__gt=after).order_by("-position")[:limit]
    not_numbered = not_seen.filter(position=None).order_by("-event_id")[:limit]
    events = [entry.event for entry in (*numbered, *not_numbered)]
    return sorted(events, key=lambda event: event.id)[-limit:]
