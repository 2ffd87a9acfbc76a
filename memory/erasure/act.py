"""The erasure itself: one transaction, or nothing.

Whoever writes to what goes holds a lock on it until its commit, by the foreign keys of what it writes; so the rows of
the user, session, project or app are locked before it is looked what is there, and what comes later is refused, for
there is nothing left that it could belong to.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from django.db import OperationalError, connection, transaction

from memory import audit, keys, validation
from memory.erasure import beside, scope
from memory.erasure.marks import TOUCHED, Marks
from memory.erasure.scope import Scope
from memory.erasure.unreadable import make_unreadable
from memory.errors import Invalid, NotFound
from memory.models import ApiKey, App, Erasure, Event, Project, Session, Subject, User
from memory.webhooks import outbox

REASON_LENGTH = 2_000

_LOCKED = 0x686F6E65
"""Erasures of one app take turns: the first half of an advisory lock."""

_ATTEMPTS = 3
_DEADLOCK = "40P01"

_SUBJECTS = f"""
SELECT subject.id FROM memory_subject subject
 WHERE subject.id IN (SELECT id FROM erasing_memory_subject UNION SELECT subject_id FROM {TOUCHED})
 ORDER BY subject.id FOR NO KEY UPDATE
"""

_NAMES = """
SELECT name FROM memory_{table} named JOIN erasing_memory_{table} gone USING (id) WHERE name IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would take, or has taken: rows by what they are, and subjects that lose what was known."""

    scope: Scope
    counts: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    rebuilding: int = 0


@transaction.atomic
def plan(thing: Event | Session | User | Project | App, *, reason: str = "") -> Plan:
    """Return what erasing it would take now. Changes nothing.

    Raises :class:`Invalid` for a ``reason`` that :func:`erase` would refuse.
    """
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    marks = Marks(scope.of(thing))
    _check_reason(reason, marks)
    found = _planned(scope.of(thing), marks)
    marks.clear()
    return found


def erase(thing: Event | Session | User | Project | App, *, reason: str = "", by: str = "") -> Erasure:
    """Erase it with all that refers to it and all that was made of it, and return the receipt.

    ``reason`` and ``by`` are kept with the receipt. Raises :class:`NotFound` where it is gone already, and
    :class:`Invalid` for a reason that has a name in it which is to be erased.
    """
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _erase(scope.of(thing), reason, by)
        except OperationalError as error:
            deadlock = getattr(error.__cause__, "sqlstate", None) == _DEADLOCK
            if not deadlock or connection.in_atomic_block or attempt == _ATTEMPTS:
                raise
    raise AssertionError


@transaction.atomic
def _erase(wanted: Scope, reason: str, by: str) -> Erasure:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKED, zlib.crc32(wanted.app_id.bytes) - 2**31])
        marks = Marks(wanted)
        cursor.execute(_SUBJECTS)
        _lock_things(marks)
        marks.clear()
        marks = Marks(wanted)  # with what came until the locks were there
        cursor.execute(_SUBJECTS)
    if not wanted.model._default_manager.filter(pk=wanted.target).exists():
        raise NotFound(f"There is no such {wanted.what}.")
    _check_reason(reason, marks)
    found = _planned(wanted, marks)
    receipt = Erasure.objects.create(
        app=wanted.app_id,
        what=wanted.what,
        target=wanted.target,
        counts=found.counts,
        unreadable=found.unreadable,
        rebuilding=found.rebuilding,
        by=by,
        reason=reason,
    )
    _let_through(str(receipt.pk))
    beside.forget(marks, wanted.app_id)
    marks.delete()
    make_unreadable(receipt)
    _let_through("")
    had_keys = ApiKey in marks.models()
    marks.clear()
    if had_keys:
        transaction.on_commit(keys.forget)
    receipt.refresh_from_db()
    app = App.objects.filter(pk=wanted.app_id).first()
    audit.note("erase", receipt, by=by, app=app, reason=reason, after={"what": receipt.what})
    subjects = {"unreadable": receipt.unreadable, "rebuilding": receipt.rebuilding}
    told = {"erasure_id": receipt.public_id, "what": receipt.what, "subjects": subjects}
    outbox.add(wanted.app_id, outbox.Event.ERASED, told)
    return receipt


def _planned(wanted: Scope, marks: Marks) -> Plan:
    counts = marks.counts()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {TOUCHED} touched JOIN memory_representation version"
            " ON version.subject_id = touched.subject_id AND version.number >= touched.version"
        )
        counts["representations"] += cursor.fetchone()[0]
        cursor.execute(f"SELECT count(version), count(*) FROM {TOUCHED}")
        lost, touched = cursor.fetchone()
    gone = counts.get("subjects", 0)
    return Plan(wanted, dict(sorted((+counts).items())), unreadable=gone + lost, rebuilding=touched)


def _lock_things(marks: Marks) -> None:
    """Lock what writers refer to, so that whoever has begun ends and nobody begins; events last, for their copies."""
    with connection.cursor() as cursor:
        for model in (App, User, Project, Session, Subject, Event):
            if model in marks.models():
                table = model._meta.db_table
                cursor.execute(
                    f"SELECT FROM {table} WHERE id IN (SELECT id FROM {marks.table(model)}) ORDER BY id FOR UPDATE"
                )


def _check_reason(reason: str, marks: Marks) -> None:
    """Refuse a reason that would keep a name."""
    if not reason:
        return
    with connection.cursor() as cursor:
        for model in (User, Session, Project):
            if model in marks.models():
                cursor.execute(_NAMES.format(table=model._meta.model_name))
                if _names(reason, [name for (name,) in cursor.fetchall()]):
                    raise Invalid(
                        "The reason is kept with the receipt: leave out the names of what is erased.", ("reason",)
                    )


def _names(text: str, names: Collection[str]) -> bool:
    folded = text.casefold()
    return any(re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", folded) for name in names)


def _let_through(receipt: str) -> None:
    """Name the receipt under which the database lets rows go; it looks whether this very transaction has written it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('memory.erasing', %s, true)", [receipt])


def receipts(app_id: UUID, *, before: UUID | None = None, limit: int = 50) -> list[Erasure]:
    """Return an app's receipts, newest first; ``before`` is the last one of the page before."""
    found = Erasure.objects.filter(app=app_id).order_by("-pk")
    return list((found if before is None else found.filter(pk__lt=before))[:limit])


def receipt(app_id: UUID, receipt_id: UUID | None) -> Erasure:
    """Return a receipt of an app, or raise :class:`NotFound`."""
    found = None if receipt_id is None else Erasure.objects.filter(app=app_id, pk=receipt_id).first()
    if found is None:
        raise NotFound("There is no such receipt")
    return found
