"""What no foreign key leads to: answers that are kept for repeated writes, the admin's log, the marks of the index,
whose events were archived."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection

from memory import ids
from memory.erasure.marks import TOUCHED, Marks
from memory.models import App, Project, Representation, Session, Subject, User
from memory.search import index

GONE = 410

_ANSWER = json.dumps(
    {
        "detail": "This was done before. What it answered is not kept any more: something in this app was erased.",
        "code": "erased",
        "request_id": "",
    }
).encode()

# An answer may hold anything of its app. Which app's it is, only a hash says: all are emptied but those of others.
_ANSWERS = """
UPDATE memory_keptanswer kept SET status = %(status)s, body = %(body)s
 WHERE split_part(kept.scope, '/', 2) <> ALL(%(others)s)
   AND (split_part(kept.scope, '/', 2) <> %(none)s OR position(%(app)s::bytea IN kept.body) > 0)
   AND kept.status < 400
"""

_HEARD = """
SELECT entry.event_id FROM {table} gone JOIN memory_feedentry entry ON entry.subject_id = gone.id
"""
_ARCHIVED = """
DELETE FROM memory_archived{what} part USING {table} gone WHERE part.thing = gone.id
"""
_LOGGED = """
DELETE FROM django_admin_log entry USING {table} gone
 WHERE entry.content_type_id = ANY(%s) AND entry.object_id = gone.id::text
"""
_LOGGED_VERSIONS = f"""
DELETE FROM django_admin_log entry USING memory_representation version, {TOUCHED} touched
 WHERE entry.content_type_id = ANY(%s) AND entry.object_id = version.id::text
   AND version.subject_id = touched.subject_id AND version.number >= touched.version
"""


def forget(marks: Marks, app_id: UUID) -> None:
    """Empty the kept answers that may say something of what is marked, and delete what the admin has logged of it.

    A write that is repeated after that is answered that it was done: it is not done twice. Events that stay, and were
    in the feeds of subjects that go, are indexed anew.
    """
    _forget_answers(app_id)
    _forget_archived(marks)
    index.again(_HEARD.format(table=marks.table(Subject)))
    if apps.is_installed("django.contrib.admin"):
        _forget_log(marks)


def _forget_archived(marks: Marks) -> None:
    with connection.cursor() as cursor:
        for model in (User, Session, Project):
            for what in ("place", "evidence"):
                cursor.execute(_ARCHIVED.format(what=what, table=marks.table(model)))


def _forget_answers(app_id: UUID) -> None:
    others = [
        _hash(ref)
        for pk, name in App.objects.exclude(pk=app_id).values_list("pk", "name").iterator()
        for ref in (name, ids.encode(pk))
    ]
    values: dict[str, Any] = {
        "status": GONE,
        "body": _ANSWER,
        "others": others,
        "none": _hash(""),
        "app": ids.encode(app_id).encode(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERS, values)


def _hash(app: str) -> str:
    return hashlib.sha256(app.encode()).hexdigest()


def _forget_log(marks: Marks) -> None:
    from django.contrib.contenttypes.models import ContentType

    kinds: dict[type, list[int]] = {}
    for kind in ContentType.objects.all():
        model = kind.model_class()
        if model is not None and model._meta.concrete_model is not None:
            kinds.setdefault(model._meta.concrete_model, []).append(kind.pk)
    with connection.cursor() as cursor:
        for model in marks.models():
            cursor.execute(_LOGGED.format(table=marks.table(model)), [kinds.get(model, [])])
        cursor.execute(_LOGGED_VERSIONS, [kinds.get(Representation, [])])
