"""Looks a few times a second whether the loop goes on, and keeps how long it ever stood still."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

EVERY_SECONDS = 0.25

LOOK = """
SELECT (SELECT count(*) FROM memory_representation WHERE status = 'published'),
       (SELECT count(*) FROM memory_feedentry WHERE position IS NULL)
       + (SELECT count(*) FROM reasoning_work WHERE due_at <= now() OR state = 'leased'),
       (SELECT count(*) FROM reasoning_work WHERE state <> 'idle')
       + (SELECT count(*) FROM memory_feedentry WHERE position IS NULL),
       (SELECT count(*) FROM reasoning_work WHERE state = 'parked')
"""


@dataclass(frozen=True)
class Look:
    """What was seen at a moment (``time.monotonic()``): versions, what should be worked on or is, what waits at all."""

    at: float
    published: int
    due: int
    waiting: int
    parked: int


class Watch:
    """A thread that looks, between ``start`` and ``stop``.

    ``longest`` is the longest time in which something was due (or leased: whoever holds it may be dead), the provider
    was well, and nothing was published. A time in which the database was away counts: nobody was served then.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], well: Callable[[], bool]) -> None:
        self.looks: list[Look] = []
        self.longest = 0.0
        self.longest_at = 0.0
        self._connect, self._well = connect, well
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._moved = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        self._moved = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def latest(self) -> Look | None:
        """The last look, if it is not an old one."""
        last = self.looks[-1] if self.looks else None
        return last if last is not None and time.monotonic() - last.at < 4 * EVERY_SECONDS else None

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopped.wait(EVERY_SECONDS):
            try:
                if connection is None or connection.closed:
                    connection = self._connect()
                at = time.monotonic()
                row = connection.execute(LOOK).fetchone()
            except psycopg.Error:
                if connection is not None:
                    connection.close()
                connection = None
            else:
                self._note(Look(at, *row))
            if not self._well():
                self._moved = time.monotonic()
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _note(self, look: Look) -> None:
        before = self.looks[-1] if self.looks else None
        self.looks.append(look)
        stood = look.at - self._moved
        if stood > self.longest and before is not None and before.due:
            self.longest, self.longest_at = stood, look.at
        if not look.due or (before is not None and look.published > before.published):
            self._moved = look.at

    def recovery(self, moment: float) -> float | None:
        """Return how long after ``moment`` something was published again; None where nothing was due or none came."""
        after = [look for look in self.looks if look.at >= moment]
        before = [look for look in self.looks if look.at < moment]
        if not after or not before or not (after[0].due or before[-1].due):
            return None
        for look in after:
            if look.published > before[-1].published:
                return look.at - moment
            if not look.waiting:
                return None
        return None
