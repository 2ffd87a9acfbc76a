"""The database engine knows whether its connection stands without asking the server."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections

from memory.statements import rows

pytestmark = pytest.mark.django_db(transaction=True)

_LAST_ASKED = "SELECT query, query_start FROM pg_stat_activity WHERE pid = %s"


@pytest.fixture
def other() -> Iterator[Any]:
    made = connections.create_connection("default")
    made.connect()
    yield made
    made.close()


def asked(statement: str, pid: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, [pid])
        return cursor.fetchone()


def test_a_connection_that_stands_is_usable_and_the_server_is_asked_nothing(other: Any) -> None:
    pid = other.connection.info.backend_pid
    before = asked(_LAST_ASKED, pid)
    assert other.is_usable()
    assert asked(_LAST_ASKED, pid) == before


def test_one_that_the_server_has_ended_is_not(other: Any) -> None:
    asked("SELECT pg_terminate_backend(%s, 5000)", other.connection.info.backend_pid)
    assert not other.is_usable()


def test_one_with_something_to_read_that_stands_is(other: Any) -> None:
    with other.cursor() as cursor:
        cursor.execute("LISTEN something")
    asked("SELECT pg_notify('something', %s::text)", 1)
    assert other.is_usable()


def test_one_that_was_closed_is_not(other: Any) -> None:
    other.connection.close()
    assert not other.is_usable()


def test_a_read_past_djangos_cursor_opens_a_connection_that_was_ended_anew(other: Any) -> None:
    rows("SELECT 1", [])
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
    here: Any = connections["default"]
    here.health_check_enabled, here.health_check_done = True, False  # as when a request begins
    assert rows("SELECT 1", []) == [(1,)]
