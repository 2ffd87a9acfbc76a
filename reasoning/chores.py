"""What has to be done again and again beside the passes: looked at by any drainer, done by one at a time.

A chore is a function that does a bounded part of what there is to do, in transactions of its own, and returns whether
it did anything. It keeps what it must remember in rows: it may be run too often, or by two hosts one after the other.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, connection

from memory import partitions
from memory.erasure import vacuum
from memory.search import upkeep
from memory.webhooks import delivery
from reasoning import consolidation, trials
from reasoning.experiments import watch
from reasoning.reprocessing import advance, batches

log = structlog.get_logger("honcho.reasoning")


@dataclass(frozen=True, slots=True)
class Chore:
    """A function, and how often it is run, in seconds; one that ``goes_on`` is run again at once where it did some."""

    run: Callable[[], bool]
    every: float
    goes_on: bool = False

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"{self.run.__module__}.{self.run.__name__}"


def everything() -> list[Chore]:
    """Return all chores."""
    return [
        Chore(advance.advance, every=1.0),
        Chore(watch.pause_arms_that_breach, every=30.0),
        Chore(consolidation.schedule, every=30.0),
        Chore(batches.carry, every=5.0),
        Chore(vacuum.vacuum_erased, every=30.0),
        Chore(partitions.keep_up, every=600.0),
        Chore(upkeep.index_passages, every=2.0, goes_on=True),
        Chore(upkeep.make_embeddings, every=2.0, goes_on=True),
        Chore(delivery.start_due, every=1.0),
        Chore(trials.start_due, every=1.0),
    ]


class Chores:
    """Runs each chore when its time has come, unless another process is at it."""

    def __init__(self, chores: list[Chore] | None = None) -> None:
        self._chores = everything() if chores is None else chores
        self._next = dict.fromkeys(range(len(self._chores)), 0.0)
        self._going_on: set[int] = set()

    @property
    def going_on(self) -> bool:
        """Whether a chore has more to do at once."""
        return bool(self._going_on)

    def run(self, *, now: bool = False) -> bool:
        """Run what is due, or everything ``now``; return whether anything was done. A chore that fails is logged."""
        busy = False
        for place, chore in enumerate(self._chores):
            if now or time.monotonic() >= self._next[place]:
                did = _alone(chore)
                busy |= did
                if did and chore.goes_on:
                    self._going_on.add(place)
                else:
                    self._going_on.discard(place)
                    self._next[place] = time.monotonic() + chore.every
        return busy


def _alone(chore: Chore) -> bool:
    """Run a chore if no other process does, and say whether it did anything."""
    key = zlib.crc32(chore.name.encode())
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, key - 2**31])
            if not cursor.fetchone()[0]:
                return False
            try:
                return chore.run()
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, key - 2**31])
    except DatabaseError as error:
        log.warning("chore_failed", chore=chore.name, error=type(error).__name__)
    except Exception as error:
        # Not the message: it may tell what was said.
        log.error("chore_broken", chore=chore.name, error=type(error).__name__)
    finally:
        connection.close()
    return False


_LOCKS = 0x686F6E63
"""The first half of our advisory locks: they are nobody else's."""
