"""Files of archived events: gzipped JSON lines, a header first and the number of events last, beside a manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.db import connection, transaction
from psycopg import sql

from memory import ids
from memory.errors import Conflict
from memory.models import Archive, Event
from memory.transfer import formats

FORMAT = "honcho-archive"
VERSION = 1

_ROWS = 500
_CHUNK = 1024 * 1024


def write(archive: Archive, folder: Path, written_at: datetime) -> tuple[Path, str, int]:
    """Write the events of a part of the log; return the file, its SHA-256 and how many events it holds.

    Each is a line as in an export, with the app's id and with what it is a copy of. The file has its name once it is
    whole and safe on the disk. Raises :class:`Conflict` where it cannot be written.
    """
    path = folder.resolve() / f"{archive.partition}-{archive.public_id}.jsonl.gz"
    part = path.with_name(f"{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            events = _write_lines(archive, file, written_at)
            file.flush()
            os.fsync(file.fileno())
        digest = _digest(part)
        _write_manifest(path, archive, written_at, digest, events)
        part.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise Conflict(f"{path} cannot be written: {error.strerror}. Nothing was taken out of the log.") from None
    return path, digest, events


def _write_lines(archive: Archive, file: IO[bytes], written_at: datetime) -> int:
    fields = Event._meta.concrete_fields
    events = 0
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as lines:
        lines.write(formats.line("header", _header(archive, written_at)))
        for values in _rows(archive, [field.attname for field in fields]):
            lines.write(formats.line("event", formats.rendered(fields, values)))
            events += 1
        lines.write(formats.line("end", {"counts": {"event": events}}))
    return events


def _header(archive: Archive, written_at: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "archive": archive.public_id,
        "partition": archive.partition,
        "first": None if archive.first is None else ids.encode(archive.first),
        "before": ids.encode(archive.before),
        "written_at": formats.moment(written_at),
    }


def _rows(archive: Archive, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the events in order of id, of one moment, a few at a time."""
    statement = sql.SQL("SELECT {} FROM {} WHERE id < {} ORDER BY id").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(archive.partition), sql.Literal(archive.before)
    )
    with transaction.atomic(), closing(connection.chunked_cursor()) as cursor:
        cursor.execute(statement)
        while found := cursor.fetchmany(_ROWS):
            yield from found


def _write_manifest(path: Path, archive: Archive, written_at: datetime, digest: str, events: int) -> None:
    manifest = path.with_name(f"{path.name}.manifest.json")
    said = _header(archive, written_at) | {"file": path.name, "sha256": digest, "events": events}
    with manifest.open("w") as file:
        json.dump(said, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Have the folder's entries on the disk too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def batches(archive: Archive, size: int) -> Iterator[list[UUID]]:
    """Yield the ids of the events in a file, ``size`` at a time. Raises :class:`Conflict` if it is not as written."""
    path = Path(archive.file)
    if not path.is_file() or _digest(path) != archive.sha256:
        raise Conflict(f"{path} is gone or was changed, and not all that it held is out of the log: bring it back.")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        named = (UUID(int=_id(line)) for line in lines if line.startswith('{"type":"event"'))
        while batch := list(islice(named, size)):
            yield batch


def _id(line: str) -> int:
    found = ids.decode(json.loads(line)["id"])
    if found is None:
        raise Conflict("The archive has a line without an id: it was changed.")
    return found.int
