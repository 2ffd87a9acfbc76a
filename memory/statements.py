"""Running a statement in the least time: values bound by the server, results in binary, nothing between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, Generic, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS
from django.db import connection as database
from django.db.models import Field, JSONField, Model
from psycopg.types.json import Jsonb

from memory import replica

M = TypeVar("M", bound=Model)


def rows(statement: str, values: Sequence[Any] | Mapping[str, Any], *, prepare: bool | None = None) -> list[Any]:
    """Return the rows of a statement, as psycopg reads them.

    A cursor of Django's writes values into the text and reads text: twice the work where what is read is packed. Who
    looks on (``CaptureQueriesContext``, ``execute_wrapper``, ``DEBUG``) sees the statement all the same. With
    ``prepare`` False no connection keeps its plan: for what is planned otherwise for other values.
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
        return cursor.execute(statement.encode(), values, prepare=prepare, binary=True).fetchall()


def array(values: Iterable[Any]) -> str:
    """Return numbers or truths as the text of an array: quicker than one by one."""
    return f"{{{','.join(map(str, values))}}}"


class Columns(Generic[M]):
    """What a statement selects of a model's rows, the key first: all fields, or the chosen."""

    def __init__(self, model: type[M], *chosen: str) -> None:
        self.model = model
        self.fields = fields(model, "pk", *chosen) if chosen else model._meta.concrete_fields
        self.attributes = [field.attname for field in self.fields]

    def of(self, alias: str) -> str:
        """Return them as they are written after SELECT."""
        return ", ".join(f'{alias}."{field.column}"' for field in self.fields)

    def read(self, values: Iterator[Any]) -> M:
        """Return the row that the next of a statement's ``values`` are."""
        return self.model.from_db(DEFAULT_DB_ALIAS, self.attributes, list(islice(values, len(self.attributes))))

    def maybe(self, values: Iterator[Any]) -> M | None:
        """Return the row that the next of ``values`` are; None where an outer join has found none."""
        row = self.read(values)
        return None if row.pk is None else row


def save(row: Model, *chosen: str) -> None:
    """Write these fields of a row."""
    key, *written = values(row, "pk", *chosen)
    rows(_save(type(row), chosen), [*written, key])


@cache
def _save(model: type[Model], chosen: tuple[str, ...]) -> str:
    key, *written = fields(model, "pk", *chosen)
    changes = ", ".join(f'"{field.column}" = %s' for field in written)
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{key.column}" = %s RETURNING 1'  # noqa: S608


def update(changed: Sequence[Model], *chosen: str) -> None:
    """Write these fields of rows of one model, all in one statement."""
    if changed:
        columns = zip(*(values(row, "pk", *chosen) for row in changed), strict=True)
        rows(_update(type(changed[0]), chosen), [list(column) for column in columns])


@cache
def _update(model: type[Model], chosen: tuple[str, ...]) -> str:
    key, *written = fields(model, "pk", *chosen)
    changes = ", ".join(f'"{field.column}" = new."{field.column}"' for field in written)
    arrays = ", ".join(f"%s::{field.db_type(database)}[]" for field in (key, *written))
    named = names(model, "pk", *chosen)
    return (
        f'UPDATE "{model._meta.db_table}" old SET {changes} FROM unnest({arrays}) AS new ({named})'  # noqa: S608
        f' WHERE old."{key.column}" = new."{key.column}" RETURNING 1'
    )


def fields(model: type[Model], *chosen: str) -> list[Any]:
    """Return fields of a model by their names; ``pk`` is its key."""
    return [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in chosen]


def names(model: type[Model], *chosen: str) -> str:
    """Return the columns of fields, as a statement lists them."""
    return ", ".join(f'"{field.column}"' for field in fields(model, *chosen))


def values(row: Model, *chosen: str) -> list[Any]:
    """Return what fields of a row hold, for a statement to take: choices are text, what is JSON is sent as such."""
    return [_value(field, getattr(row, field.attname)) for field in fields(type(row), *chosen)]


def _value(field: Field[Any, Any], value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    return value if value is None or not isinstance(field, JSONField) else Jsonb(value)
