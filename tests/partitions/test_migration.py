"""The log becomes a partitioned table, and one table again, with all that it holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from memory import log, partitions
from memory.erasure import act
from memory.log import NewEvent
from memory.models import ClientId, Event
from tests.partitions.conftest import drop
from tests.store.helpers import is_waited_for, person, refused, together, until

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


def test_an_event_that_is_erased_while_the_ids_of_clients_are_added_leaves_none():
    kept, gone = log.append("harbour", [NewEvent(client_id="m-1"), NewEvent(client_id="m-2")], user="ana")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM memory_clientid")
    erased, ended = threading.Event(), threading.Event()

    def erase() -> None:
        with transaction.atomic():
            act.erase(Event.objects.get(pk=gone.id))
            erased.set()
            until(lambda: ended.is_set() or is_waited_for(), "they are added, or the erasure is waited for")

    def add() -> None:
        assert erased.wait(30)
        with connection.schema_editor(atomic=False) as editor:
            import_module("memory.migrations.0037_client_ids_before").add(None, editor)
        ended.set()

    together(erase, add)
    assert list(ClientId.objects.values_list("client_id", "event_id")) == [("m-1", kept.id)]


LOOKED_UP = "SELECT FROM memory_app, memory_user, memory_session, memory_project, memory_participant, memory_subject"
WRITTEN = (
    "WITH event AS (INSERT INTO memory_event (id, app_id, user_id, origin, kind, content, occurred_at, recorded_at,"
    " tokens) SELECT gen_random_uuid(), app_id, user_id, 'user', 'message', 'x', now(), now(), 1 FROM memory_subject"
    " RETURNING id) INSERT INTO memory_feedentry (event_id, subject_id)"
    " SELECT event.id, subject.id FROM event, memory_subject subject"
)


def test_who_has_looked_up_where_to_write_writes_while_the_log_is_migrated(one_partition):
    person()
    migrate(BEFORE)
    waited: list[str] = []
    for name in ("0036_client_ids", "0038_archives", "0039_partitioned_log", "0040_implied_keys", "0041_held_places"):
        looked_up, migrated = threading.Event(), threading.Event()

        def write(name: str = name, looked_up: threading.Event = looked_up, end: threading.Event = migrated) -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(LOOKED_UP)
                looked_up.set()
                if until(lambda: is_waited_for() or end.is_set(), "the migration waits, or has no need to"):
                    waited.extend([name] if is_waited_for() else [])
                cursor.execute(WRITTEN)

        def migrate_meanwhile(
            name: str = name, looked_up: threading.Event = looked_up, end: threading.Event = migrated
        ) -> None:
            assert looked_up.wait(30)
            migrate(name)
            end.set()

        together(write, migrate_meanwhile)
    assert waited[-4:] == ["0038_archives", "0039_partitioned_log", "0040_implied_keys", "0041_held_places"]
    assert Event.objects.count() == 5


def test_there_is_no_way_back_from_several_partitions():
    with pytest.raises(RuntimeError, match="restore a backup"):
        migrate(BEFORE)
    assert len(partitions.partitions()) == 3
