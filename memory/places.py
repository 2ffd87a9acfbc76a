"""Where events go: one statement that resolves a path of names and ids and finds the feeds that events join there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import ids, tenants
from memory.errors import NotFound

_FIND = """
SELECT * FROM memory_place(%(app)s, %(app_id)s, %(user)s, %(user_id)s, %(session)s, %(session_id)s, %(project)s,
                           %(project_id)s)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where events go, resolved. ``subject_ids`` are the subjects whose feeds an event there joins.

    ``user_name`` is the user's name, in a place that was looked up.
    """

    app_id: UUID
    user_id: UUID | None
    session_id: UUID | None
    project_id: UUID | None
    subject_ids: tuple[UUID, ...]
    user_name: str | None = None


def find(app: str, user: str | None = None, session: str | None = None, project: str | None = None) -> Place | None:
    """Return the place, or ``None`` if any part of it does not exist. One statement."""
    asked: dict[str, Any] = {"app": app, "user": user, "session": session, "project": project}
    asked |= {f"{key}_id": ids.decode(ref) if ref else None for key, ref in asked.items()}
    with connection.cursor() as cursor:
        cursor.execute(_FIND, asked)
        row = cursor.fetchone()
    if row is None:
        return None
    app_id, user_id, user_name, session_id, project_id, subject_ids = row
    place = Place(app_id, user_id, session_id, project_id, tuple(subject_ids), user_name)
    if (user and not place.user_id) or (session and not place.session_id) or (project and not place.project_id):
        return None
    return place


def open_place(
    app: str,
    user: str | None = None,
    session: str | None = None,
    project: str | None = None,
    *,
    may_create_app: bool = True,
) -> Place:
    """Return the place, making what is missing of it. One statement where nothing is missing.

    Raises :class:`NotFound` for a missing app that may not be created, :class:`Invalid` for a name that cannot be.
    """
    place = find(app, user, session, project)
    if place is not None:
        return place
    with transaction.atomic():
        _make_missing(app, user, session, project, may_create_app)
        place = find(app, user, session, project)
    if place is None:
        raise NotFound("Session not found or does not belong to user")
    return place


def _make_missing(app: str, user: str | None, session: str | None, project: str | None, may_create_app: bool) -> None:
    try:
        app_row = tenants.find_app(app)
    except NotFound:
        if not may_create_app:
            raise
        app_row, _ = tenants.make_app(app)
    owner = None
    if user is not None:
        try:
            owner = tenants.find_user(app_row.id, user)
        except NotFound:
            owner, _ = tenants.make_user(app_row, user)
    if project is not None:
        try:
            tenants.find_project(app_row.id, project)
        except NotFound:
            tenants.make_project(app_row, project)
    if session is not None and find(app, user, session) is None:
        tenants.make_session(app_row, owner, session)
