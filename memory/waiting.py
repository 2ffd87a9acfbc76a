"""Waiting until reasoning has caught up: read-your-writes on demand.

Who waits holds a thread of the process and nothing else. Between two looks there is no database connection: each look
opens one again, which costs the server some milliseconds, and a look comes once a second at most. (LISTEN would spare
the looks, and hold a connection for each who waits.) Only so many requests of a process wait at a time, so that those
that only read never find every thread taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from memory import signals
from memory.conf import MemorySettings

LONGEST = 30.0
"""The most seconds that a reader may wait."""

_FIRST_LOOK_SECONDS = 0.05
_LOOK_SECONDS = 1.0
_SLOWER = 1.5

# What the log holds for a subject now: up to which position, and the newest of the events that have none yet.
_HELD = """
SELECT id, head, (SELECT event_id FROM memory_feedentry
                   WHERE subject_id = subject.id AND position IS NULL ORDER BY event_id DESC LIMIT 1)
  FROM memory_subject subject WHERE id = ANY(%s)
"""

# An event that had no position was committed by then: whichever it got, what readers get must cover it.
_UNREAD = """
SELECT EXISTS (
    SELECT FROM unnest(%(subjects)s::uuid[], %(heads)s::bigint[], %(newest)s::uuid[]) AS held (subject_id, head, newest)
      JOIN memory_subject subject ON subject.id = held.subject_id
      LEFT JOIN memory_representation version ON version.id = subject.current_id
     WHERE coalesce(version.covers_to, 0) < held.head
        OR EXISTS (SELECT FROM memory_feedentry entry
                    WHERE entry.subject_id = subject.id AND entry.event_id <= held.newest
                      AND (entry.position IS NULL OR entry.position > coalesce(version.covers_to, 0))))
"""

_lock = threading.Lock()
_waiting = 0


@dataclass(frozen=True, slots=True)
class _Held:
    """What the log held of a subject at a moment."""

    subject_id: UUID
    head: int
    newest: UUID | None


@contextmanager
def room() -> Iterator[bool]:
    """Count this request among those of the process that wait, and yield whether it may.

    For whatever keeps a request waiting: reasoning that is to catch up, or a model's answer.
    """
    global _waiting
    with _lock:
        granted = _waiting < MemorySettings.load().waiting_requests
        _waiting += granted
    try:
        yield granted
    finally:
        with _lock:
            _waiting -= granted


def let_go() -> None:
    """Give this thread's database connection back, before waiting for something that may take long.

    The next statement opens another. Within a transaction it stays: that is the caller's.
    """
    if not connection.in_atomic_block:
        connection.close()


def until_read(subject_ids: Sequence[UUID], seconds: float) -> bool:
    """Wait until what the log holds of these subjects now has been read, for so many seconds at most.

    Return whether it has. With no room to wait in this process, that is said at once.
    """
    held = _held(subject_ids)
    with room() as granted:
        give_up = time.monotonic() + (seconds if granted else 0.0)
        pause = _FIRST_LOOK_SECONDS
        while _unread(held):
            left = give_up - time.monotonic()
            if left <= 0:
                return False
            signals.reading_awaited.send(sender=None, subject_ids=list(subject_ids))
            let_go()
            time.sleep(min(pause, left))
            pause = min(pause * _SLOWER, _LOOK_SECONDS)
    return True


def _held(subject_ids: Sequence[UUID]) -> list[_Held]:
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(subject_ids)])
        return [_Held(*row) for row in cursor.fetchall()]


def _unread(held: Sequence[_Held]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            _UNREAD,
            {
                "subjects": [item.subject_id for item in held],
                "heads": [item.head for item in held],
                "newest": [item.newest for item in held],
            },
        )
        unread: bool = cursor.fetchone()[0]
    return unread
