"""The partitions of the log, by time: its ids are in order of time, so a range of ids is a range of time.

The log has one partition to begin with, the default: whatever no other one takes lies there, so nothing is ever
refused for want of a partition. ``HONCHO["LOG_PARTITIONS"]`` asks for one a month, a quarter or a year; they are made
ahead of time. ``memory.archiving`` takes old ones away.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from memory import clock, ids
from memory.conf import MemorySettings
from memory.errors import Conflict

log = structlog.get_logger("honcho.memory")

T = TypeVar("T")

TABLE = "memory_event"
AHEAD = 2
"""So many partitions are made before their time comes."""

MONTHS = {"month": 1, "quarter": 3, "year": 12}

LOCK_MILLISECONDS = 500
"""So long a lock on the log is waited for: writers queue behind who waits."""

ATTEMPTS = 40
_PAUSE_SECONDS = 0.5
_STATISTICS_AGE = timedelta(days=1)

_LOCK = 0x686F6E70
"""Whoever changes partitions is alone: an advisory lock."""

_COMING = "partition_is_coming"
"""While it stands, the default partition takes nothing that a partition which is being made shall take."""

_PARTITIONS = """
SELECT part.relname, pg_get_expr(part.relpartbound, part.oid)
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = %s::regclass
"""
_BOUNDS = re.compile(r"FOR VALUES FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: it holds the events from id ``first`` up to, and without, ``before``; the default has neither."""

    name: str
    first: UUID | None = None
    before: UUID | None = None

    @property
    def is_default(self) -> bool:
        """Whether it takes what no other partition takes."""
        return self.before is None


def partitions() -> list[Partition]:
    """Return the partitions of the log, the oldest first and the default last."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [TABLE])
        found = [_partition(name, bounds) for name, bounds in cursor.fetchall()]
    return sorted(found, key=lambda one: (one.is_default, one.first or UUID(int=0)))


def _partition(name: str, bounds: str) -> Partition:
    if bounds == "DEFAULT":
        return Partition(name)
    found = _BOUNDS.fullmatch(bounds)
    if found is None:
        raise Conflict(f"The partition {name} has bounds that we have not made: {bounds}")
    return Partition(name, UUID(found[1]), UUID(found[2]))


def default() -> Partition:
    """Return the partition that takes what no other one takes."""
    return next(one for one in partitions() if one.is_default)


def make_ahead() -> list[str]:
    """Make the next partitions that the settings ask for and that are missing; return their names.

    Done again it changes nothing, and only one process does it at a time. Raises :class:`Conflict` where somebody
    holds the log for so long that it has to be tried again later.
    """
    every = MemorySettings.load().log_partitions
    with alone() as we:
        if not we:
            return []
        _clear_away()
        return [] if every is None else [name for name in map(make, _missing(every, clock.now())) if name]


def keep_up() -> bool:
    """Make the next partitions, and renew the log's statistics: a chore. Return whether anything was done."""
    made = make_ahead()
    return bool(analyze_log() or made)


def missing() -> list[Partition]:
    """Return the partitions that the settings ask for and that are not there."""
    every = MemorySettings.load().log_partitions
    return [] if every is None else list(_missing(every, clock.now()))


def _missing(every: str, now: datetime) -> Iterator[Partition]:
    ends = [one.before for one in partitions() if one.before is not None]
    made = max(ends, default=UUID(int=0))
    for begin, end in _periods(every, now):
        first, before = ids.first_at(begin), ids.first_at(end)
        if before > made:
            yield Partition(_name(begin, every), max(first, made), before)


def _periods(every: str, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the next periods of a calendar in UTC: when each begins, and when the next one does."""
    months = MONTHS[every]
    moment = now.astimezone(UTC)
    period = (moment.year * 12 + moment.month - 1) // months
    for each in range(period + 1, period + 1 + AHEAD):
        yield _month(each * months), _month((each + 1) * months)


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _name(begin: datetime, every: str) -> str:
    within = {"month": f"_{begin:%m}", "quarter": f"_q{(begin.month + 2) // 3}", "year": ""}[every]
    return f"{TABLE}_{begin.year}{within}"


def make(wanted: Partition) -> str | None:
    """Make a partition and return its name, or None where the default one has rows for it.

    That one is looked through without a lock that anybody waits for, not as it would be when a partition is attached.
    Raises :class:`Conflict` where somebody holds the log for long.
    """
    rest = default().name
    bounds = f"id < '{wanted.first}' OR id >= '{wanted.before}'"
    patiently(lambda: _run(f"ALTER TABLE {rest} ADD CONSTRAINT {_COMING} CHECK ({bounds}) NOT VALID"))
    try:
        _run(f"ALTER TABLE {rest} VALIDATE CONSTRAINT {_COMING}")  # looks through all, and nobody waits for it
    except IntegrityError:
        _clear_away()
        log.warning("log_partition_not_made", partition=wanted.name, reason="the default partition has rows for it")
        return None
    patiently(lambda: _attach(wanted, rest))
    return wanted.name


def _attach(wanted: Partition, rest: str) -> None:
    make_table(wanted.name)
    _run(
        f"ALTER TABLE {TABLE} ATTACH PARTITION {wanted.name} FOR VALUES FROM ('{wanted.first}') TO ('{wanted.before}')"
    )
    _run(f"ALTER TABLE {rest} DROP CONSTRAINT {_COMING}")


def _clear_away() -> None:
    """Take away what one who was killed has left: it would refuse events once their time comes."""
    rest = default().name
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s", [rest, _COMING])
        left = cursor.fetchone() is not None
    if left:
        patiently(lambda: _run(f"ALTER TABLE {rest} DROP CONSTRAINT {_COMING}"))


def make_table(name: str) -> None:
    """Make a table that can become a partition; what it lacks it gets when it becomes one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE relname = %s", [default().name])
        options = cursor.fetchone()[0]
    _run(
        f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
        + (f" WITH ({options})" if options else "")
    )


def lock() -> None:
    """Lock the log against everybody until the transaction ends."""
    _run(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")


def drop(partition: Partition) -> None:
    """Take a partition away with all that is in it, in the caller's transaction, which has locked the log.

    An empty default takes the place of the default.
    """
    rest = default() if partition.is_default else None
    if rest is not None:
        make_table(f"{TABLE}_next")
    _run(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name}")
    _run(f"DROP TABLE {partition.name}")
    if rest is not None:
        _run(f"ALTER TABLE {TABLE}_next RENAME TO {partition.name}")
        _run(f"ALTER TABLE {TABLE} ATTACH PARTITION {partition.name} DEFAULT")


def analyze_log() -> bool:
    """Renew what the planner knows of the log as a whole, once a day. Return whether it was done.

    Autovacuum does it for each partition, and never for what they make up together.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_analyze FROM pg_stat_user_tables WHERE relid = %s::regclass", [TABLE])
        row = cursor.fetchone()
        if row and row[0] is not None and row[0] > clock.now() - _STATISTICS_AGE:
            return False
        cursor.execute(f"ANALYZE {TABLE}")
    return True


@contextmanager
def alone() -> Iterator[bool]:
    """Say whether nobody else changes partitions; nobody does until the end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        [got] = cursor.fetchone()
        try:
            yield got
        finally:
            if got:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def patiently(act: Callable[[], T]) -> T:
    """Do something in a transaction that waits for no lock for long, again and again; return what it returns.

    Raises :class:`Conflict` where somebody held a lock every time.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        try:
            with transaction.atomic():
                _run(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                return act()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                raise
    raise Conflict(
        "A long transaction holds the log: nothing of this step was done. End it (see pg_stat_activity) and try again."
    )


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
