"""Copies of a world, thousands of times, by COPY: the same rows with other ids, times and names.

A copy of an id is that id at the copy's time, its last bits told apart by the copy's number; numbers of rows (passages,
spans) go on by a stride. What one copy refers to is its own, but for what all share: the app they go to, the prompt.
Of the huge user all copies are one history: positions and version numbers go on from copy to copy.

Triggers are off meanwhile: what they would have added is among the rows. Indexes that are slow to fill are made last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from benchmarks.growth import moulds, words, world
from benchmarks.growth.moulds import Bytes, Mould, Written
from memory import ids
from memory.models import App, Line, Subject
from memory.search.records import RECORD

YEAR = 365 * 86_400
"""The copies are spread over so many seconds."""

BATCH = 500
"""So many copies are written at a time, row by row: what one user said is not all on one page."""

_OF_APP = "app_id = %(app)s"
_OF_SUBJECT = "subject_id IN (SELECT id FROM memory_subject WHERE app_id = %(app)s)"
_OF_LINE = f"line_id IN (SELECT id FROM memory_line WHERE {_OF_SUBJECT})"
_OF_CONCLUSION = f"conclusion_id IN (SELECT id FROM memory_conclusion WHERE {_OF_SUBJECT})"
_OF_INDEX = f"index_id IN (SELECT id FROM memory_wordindex WHERE {_OF_SUBJECT})"

TABLES: Mapping[str, str] = {
    "memory_user": _OF_APP,
    "memory_session": _OF_APP,
    "memory_participant": _OF_APP,
    "memory_subject": _OF_APP,
    "memory_event": _OF_APP,
    "memory_feedentry": _OF_SUBJECT,
    "memory_line": _OF_SUBJECT,
    "memory_representation": _OF_SUBJECT,
    "memory_conclusion": _OF_SUBJECT,
    "memory_serving": _OF_SUBJECT,
    "memory_span": _OF_LINE,
    "memory_evidence": _OF_CONCLUSION,
    "memory_premise": _OF_CONCLUSION,
    "memory_passage": _OF_APP,
    "memory_wordindex": _OF_SUBJECT,
    "memory_unmergedpassage": _OF_INDEX,
    "memory_posting": _OF_INDEX,
    "reasoning_work": _OF_APP,
    "reasoning_pass": _OF_LINE,
}
"""What is copied, and which rows of it are an app's."""

_NUMBERED = {"passage_id": "memory_passage", "index_id": "memory_wordindex"}
"""Columns that refer to rows by their numbers."""

_SLOW = ("passage_words",)
"""Indexes that take long to fill row by row."""

_PUBLIC = re.compile(rb"[2-9A-HJ-NP-Za-km-z]{22}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some copies: their numbers, and how many seconds each is later than the world that is copied."""

    numbers: NDArray[np.int64]
    seconds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tile:
    """How far a history goes on from one copy of it to the next."""

    user: UUID
    subject: UUID
    line: UUID
    index: int
    events: int
    versions: int
    last: UUID
    """The last version of the world that is copied."""

    @property
    def shared(self) -> set[bytes]:
        """The ids that all copies have in common."""
        return {self.user.bytes, self.subject.bytes, self.line.bytes}


class World:
    """One of the worlds that are copied, as moulds of its rows."""

    count = 1
    """How many copies there are in all."""

    def __init__(self, app: str, into: App, strides: Mapping[str, int], *, one_history: bool = False) -> None:
        source = App.objects.get(name=app)
        self.strides = strides
        self._ids = {source.pk.bytes: into.pk.bytes}
        self.tile = _tile(source) if one_history else None
        data = {table: _read(table, which, source, self._joining(table)) for table, which in TABLES.items()}
        self._own = {
            field
            for table, (columns, rows) in data.items()
            for row in rows
            for (name, kind), (_, field) in zip(columns, moulds.fields_of(row), strict=True)
            if name == "id" and kind == "uuid" and field is not None
        }
        self.columns = {table: [name for name, _ in columns] for table, (columns, _) in data.items()}
        self.each: dict[str, list[Mould]] = {table: [] for table in TABLES}
        self.once: dict[str, list[Mould]] = {table: [] for table in TABLES}
        for table, (columns, rows) in data.items():
            for row in rows:
                mould, shared = self._mould(table, columns, row)
                (self.once if shared else self.each)[table].append(mould)

    def _joining(self, table: str) -> Mapping[str, str]:
        """Return what is read instead of some columns: where the copy before ends, and where the next begins."""
        if self.tile is None:
            return {}
        if table == "memory_representation":
            first = f"subject_id = '{self.tile.subject}' AND number = 1"
            return {"parent_id": f"CASE WHEN {first} THEN '{self.tile.last}' ELSE parent_id END"}
        if table == "memory_span":
            open_ = f"line_id = '{self.tile.line}' AND until IS NULL"
            return {
                "until": f"CASE WHEN {open_} THEN {self.tile.versions + 1} ELSE until END",
                "reason": f"CASE WHEN {open_} THEN 'No longer true' ELSE reason END",
            }
        return {}

    def _mould(self, table: str, columns: Sequence[tuple[str, str]], row: bytes) -> tuple[Mould, bool]:
        """Return a row's mould, and whether all copies have the row in common."""
        mould = Mould(row)
        fields = dict(zip((name for name, _ in columns), moulds.fields_of(row), strict=True))
        kinds = dict(columns)
        history = self._in_history(table, fields)
        for name, (at, data) in fields.items():
            if data is None:
                continue
            for place, written in self._written(table, name, kinds[name], data, history):
                mould.places.append((at + place, written))
        return mould, self._shared(table, fields)

    def _in_history(self, table: str, fields: Mapping[str, tuple[int, bytes | None]]) -> bool:
        """Say whether a row belongs to the history that goes on from copy to copy."""
        return self.tile is not None and any(
            fields[name][1] in (self.tile.subject.bytes, self.tile.line.bytes)
            for name in ("subject_id", "line_id")
            if name in fields
        )

    def _shared(self, table: str, fields: Mapping[str, tuple[int, bytes | None]]) -> bool:
        if self.tile is None:
            return False
        if table == "reasoning_work":
            return fields["line_id"][1] == self.tile.line.bytes
        if table == "memory_wordindex":
            return fields["subject_id"][1] == self.tile.subject.bytes
        if table in ("memory_posting", "memory_unmergedpassage"):
            return fields["index_id"][1] == self.tile.index.to_bytes(8, "big")
        return "id" in fields and fields["id"][1] in self.tile.shared

    def _written(self, table: str, name: str, kind: str, data: bytes, history: bool) -> Iterator[tuple[int, Written]]:
        """Yield what differs in the copies of a field: where in it, and what is written there."""
        tile = self.tile
        if kind == "uuid":
            if name == "parent_id" and tile is not None and history and data == tile.last.bytes:
                yield 0, self._id(data, before=1)
            elif (written := self._any_id(data)) is not None:
                yield 0, written
        elif kind == "uuid[]":
            for at in range(24, len(data), 20):
                if (written := self._any_id(data[at : at + 16])) is not None:
                    yield at, written
        elif kind.startswith("timestamp"):
            yield 0, _number(data, ">i8", lambda batch: batch.seconds * 1_000_000)
        elif tile is not None and name == "index_id" and int.from_bytes(data, "big") == tile.index:
            yield 0, _number(data, ">i8", lambda batch: np.full_like(batch.numbers, self.strides["memory_wordindex"]))
        elif table in self.strides and name == "id":
            yield 0, _number(data, ">i8", self._by(self.strides[table]))
        elif name in _NUMBERED:
            yield 0, _number(data, ">i8", self._by(self.strides[_NUMBERED[name]]))
        elif name in ("record", "data") and kind == "bytea":
            for at in range(0, len(data), RECORD.itemsize):
                yield at, _number(data[at : at + 8], "<i8", self._by(self.strides["memory_passage"]))
                minute = at + RECORD.fields["minute"][1]  # type: ignore[index]
                yield minute, _number(data[minute : minute + 4], "<i4", lambda batch: batch.seconds // 60)
        elif tile is not None and history and name in ("position", "covers_from", "covers_to"):
            yield 0, _number(data, ">i8", self._by(tile.events, first=1))
        elif tile is not None and history and name in ("number", "since", "until"):
            yield 0, _number(data, ">i4", self._by(tile.versions, first=1))
        elif tile is not None and history and name == "fingerprint":
            yield 0, lambda batch: moulds.digits(batch.numbers, 8)
        else:
            yield from self._in_text(table, name, data)

    def _in_text(self, table: str, name: str, data: bytes) -> Iterator[tuple[int, Written]]:
        """Yield the ids and names in a text."""
        for match in re.finditer(world.DIGITS.encode(), data):
            yield match.start(), lambda batch: moulds.digits(batch.numbers, len(world.DIGITS))
        for at, found in moulds.found_uuids(data):
            if (written := self._any_id(found)) is not None:
                yield at, _then(written, moulds.hexadecimal)
        if name == "made_by":
            for match in _PUBLIC.finditer(data):
                known = ids.decode(match.group().decode())
                if known is not None and (written := self._any_id(known.bytes)) is not None:
                    yield match.start(), _then(written, _public)

    def _any_id(self, data: bytes) -> Written | None:
        """Return what is written for an id; None where it is no copy's own."""
        if data in self._ids:
            other = moulds.texts([self._ids[data]])
            return lambda batch: np.repeat(other, len(batch.numbers), axis=0)
        return self._id(data) if data in self._own else None

    def _id(self, data: bytes, before: int = 0) -> Written:
        """Return what is written for an id that copies have of their own; of the copy ``before`` each, if wanted."""
        shared = self.tile is not None and data in self.tile.shared
        milliseconds, rest = int.from_bytes(data[:6], "big"), int.from_bytes(data[12:], "big")

        def written(batch: Batch) -> Bytes:
            made = np.tile(np.frombuffer(data, np.uint8), (len(batch.numbers), 1))
            numbers = np.zeros_like(batch.numbers) if shared else batch.numbers - before
            seconds = np.full_like(batch.seconds, -YEAR) if shared else self.seconds(numbers)
            made[:, :6] = moulds.integers((milliseconds + 1_000 * seconds) & 0xFFFFFFFFFFFF, ">i8")[:, 2:]
            made[:, 12:] = moulds.integers(rest ^ numbers, ">u4")
            return made

        return written

    def _by(self, stride: int, first: int = 0) -> Callable[[Batch], NDArray[np.int64]]:
        return lambda batch: (batch.numbers - first) * stride

    @property
    def events(self) -> int:
        """How many events one copy has."""
        return len(self.each["memory_event"])

    def write(self, batch: Batch) -> None:
        """Write some copies."""
        for table, rows in self.each.items():
            _write(table, self.columns[table], rows, batch)

    def write_shared(self) -> None:
        """Write what all copies have in common, but for what is found in it by words."""
        for table, rows in self.once.items():
            if table not in ("memory_posting", "memory_unmergedpassage"):
                _write(table, self.columns[table], rows, self.batch(0, 1))

    def write_waiting(self) -> None:
        """Write what waits to be merged into the index of the history: what does so of the last copy."""
        table = "memory_unmergedpassage"
        _write(table, self.columns[table], self.once[table], self.batch(self.count - 1, self.count))

    def mapped(self, shared: UUID) -> UUID:
        """Return what an id that all copies have in common is in them."""
        return UUID(bytes=self._id(shared.bytes)(self.batch(0, 1)).tobytes())

    def seconds(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many seconds later than the world its copies are, in whole minutes: the last is as late."""
        return -(YEAR - YEAR * numbers // self.count) // 60 * 60

    def batch(self, begin: int, end: int) -> Batch:
        """Return the copies above ``begin`` up to ``end``."""
        numbers = np.arange(begin + 1, end + 1, dtype=np.int64)
        return Batch(numbers, self.seconds(numbers))


def fill(events: int) -> None:
    """Write about so many events with all that belongs to them, a tenth of them the huge user's.

    The worlds that are copied are there already; the app that they are copied to is empty.
    """
    into = App.objects.get(name=world.GROWN)
    strides = {table: _scalar(f"SELECT max(id) + 1 FROM {table}") for table in _numbered_tables()}
    huge = World(world.HUGE_APP, into, strides, one_history=True)
    people = World(world.PEOPLE_APP, into, strides)
    huge.count = max(round(events / 10 / huge.events), 1)
    people.count = max(round((events - huge.count * huge.events) / people.events), 1)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        slow = _without_slow_indexes()
        huge.write_shared()
        slices = -(-people.count // BATCH)
        for part in range(slices):
            for each in (people, huge):
                batch = each.batch(each.count * part // slices, each.count * (part + 1) // slices)
                if len(batch.numbers):
                    each.write(batch)
        _join_history(huge)
        words.write(huge)
        for statement in slow:
            cursor.execute(statement)
        for table in strides:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")


_JOIN = """
UPDATE memory_representation SET parent_id = NULL WHERE subject_id = %(subject)s AND number = 1;
UPDATE memory_line line SET head_id = version.id, cursor = version.covers_to
  FROM memory_representation version
 WHERE line.id = %(line)s AND version.subject_id = %(subject)s AND version.number = %(versions)s;
UPDATE memory_subject SET current_id = line.head_id, head = line.cursor, versions = %(versions)s
  FROM memory_line line WHERE line.id = %(line)s AND memory_subject.id = %(subject)s;
UPDATE memory_span SET until = NULL, reason = '' WHERE line_id = %(line)s AND until > %(versions)s
"""


def _join_history(huge: World) -> None:
    """Make one history of the huge user's copies: each replaces what stood in the one before it."""
    assert huge.tile is not None
    values = {
        "subject": huge.mapped(huge.tile.subject), "line": huge.mapped(huge.tile.line),
        "versions": huge.tile.versions * huge.count,
    }  # fmt: skip
    with connection.cursor() as cursor:
        for statement in _JOIN.split(";"):
            cursor.execute(statement, values)


def _tile(app: App) -> Tile:
    subject = Subject.objects.get(app=app, user__name=world.HUGE)
    line = Line.objects.get(subject=subject)
    index = _scalar("SELECT id FROM memory_wordindex WHERE subject_id = %s", subject.pk)
    assert subject.user_id is not None
    assert subject.current_id is not None
    return Tile(subject.user_id, subject.pk, line.pk, index, subject.head, subject.versions, subject.current_id)


def _read(table: str, which: str, app: App, instead: Mapping[str, str]) -> tuple[list[tuple[str, str]], list[bytes]]:
    """Return the columns of a table with their types, and an app's rows as COPY writes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        columns = cursor.fetchall()
        names = ", ".join(instead.get(name, f'"{name}"') for name, _ in columns)
        key = "id" if columns[0][0] == "id" else "ctid"
        which = which % {"app": f"'{app.pk}'"}
        with cursor.copy(
            f"COPY (SELECT {names} FROM {table} WHERE {which} ORDER BY {key}) TO STDOUT (FORMAT binary)"
        ) as copy:
            return columns, list(moulds.rows_of(b"".join(bytes(part) for part in copy)))


def _write(table: str, columns: Sequence[str], rows: Sequence[Mould], batch: Batch) -> None:
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)") as copy:
        copy.write(moulds.HEAD)
        for row in rows:
            copy.write(row.copies(batch, len(batch.numbers)).tobytes())
        copy.write(moulds.TAIL)


def _number(data: bytes, form: str, more: Callable[[Batch], NDArray[np.int64]]) -> Written:
    """Return what is written for a number that grows from copy to copy."""
    [first] = np.frombuffer(data, form)
    return lambda batch: moulds.integers(int(first) + more(batch), form)


def _then(written: Written, form: Callable[[Bytes], Bytes]) -> Written:
    """Return what writes the same in another form."""
    return lambda batch: form(written(batch))


def _public(values: Bytes) -> Bytes:
    return moulds.texts([ids.encode(UUID(bytes=value.tobytes())).encode() for value in values])


def _numbered_tables() -> list[str]:
    """Return the tables whose rows are numbered."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text FROM pg_attribute"
            " WHERE attidentity <> '' AND attname = 'id' AND attrelid = ANY(%s::regclass[])",
            [list(TABLES)],
        )
        return [row[0] for row in cursor.fetchall()]


def _without_slow_indexes() -> list[str]:
    """Drop the indexes that are slow to fill; return the statements that make them again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [list(_SLOW)])
        rows = cursor.fetchall()
        for name, _ in rows:
            cursor.execute(f"DROP INDEX {name}")
    return [statement for _, statement in rows]


def _scalar(statement: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]
