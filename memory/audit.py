"""Noting what was done, and looking it up: who, to what, when, why, and what it was before and after.

The functions that do it note it, in their own transaction, so that API, admin and commands all leave the same trace.
An act is named by a few plain words, the verb first: "move label", "retry work", "revoke key".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import connection
from django.db.models import Model, Q, QuerySet

from memory.models import App, Audit, Subject

BY_LENGTH = 200
MOST_NAMES = 200

# Looks at one row of the index for each name, however many acts there are.
_NAMES = """
WITH RECURSIVE names AS (
    (SELECT {column} AS name FROM memory_audit ORDER BY {column} LIMIT 1)
     UNION ALL
    SELECT (SELECT {column} FROM memory_audit WHERE {column} > names.name ORDER BY {column} LIMIT 1)
      FROM names WHERE names.name IS NOT NULL
)
SELECT name FROM names WHERE name <> '' LIMIT %s
"""


def note(
    act: str,
    obj: Model | None,
    *,
    by: str,
    app: App | None = None,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note that ``by`` did ``act`` to ``obj`` (None: to no row); call it inside the transaction that does it.

    ``before`` and ``after`` take what JSON takes: ids, numbers, names of labels and states. Never what was said, a
    statement's text, a key or a secret, nor the id of a user, session, project or event other than ``obj``: such an id
    would outlive its erasure. ``app`` is needed only where ``obj`` does not say of which app it is.
    """
    _row(act, obj, by, app, reason, before, after).save(force_insert=True)


def note_each(
    act: str,
    rows: Iterable[Model],
    *,
    by: str,
    reason: str = "",
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note that ``by`` did ``act`` to each of these rows; one statement a thousand. As :func:`note` otherwise."""
    Audit.objects.bulk_create([_row(act, row, by, None, reason, None, after) for row in rows], batch_size=1_000)


def kind_of(model: type[Model]) -> str:
    """Return what the audit calls rows of a model: ``memory.subject``. A proxy's rows are those of its model."""
    concrete = model._meta.concrete_model or model
    return concrete._meta.label_lower


def entries(
    *,
    by: str = "",
    act: str = "",
    kind: str = "",
    object_id: str = "",
    subject_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: Audit | None = None,
) -> QuerySet[Audit]:
    """Return what was done, newest first: by somebody, of a kind of act, to a row, to whatever is of a subject.

    ``since`` is the first moment and ``until`` the first no more; ``before`` is the last entry of the page before.
    """
    exact = {"by": by, "act": act, "kind": kind, "object_id": object_id, "subject": subject_id}
    rows = Audit.objects.filter(**{name: value for name, value in exact.items() if value})
    if object_id and not kind:
        rows = rows.filter(kind__in=names("kind"))  # the index begins with the kind
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    if before is not None:
        earlier = Q(created_at__lt=before.created_at) | Q(created_at=before.created_at, pk__lt=before.pk)
        rows = rows.filter(earlier, created_at__lte=before.created_at)
    return rows.order_by("-created_at", "-pk")


def names(of: Literal["act", "by", "kind"]) -> list[str]:
    """Return the acts that there were, who did any, or to what kinds of rows: in order, at most ``MOST_NAMES``."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES.format(column=of), [MOST_NAMES])
        return [name for (name,) in cursor.fetchall()]


def _row(
    act: str,
    obj: Model | None,
    by: str,
    app: App | None,
    reason: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> Audit:
    return Audit(
        act=act,
        kind="" if obj is None else kind_of(type(obj)),
        object_id="" if obj is None else str(obj.pk),
        app_id=_app_id(obj) if app is None else app.pk,
        subject_id=_subject_id(obj),
        by=by[:BY_LENGTH],
        reason=reason,
        before=dict(before or {}),
        after=dict(after or {}),
    )


def _app_id(obj: Model | None) -> UUID | None:
    """Return the id of the app of a row: its own, or else its subject's."""
    if obj is None or isinstance(obj, App):
        return None if obj is None else obj.pk
    if hasattr(obj, "app_id"):
        return obj.app_id  # type: ignore[no-any-return]
    subject = getattr(obj, "subject", None) or getattr(getattr(obj, "line", None), "subject", None)
    return subject.app_id if isinstance(subject, Subject) else None


def _subject_id(obj: Model | None) -> UUID | None:
    """Return the id of the subject that a row is, or is of: by itself, or by its line."""
    if isinstance(obj, Subject):
        return obj.pk
    own = getattr(obj, "subject_id", None)
    return own or getattr(getattr(obj, "line", None), "subject_id", None)
