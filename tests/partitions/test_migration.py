"""The log becomes a partitioned table, and one table again, with all that it holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from memory import log, partitions
from memory.log import NewEvent
from memory.models import ClientId, Event
from tests.partitions.conftest import drop
from tests.store.helpers import refused

BEFORE = "0035_room_for_updates"


COPY = (
    "INSERT INTO memory_event (id, app_id, user_id, origin, kind, content, client_id, occurred_at, recorded_at, tokens)"
    " SELECT gen_random_uuid(), app_id, user_id, origin, kind, content, client_id, occurred_at, recorded_at, tokens"
    "   FROM memory_event"
)


def migrate(name: str) -> None:
    MigrationExecutor(connection).migrate([("memory", name)])


def newest() -> str:
    return next(name for app, name in MigrationExecutor(connection).loader.graph.leaf_nodes() if app == "memory")


@pytest.fixture(autouse=True)
def at_the_newest() -> Iterator[None]:
    yield
    migrate(newest())


@pytest.fixture
def one_partition() -> None:
    for one in partitions.partitions():
        if not one.is_default:
            drop(one)


def shape() -> list[tuple[str, ...]]:
    """What the log's table has: its indexes and constraints, by name and as they are made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, replace(indexdef, ' ONLY ', ' ') FROM pg_indexes WHERE tablename = 'memory_event'"
            " UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'memory_event'::regclass ORDER BY 1, 2"
        )
        return cursor.fetchall()


def test_forwards_and_back_nothing_is_lost_and_no_row_is_looked_through(one_partition):
    partitioned = shape()
    [kept] = log.append("harbour", [NewEvent(content="Hello.", client_id="m-1")], user="ana")
    migrate(BEFORE)
    assert {name for name, _ in shape()} >= {
        "event_client_id_unique_for_user",
        "event_session_order",
        "memory_event_pkey",
        "memory_event_session_id_same_app",
    }
    assert "event_client_id_unique_for_user" in refused(COPY)
    told: list[str] = []
    connection.connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = debug1")
        migrate(newest())
        cursor.execute("RESET client_min_messages")
    assert any("memory_archive" in line for line in told), "it is told what is done"
    assert not [line for line in told if "verifying table" in line or "rewriting table" in line]
    assert shape() == partitioned
    assert ClientId.objects.get().event_id == kept.id
    [again] = log.append("harbour", [NewEvent(content="Hello.", client_id="m-1")], user="ana")
    assert (again.id, again.created) == (kept.id, False)
    assert Event.objects.get().content == "Hello."


def test_there_is_no_way_back_from_several_partitions():
    with pytest.raises(RuntimeError, match="restore a backup"):
        migrate(BEFORE)
    assert len(partitions.partitions()) == 3
