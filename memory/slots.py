"""How many requests of a web process work at a time, each with a database connection; any number may rest meanwhile.

A server that has a thread for each request it holds would need a connection for each as well, for Django keeps them by
thread. Here a process has a few slots with a connection each: whoever works occupies one, and whoever waits for
something else rests without. Where nobody has set a limit, threads have connections of their own, as ever.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from prometheus_client import Counter

T = TypeVar("T")

Slot = dict[str, BaseDatabaseWrapper]
"""The connections of one, by alias; they open when they are used first."""

WAITED = Counter("honcho_slot_waits_total", "Requests that found every slot occupied.")
WAITED_SECONDS = Counter("honcho_slot_wait_seconds_total", "How long requests have waited for a slot.")

_free: queue.LifoQueue[Slot] | None = None
_thread = threading.local()


def limit(most: int) -> None:
    """Let so many requests of this process work at a time, from now on."""
    global _free
    _free = queue.LifoQueue()  # the one that was used last: at little load, few connections are open
    for _ in range(most):
        _free.put({})


@contextmanager
def work() -> Iterator[None]:
    """Work in a slot, as soon as there is one; within another ``work`` in that one."""
    if _free is None or getattr(_thread, "slot", None) is not None:
        yield
        return
    _occupy(_free)
    try:
        yield
    finally:
        _vacate(_free)


@contextmanager
def rest() -> Iterator[None]:
    """Leave this thread's slot to others, while waiting for something that may take long.

    Where there are no slots, the database connection is given back; the next statement opens another. Within a
    transaction both stay: that is the caller's.
    """
    if connection.in_atomic_block:
        yield
    elif _free is None or getattr(_thread, "slot", None) is None:
        connection.close()
        yield
    else:
        _vacate(_free)
        try:
            yield
        finally:
            _occupy(_free)


def working(chunks: Generator[T]) -> Generator[T]:
    """Yield what a generator does, each piece made in a slot: who is slow to take them in occupies none."""
    try:
        while True:
            with work():
                try:
                    chunk = next(chunks)
                except StopIteration:
                    return
            yield chunk
    finally:
        with work():
            chunks.close()


def _occupy(free: queue.LifoQueue[Slot]) -> None:
    slot = _take(free)
    for alias in connections:
        if alias not in slot:
            slot[alias] = connections.create_connection(alias)
            slot[alias].inc_thread_sharing()
        connections[alias] = slot[alias]
        slot[alias].close_if_unusable_or_obsolete()  # Django does so when a request begins, and not in its middle
    _thread.slot = slot


def _take(free: queue.LifoQueue[Slot]) -> Slot:
    try:
        return free.get_nowait()
    except queue.Empty:
        begun = time.monotonic()
        slot = free.get()
        WAITED.inc()
        WAITED_SECONDS.inc(time.monotonic() - begun)
        return slot


def _vacate(free: queue.LifoQueue[Slot]) -> None:
    slot, _thread.slot = _thread.slot, None
    for alias in slot:
        del connections[alias]
    free.put(slot)
