"""Running a statement in the least time: values bound by the server, results in binary, nothing between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from memory import replica


def rows(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """Return the rows of a statement, as psycopg reads them.

    A cursor of Django's writes values into the text and reads text: twice the work where what is read is packed. Who
    looks on (``CaptureQueriesContext``, ``execute_wrapper``, ``DEBUG``) sees the statement all the same.
    """
    connection = replica.connection()
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        if connection.queries_logged or connection.execute_wrappers:
            cursor.format = psycopg.pq.Format.BINARY
            watch: Any = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
            watched = watch(cursor)
            watched.execute(statement, values)
            return list(watched.fetchall())
        return cursor.execute(statement.encode(), values, binary=True).fetchall()


def array(values: Iterable[Any]) -> str:
    """Return numbers or truths as the text of an array: quicker than one by one."""
    return f"{{{','.join(map(str, values))}}}"
