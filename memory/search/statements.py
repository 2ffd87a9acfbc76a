"""Running a statement in the least time: values bound by the server, results in binary, nothing between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def rows(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """Return the rows of a statement, as psycopg reads them.

    A cursor of Django's writes values into the text and reads text: twice the work where what is read is packed.
    """
    connection = connections[DEFAULT_DB_ALIAS]  # not each time that it is named below, as by django.db.connection
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement.encode(), values, binary=True).fetchall()


def array(values: Iterable[Any]) -> str:
    """Return numbers or truths as the text of an array: quicker than one by one."""
    return f"{{{','.join(map(str, values))}}}"
