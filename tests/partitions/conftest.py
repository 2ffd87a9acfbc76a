"""What the tests of partitions share: a log with two old months, and a clock for the ids that are written."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
import uuid_utils.compat

from memory import ids, partitions
from memory.partitions import Partition
from reasoning import following, passes, queue
from reasoning.models import Work
from tests.loop.helpers import AT_ONCE, completion, prepared, truthful

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture(autouse=True)
def months(transactional_db) -> Iterator[None]:
    """Partitions for January and February; whatever a test leaves is taken away."""
    for name, first, before in (("01", JANUARY, FEBRUARY), ("02", FEBRUARY, MARCH)):
        made = partitions.make(Partition(f"memory_event_2026_{name}", ids.first_at(first), ids.first_at(before)))
        assert made == f"memory_event_2026_{name}"
    yield
    for one in partitions.partitions():
        if not one.is_default:
            drop(one)


def drop(one: Partition) -> None:
    """Take a partition away."""

    def do() -> None:
        partitions.lock()
        partitions.drop(one)

    partitions.patiently(do)


def read() -> None:
    """Let everything that waits be read, as a drainer does, until nothing does."""
    while following.take_in() or queue_is_due():
        for claim in queue.claim(100, "d1"):
            ready = prepared(claim)
            passes.complete(ready, completion(truthful(ready.request)))


def queue_is_due() -> bool:
    """Whether a row of work waits."""
    return Work.objects.filter(state=Work.State.WAITING).exists()


def at(moment: datetime) -> UUID:
    """An id such as is made at a moment."""
    return UUID(int=ids.first_at(moment).int | 7 << 76 | 2 << 62 | random.getrandbits(62))


@pytest.fixture
def month(monkeypatch) -> Callable[[datetime | None], None]:
    """Let events get ids as if they were written at a moment: the library that makes them asks the machine's clock."""
    made = count(1)

    def write_in(moment: datetime | None) -> None:
        if moment is None:
            monkeypatch.setattr(ids, "uuid7", uuid_utils.compat.uuid7)
            return
        day = moment + timedelta(days=1)
        monkeypatch.setattr(ids, "uuid7", lambda: at(day + timedelta(seconds=next(made))))

    return write_in
