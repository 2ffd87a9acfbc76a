"""Writing an export: a stream of JSON lines, of one moment, however long it takes to read."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, QuerySet

from memory import clock
from memory.errors import Refusal
from memory.models import App, Archive
from memory.transfer import formats
from memory.transfer.extents import Extent
from memory.transfer.formats import NAMED, REFERENCE, REFERENCE_COLUMNS, TABLES, Table

ROWS = 100
"""How many rows are held at a time."""

CHUNK_BYTES = 64 * 1024
IDLE_SECONDS = 60
"""How long the database waits for a reader who has stopped reading, before it ends the export."""

MOST_AT_ONCE = 4
"""How many exports a process makes at a time: each has a connection of its own, which its reader may keep for long."""


class Busy(Refusal):
    """As many exports of this process are being read as may."""

    code = "busy"


class Export:
    """An export, as an iterator of chunks of some lines each. Raises :class:`Busy`.

    It reads one snapshot over a connection of its own, which is open until the last chunk, or until ``close``. Every
    line ends with a newline; the last says how many of each type there were, so that an export that was cut off can
    be told from a whole one. Made outside of any transaction, it holds what was committed by then.
    """

    def __init__(self, extent: Extent) -> None:
        self._idle_since: float | None = None
        self._snapshot: BaseDatabaseWrapper | None = None
        _enter(self)
        try:
            self._header = _header(extent)
            self._snapshot = _snapshot()
            self._chunks = self._read(extent, self._snapshot)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._idle_since = None
        try:
            chunk = next(self._chunks)
        except BaseException:
            self.close()
            raise
        self._idle_since = time.monotonic()
        return chunk

    def close(self) -> None:
        """End it, wherever it is."""
        if self._snapshot is not None:
            self._snapshot.close()
        with _lock:
            _under_way.discard(self)

    def is_left_alone(self) -> bool:
        """Say whether its reader has taken nothing for so long that the database has ended it."""
        since = self._idle_since
        return since is not None and time.monotonic() - since > IDLE_SECONDS

    def _read(self, extent: Extent, snapshot: BaseDatabaseWrapper) -> Iterator[bytes]:
        counts: dict[str, int] = {}
        held: list[bytes] = [formats.line("header", self._header)]
        size = 0
        for kind, row in _rows(extent, snapshot):
            counts[kind] = counts.get(kind, 0) + 1
            held.append(formats.line(kind, row))
            size += len(held[-1])
            if size >= CHUNK_BYTES:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held) + formats.line("end", {"counts": counts})


_under_way: weakref.WeakSet[Export] = weakref.WeakSet()
_lock = threading.RLock()


def _enter(export: Export) -> None:
    """Count an export that begins, in the place of one whose reader stalls if need be. Raises :class:`Busy`."""
    with _lock:
        for other in list(_under_way):
            if other.is_left_alone():
                other.close()
        if len(_under_way) >= MOST_AT_ONCE:
            raise Busy("Too many exports are being read at this moment: ask again in a minute.")
        _under_way.add(export)


def _header(extent: Extent) -> dict[str, Any]:
    left_out = [] if extent.views else ["views of other users"]
    if not extent.quarantined:
        left_out.append("what quarantined versions say")
    if Archive.objects.exclude(state=Archive.State.WRITING).exists():
        left_out.append("archived events, and that statements rest on them")
    return {
        "format": formats.FORMAT,
        "version": formats.VERSION,
        "exported_at": formats.moment(clock.now()),
        "what": extent.what,
        "id": extent.public_id,
        "name": extent.name,
        "app": {"id": extent.app.public_id, "name": extent.app.name},
        "left_out": left_out,
    }


def _rows(extent: Extent, snapshot: BaseDatabaseWrapper) -> Iterator[tuple[str, formats.Row]]:
    if extent.what == "app":
        yield from _lines("app", formats.app_fields(), App.objects.filter(pk=extent.app.pk), snapshot)
    for kind in NAMED:
        referred = extent.references(kind)
        if referred is not None:
            fields = [formats.BY_NAME[kind].fields[name] for name in REFERENCE_COLUMNS[kind]]
            for name, row in _lines(kind, fields, referred, snapshot):
                yield name, {REFERENCE: True, **row}
    for table in TABLES:
        found = extent.rows(table).values_list(*extent.columns(table))
        for name, row in _lines(table.name, list(table.fields.values()), found, snapshot):
            if not table.updates or _says_something(table, row):
                yield name, row


def _says_something(table: Table, row: formats.Row) -> bool:
    return any(row[name] is not None for name in table.columns if name not in table.key)


def _lines(
    kind: str, fields: Sequence[Field[Any, Any]], rows: QuerySet[Any, Any], snapshot: BaseDatabaseWrapper
) -> Iterator[tuple[str, formats.Row]]:
    if rows._fields is None:  # type: ignore[attr-defined]
        rows = rows.values_list(*(field.attname for field in fields))
    for values in _asked(rows, snapshot):
        yield kind, formats.rendered(fields, values)


def _asked(rows: QuerySet[Any, Any], snapshot: BaseDatabaseWrapper) -> Iterable[Sequence[Any]]:
    """Ask over the snapshot's connection, a few rows at a time."""
    try:
        statement, parameters = rows.query.sql_with_params()
    except EmptyResultSet:  # Django sees that there can be none
        return
    with closing(snapshot.chunked_cursor()) as cursor:
        cursor.execute(statement, parameters)
        while found := cursor.fetchmany(ROWS):
            yield from found


def _snapshot() -> BaseDatabaseWrapper:
    """Return a connection that sees the database as it is now, and nothing that comes later.

    It is no request's: a stream outlives its view, and must neither hold nor lose the thread's connection.
    """
    own = connection.copy()
    own.inc_thread_sharing()  # the server may read on in another thread
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
            # A part of the log that is dropped meanwhile would be missing, whatever the snapshot sees.
            cursor.execute("LOCK TABLE memory_event IN ACCESS SHARE MODE")
            cursor.execute("SELECT 1")  # the snapshot is taken now
    except BaseException:
        own.close()
        raise
    return own
