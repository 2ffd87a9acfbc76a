"""Storing lines of a file, a batch of one type at a time: checked, inserted, and compared with what is there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, connection, models, transaction

from memory import ids
from memory.errors import Conflict, Invalid
from memory.models import Erasure, Subject
from memory.transfer import formats
from memory.transfer.formats import Row, Table

_CLIENT_ID_TAKEN = "memory_clientid_pkey"

OTHERWISE = "Import it with ids=new to give everything in the file new ids."


@dataclass(frozen=True, slots=True)
class Given:
    """A row as a line of the file gives it, and the id that it has there.

    A reference only names a user, a project or a session.
    """

    line: int
    row: Row
    id: UUID | None
    reference: bool = False


Keys = set[tuple[Any, ...]]


def store(app_id: UUID, table: Table, batch: Sequence[Given]) -> Keys:
    """Store rows of one type in an app, and return the keys of those that were not there yet.

    Raises :class:`Invalid` for a row that names what the app does not have, and :class:`Conflict` for one that is there
    already and differs.
    """
    _refuse_erased(table, batch)
    _check_references(app_id, table, batch)
    if table.updates:
        return _fill_in(app_id, table, batch)
    stored: Keys = set()
    for reference in (True, False):
        part = [given for given in batch if given.reference == reference]
        if part:
            stored |= _insert_or_compare(app_id, table, part, reference)
    return stored


def _refuse_erased(table: Table, batch: Sequence[Given]) -> None:
    """Refuse what was erased here, under whatever id it comes back: receipts name these kinds of thing alone."""
    if table.name not in Erasure.What:
        return
    lines = {given.id: given.line for given in batch if given.id is not None}
    found = Erasure.objects.filter(target__in=lines.keys()).values_list("target", flat=True).first()
    if found is not None:
        raise Conflict(f"Line {lines[found]}: this {table.name} was erased here, and does not come back.")


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def _insert_or_compare(app_id: UUID, table: Table, batch: Sequence[Given], reference: bool) -> Keys:
    columns = formats.REFERENCE_COLUMNS[table.name] if reference else table.columns
    _refuse_twice(table, batch)
    new = _insert_each(app_id, table, columns, batch)
    known = [given for given in batch if _key(table, given.row) not in new]
    if known:
        _compare(app_id, table, columns, known)
    if reference and new:
        _give_subjects(app_id, table, [given for given in batch if _key(table, given.row) in new])
    return new


def _refuse_twice(table: Table, batch: Sequence[Given]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for given in batch:
        first = seen.setdefault(_key(table, given.row), given.line)
        if first != given.line:
            raise Conflict(f"Line {given.line}: it says again what line {first} said.")


def _insert_each(app_id: UUID, table: Table, columns: Sequence[str], batch: Sequence[Given]) -> Keys:
    """Insert rows and return the keys of those that were new; what the database refuses is named by its line."""
    try:
        with transaction.atomic():
            return _insert(app_id, table, columns, batch)
    except (IntegrityError, DataError) as error:
        if len(batch) == 1:
            refused = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
            if refused == _CLIENT_ID_TAKEN:
                raise _taken(batch[0], table) from None
            raise Invalid(
                f"Line {batch[0].line}: the database cannot hold this {table.name} ({refused or 'a value'})."
            ) from None
    return set().union(*(_insert_each(app_id, table, columns, [given]) for given in batch))


def _insert(app_id: UUID, table: Table, columns: Sequence[str], batch: Sequence[Given]) -> Keys:
    model = table.model._meta
    types = ", ".join(f'"{name}" {_type(table, name)}' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    of_app = ("app_id, ", "%(app)s, ") if table.of_app else ("", "")
    statement = f"""
INSERT INTO {model.db_table} ({of_app[0]}{names}) SELECT {of_app[1]}{names}
  FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS ({types})) WITH ORDINALITY AS given ({names}, nth)
 WHERE NOT EXISTS (SELECT FROM {model.db_table} there
                    WHERE {" AND ".join(f'there."{name}" = given."{name}"' for name in table.key)})
 ORDER BY nth
ON CONFLICT DO NOTHING RETURNING {", ".join(f'"{name}"' for name in table.key)}
"""  # noqa: S608 - names of our own tables
    with connection.cursor() as cursor:
        cursor.execute(statement, {"app": app_id, "rows": _as_json([given.row for given in batch])})
        return set(cursor.fetchall())


def _type(table: Table, name: str) -> str:
    found = table.fields[name].db_type(connection)
    assert found is not None
    return found


def _as_json(rows: Iterable[Row]) -> str:
    return json.dumps(list(rows), default=str, ensure_ascii=False)


def _compare(app_id: UUID, table: Table, columns: Sequence[str], known: Sequence[Given]) -> None:
    """Refuse rows that are there already in another form, here or in another app."""
    there = _there(app_id, table, columns, known)
    fields = [table.fields[name] for name in columns]
    for given in known:
        found = there.get(_key(table, given.row))
        if found is None:
            raise _taken(given, table)
        said = formats.rendered(fields, [given.row[name] for name in columns])
        here, values = found
        if not here or formats.rendered(fields, values) != said:
            raise Conflict(
                f"Line {given.line}: this {table.name} is stored already, and is not the same, or not in this app."
                f" {OTHERWISE}"
            )


def _taken(given: Given, table: Table) -> Conflict:
    return Conflict(
        f"Line {given.line}: another {table.name} of this app has its name, its number or its place already."
    )


def _there(
    app_id: UUID, table: Table, columns: Sequence[str], known: Sequence[Given]
) -> dict[tuple[Any, ...], tuple[bool, Sequence[Any]]]:
    """Return the stored rows with the keys of these, by key, and whether each is of this app, as far as it says so."""
    keys = ", ".join(f'"{name}" {_type(table, name)}' for name in table.key)
    shown = ", ".join(f'there."{name}"' for name in (*table.key, *columns))
    same = " AND ".join(f'there."{name}" = given."{name}"' for name in table.key)
    here = "there.app_id = %s" if table.of_app else "%s::uuid IS NOT NULL"
    statement = (
        f"SELECT {here}, {shown} FROM jsonb_to_recordset(%s::jsonb) AS given ({keys})"  # noqa: S608 - our own names
        f" JOIN {table.model._meta.db_table} there ON {same}"
    )
    rows = _as_json({name: given.row[name] for name in table.key} for given in known)
    size = 1 + len(table.key)
    with connection.cursor() as cursor:
        cursor.execute(statement, [app_id, rows])
        return {tuple(found[1:size]): (found[0], found[size:]) for found in cursor.fetchall()}


def _give_subjects(app_id: UUID, table: Table, made: Collection[Given]) -> None:
    """Give what was only named a subject, as whatever is made in an app has one."""
    kind = Subject.Kind(table.name)
    Subject.objects.bulk_create(
        Subject(app_id=app_id, kind=kind, **{f"{kind.value}_id": given.row["id"]}) for given in made
    )


def _fill_in(app_id: UUID, table: Table, batch: Sequence[Given]) -> Keys:
    """Let rows that say nothing yet say what these lines do; return the keys of those that did."""
    columns = [name for name in table.columns if name not in table.key]
    types = ", ".join(f'"{name}" {_type(table, name)}' for name in table.columns)
    nothing = " AND ".join(f'row."{name}" IS NULL' for name in columns)
    statement = f"""
UPDATE {table.model._meta.db_table} row SET {", ".join(f'"{name}" = given."{name}"' for name in columns)}
  FROM jsonb_to_recordset(%s::jsonb) AS given ({types})
 WHERE row.id = given.id AND {nothing} RETURNING row.id
"""  # noqa: S608 - names of our own tables
    with connection.cursor() as cursor:
        cursor.execute(statement, [_as_json(given.row for given in batch)])
        filled = set(cursor.fetchall())
    known = [given for given in batch if _key(table, given.row) not in filled]
    if known:
        _compare(app_id, table, table.columns, known)
    return filled


def _check_references(app_id: UUID, table: Table, batch: Sequence[Given]) -> None:
    """Refuse rows that name what is not in this app, and such as bring two subjects together."""
    named = {**table.references, **({"id": table.model} if table.updates else {})}
    owners = {
        model: _owners(
            app_id, model, {given.row.get(name) for given in batch for name in named if named[name] is model}
        )
        for model in set(named.values())
    }
    for given in batch:
        subjects = set()
        for name, model in named.items():
            value = given.row.get(name)
            if value is None:
                continue
            if value not in owners[model]:
                raise Invalid(
                    f"Line {given.line}: {name} {ids.encode(value)} is neither in this app nor in the file before.",
                    (given.line, name),
                )
            subjects.add(owners[model][value])
        if len(subjects - {None}) > 1:
            raise Invalid(f"Line {given.line}: this {table.name} brings together what belongs to different subjects.")
        if table.model in owners and not table.updates:  # a version names versions of its own batch
            owners[table.model][given.row["id"]] = given.row["subject_id"]


def _owners(app_id: UUID, model: type[models.Model], named: set[UUID | None]) -> dict[UUID, UUID | None]:
    """Return which of these rows are in the app, and the subject that each belongs to, None for those of the app."""
    table = next(table for table in formats.TABLES if table.model is model)
    rows = model._default_manager.filter(pk__in=named - {None})
    if model is Subject:
        return {pk: pk for pk in rows.filter(app=app_id).values_list("pk", flat=True)}
    if table.subject is None:
        return dict.fromkeys(rows.filter(app=app_id).values_list("pk", flat=True))
    return dict(rows.filter(**{f"{table.subject}__app": app_id}).values_list("pk", table.subject))
