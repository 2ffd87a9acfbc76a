"""Waiting until reasoning has caught up: read-your-writes on demand.

Who waits holds a thread of the process, and neither a slot nor a database connection (``memory.slots``). One thread of
the process looks for all of them, in one statement, as long as somebody waits. So hundreds can wait beside those that
only read; more than ``WAITING_REQUESTS`` of a process never do, for its threads have an end.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection

from memory import signals, slots
from memory.conf import MemorySettings

LONGEST = 30.0
"""The most seconds that a reader may wait."""

_LOOK_SECONDS = 0.1
_ASK_SECONDS = 1.0
"""How often whoever reasons hears again who waits."""

# What the log holds for a subject now: up to which position, and the newest of the events that have none yet.
_HELD = """
SELECT id, head, (SELECT event_id FROM memory_feedentry
                   WHERE subject_id = subject.id AND position IS NULL ORDER BY event_id DESC LIMIT 1)
  FROM memory_subject subject WHERE id = ANY(%s)
"""

# An event that had no position was committed by then: whichever it got, what readers get must cover it.
_UNREAD = """
SELECT DISTINCT held.reader
  FROM unnest(%(readers)s::bigint[], %(subjects)s::uuid[], %(heads)s::bigint[], %(newest)s::uuid[])
       AS held (reader, subject_id, head, newest)
  JOIN memory_subject subject ON subject.id = held.subject_id
  LEFT JOIN memory_representation version ON version.id = subject.current_id
 WHERE greatest(version.covers_to, subject.archived_to) < held.head
    OR EXISTS (SELECT FROM memory_feedentry entry
                WHERE entry.subject_id = subject.id AND entry.event_id <= held.newest
                  AND (entry.position IS NULL OR entry.position > coalesce(version.covers_to, 0)))
"""

log = structlog.get_logger(__name__)

_lock = threading.Lock()
_waiting = 0


@dataclass(frozen=True, slots=True)
class _Held:
    """What the log held of a subject at a moment."""

    subject_id: UUID
    head: int
    newest: UUID | None


@dataclass(eq=False, slots=True)
class _Reader:
    """Somebody who waits until all that was held is read. They are asked for again at ``ask_at``."""

    number: int
    held: Sequence[_Held]
    ask_at: float = 0.0
    served: threading.Event = field(default_factory=threading.Event)


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


def until_read(subject_ids: Sequence[UUID], seconds: float) -> bool:
    """Wait until what the log holds of these subjects now has been read, for so many seconds at most.

    Return whether it has. With no room to wait in this process, that is said at once.
    """
    reader = _Reader(next(_numbers), _held(subject_ids))
    with room() as granted:
        if not granted:
            return not _unread([reader])
        with slots.rest():
            return _watch.wait(reader, seconds)


class _Watch:
    """A thread that looks for all who wait. It begins with the first of them, and ends with the last."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers: set[_Reader] = set()
        self._looking = False

    def wait(self, reader: _Reader, seconds: float) -> bool:
        """Wait for a reader's turn, for so many seconds at most; return whether it came."""
        try:
            with self._changed:
                self._readers.add(reader)
                if not self._looking:
                    threading.Thread(target=self._look, name="honcho-waiting", daemon=True).start()
                    self._looking = True
            return reader.served.wait(seconds)
        finally:
            with self._changed:
                self._readers.discard(reader)
                self._changed.notify()

    def _look(self) -> None:
        try:
            while readers := self._those_who_wait():
                try:
                    self._serve(readers)
                except DatabaseError as error:
                    log.warning("database_unavailable", error=type(error).__name__)
                    connection.close()
                except Exception as error:  # one who hears of it failed: all others would wait in vain from then on
                    log.error("waiting_broken", error=type(error).__name__)
                    connection.close()
                with self._changed:
                    self._changed.wait_for(lambda: not self._readers, _LOOK_SECONDS)
        finally:
            connection.close()

    def _those_who_wait(self) -> Sequence[_Reader]:
        """Return them; with none of them, this thread ends."""
        with self._changed:
            self._looking = bool(self._readers)
            return list(self._readers)

    def _serve(self, readers: Sequence[_Reader]) -> None:
        unread = _unread(readers)
        for reader in readers:
            if reader.number not in unread:
                reader.served.set()
        now = time.monotonic()
        asked = [reader for reader in readers if reader.number in unread and reader.ask_at <= now]
        for reader in asked:
            reader.ask_at = now + _ASK_SECONDS
        if asked:
            subjects = {held.subject_id for reader in asked for held in reader.held}
            signals.reading_awaited.send(sender=None, subject_ids=list(subjects))


_numbers = itertools.count()
_watch = _Watch()


def _held(subject_ids: Sequence[UUID]) -> list[_Held]:
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(subject_ids)])
        return [_Held(*row) for row in cursor.fetchall()]


def _unread(readers: Sequence[_Reader]) -> set[int]:
    """Return the numbers of those readers who still wait for something."""
    rows = [(reader.number, held) for reader in readers for held in reader.held]
    values: dict[str, Any] = {
        "readers": [number for number, _ in rows],
        "subjects": [held.subject_id for _, held in rows],
        "heads": [held.head for _, held in rows],
        "newest": [held.newest for _, held in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, values)
        return {number for (number,) in cursor.fetchall()}
