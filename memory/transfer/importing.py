"""Reading an export back into an app: line by line, all of it or nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.db import transaction

from memory import ids, tenants
from memory.conf import MemorySettings
from memory.errors import Conflict, Invalid, NotFound, TooLarge
from memory.models import App, Erasure, Event, Subject
from memory.signals import events_appended, lines_moved
from memory.transfer import checking, formats
from memory.transfer.formats import BY_NAME, Table
from memory.transfer.renaming import Renaming
from memory.transfer.storing import OTHERWISE, Given, store

LINE_BYTES = 4 * 1024 * 1024
"""The most bytes that a line may have."""

BATCH_ROWS = 1_000
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines of each type were stored, and how many were there already."""

    app: App
    stored: Mapping[str, int]
    skipped: Mapping[str, int]


def load(ref: str, lines: Iterable[bytes], *, new_ids: bool = False, may_create_app: bool = True) -> Imported:
    """Store what an export holds in the app of that name or id, which is made if it is missing and may be.

    Ids are kept, or, with ``new_ids``, all mapped to new ones, the same each time. What is there already in the same
    form is skipped. One transaction: raises :class:`Conflict`, :class:`Invalid`, :class:`NotFound` or
    :class:`TooLarge`, most with the number of the line, and has then stored nothing.
    """
    with transaction.atomic():
        return _Import(ref, new_ids, may_create_app).run(lines)


def split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines of what comes in chunks, without their ends. Raises :class:`TooLarge` for an endless one."""
    rest = b""
    number = 0
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in whole:
            number += 1
            _check_length(line, number)
            yield line
        _check_length(rest, number + 1)
    if rest:
        yield rest


def _check_length(line: bytes, number: int) -> None:
    if len(line) > LINE_BYTES:
        raise TooLarge(f"Line {number} has more than {LINE_BYTES:,} bytes.")


@dataclass
class _Import:
    """One import under way: what of the file was read, and the rows that wait to be stored together."""

    ref: str
    new_ids: bool
    may_create_app: bool
    app: App | None = None
    made: bool = False
    renaming: Renaming | None = None
    table: Table | None = None
    batch: list[Given] = field(default_factory=list)
    batch_bytes: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    ended: bool = False
    data_bytes: int = field(default_factory=lambda: MemorySettings.load().data_bytes)

    def run(self, lines: Iterable[bytes]) -> Imported:
        for number, line in enumerate(lines, start=1):
            self._take(number, _parsed(line, number), len(line))
        if self.app is None:
            raise Invalid("The file is empty: an export begins with a header.")
        if not self.ended:
            raise Invalid("The file has no end: the export was cut off. Nothing of it was imported.")
        if self.stored["event"]:
            events_appended.send(sender=Event, app_id=self.app.pk, subject_ids=(), count=self.stored["event"])
        skipped = {kind: count - self.stored[kind] for kind, count in self.seen.items() if count > self.stored[kind]}
        return Imported(self.app, {kind: count for kind, count in self.stored.items() if count}, skipped)

    def _take(self, number: int, given: dict[str, Any], size: int) -> None:
        kind = given.get("type")
        if self.ended:
            raise Invalid(f"Line {number}: nothing comes after the end.", (number,))
        if self.app is None:
            self.app = self._begun(number, given)
        elif kind == "app":
            self._take_app(number, given, self.app)
        elif kind == "end":
            self._end(number, given)
        elif isinstance(kind, str) and kind in BY_NAME:
            self._add(number, BY_NAME[kind], given, size)
        else:
            raise Invalid(f"Line {number}: a line has a type, one of {', '.join(BY_NAME)}.", (number, "type"), "enum")

    def _begun(self, number: int, header: Mapping[str, Any]) -> App:
        """Return the app to import into; one that is missing is made, under the id that it had if that is free."""
        if header.get("type") != "header" or header.get("format") != formats.FORMAT:
            raise Invalid("Line 1: an export begins with a header, of the format honcho.", (number,))
        if header.get("version") != formats.VERSION:
            raise Invalid(f"Line 1: this server reads version {formats.VERSION} of the format.", (number, "version"))
        with _at(number):
            named = header["app"] if isinstance(header.get("app"), dict) else {}
            old = checking.value(App._meta.get_field("id"), named.get("id"))
            name = checking.value(App._meta.get_field("name"), named.get("name"))
        if Erasure.objects.filter(target=old).exists():
            raise Conflict("Line 1: this app was erased here, and does not come back.")
        try:
            app = tenants.find_app(self.ref)
        except NotFound:
            if not self.may_create_app:
                raise
            self.made = True
            name = name if ids.decode(self.ref) == old else self.ref
            taken = self.new_ids or App.objects.filter(pk=old).exists() or App.objects.filter(name=name).exists()
            app = tenants.make_app(name, fresh=True)[0] if taken else App.objects.create(pk=old, name=name)
        self.renaming = Renaming.into(app.pk) if self.new_ids else None
        return app

    def _take_app(self, number: int, given: dict[str, Any], app: App) -> None:
        """Take what the file says of the app itself where this import makes it; one of another id keeps its own."""
        with _at(number):
            said = {field.attname: checking.value(field, given.get(field.attname)) for field in formats.app_fields()}
        self.seen["app"] += 1
        if self.made:
            self.stored["app"] += 1
            App.objects.filter(pk=app.pk).update(metadata=said["metadata"], created_at=said["created_at"])
        elif said["id"] == app.pk and any(getattr(app, name) != value for name, value in said.items()):
            raise Conflict(f"Line {number}: this app is there already, and is not the same. {OTHERWISE}")

    def _add(self, number: int, table: Table, given: dict[str, Any], size: int) -> None:
        """Let a row wait for others of its type."""
        if table is not self.table or len(self.batch) >= BATCH_ROWS or self.batch_bytes + size > BATCH_BYTES:
            self._store()
        with _at(number):
            row = checking.checked(table, given, self.data_bytes)
        old = row.get("id")
        if self.renaming is not None:
            row = self.renaming.row(table, row)
        self.table = table
        self.batch.append(Given(number, row, old, checking.is_reference(table, given)))
        self.batch_bytes += size

    def _store(self) -> None:
        """Store the rows that wait, and tell of the lines that now serve subjects here."""
        if self.app is None or self.table is None or not self.batch:
            return
        kind = self.table.name
        stored = store(self.app.pk, self.table, self.batch)
        self.seen[kind] += len(self.batch)
        self.stored[kind] += len(stored)
        if kind == "current" and stored:
            lines_moved.send(sender=Subject, subject_ids=sorted(pk for (pk,) in stored), again=False)
        self.batch, self.batch_bytes = [], 0

    def _end(self, number: int, given: Mapping[str, Any]) -> None:
        self._store()
        if given.get("counts") != dict(self.seen):
            raise Invalid(f"Line {number}: the file does not hold as many lines as it says.", (number, "counts"))
        self.ended = True


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        given = json.loads(line.decode(), parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Invalid(f"Line {number}: this is not JSON in UTF-8.", (number,), "json_invalid") from None
    if not isinstance(given, dict):
        raise Invalid(f"Line {number}: give an object.", (number,), "dict_type")
    return given


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


@contextmanager
def _at(number: int) -> Iterator[None]:
    """Say with what is refused within in which line it stands."""
    try:
        yield
    except Invalid as error:
        named = f", {error.where[0]}" if error.where else ""
        raise Invalid(f"Line {number}{named}: {error.message}", (number, *error.where), error.kind) from None
    except TooLarge as error:
        raise TooLarge(f"Line {number}: {error.message}") from None
