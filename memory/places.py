"""Where events go: one statement that resolves a path of names and ids and finds the feeds that events join there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import ids, tenants
from memory.errors import NotFound

# Each name is tried as an id first. A session's name means one that the user owns (or nobody, at app level); an id,
# one that the user owns or takes part in (or any of the app's, at app level). What is said in a session whose metadata
# say "deriver_disabled" joins no feed: the clients of the apps era ask so that nothing be concluded from it.
_FIND = """
SELECT place.app_id, place.user_id, place.session_id, place.project_id, CASE WHEN place.unread THEN '{}' ELSE ARRAY(
    SELECT id FROM memory_subject WHERE kind = 'session' AND session_id = place.session_id
    UNION ALL
    SELECT seen.id FROM memory_participant p
      JOIN memory_subject seen ON seen.kind = 'user' AND seen.user_id = p.user_id
     WHERE p.session_id = place.session_id AND p.observed
    UNION ALL
    SELECT seen.id FROM memory_participant o
      JOIN memory_participant t ON t.session_id = o.session_id AND t.user_id <> o.user_id AND t.observed
      JOIN memory_subject seen ON seen.kind = 'observed' AND seen.observer_id = o.user_id AND seen.user_id = t.user_id
     WHERE o.session_id = place.session_id AND o.observes_others
    UNION ALL
    SELECT id FROM memory_subject
     WHERE kind = 'user' AND user_id = place.user_id AND place.session_id IS NULL
    UNION ALL
    SELECT id FROM memory_subject WHERE kind = 'project' AND project_id = place.project_id
) END AS subject_ids
FROM (
    SELECT a.id AS app_id, u.id AS user_id, s.id AS session_id, coalesce(p.id, s.project_id) AS project_id,
           coalesce(s.metadata -> 'deriver_disabled', 'null') NOT IN ('null', 'false', '0', '""', '[]', '{}') AS unread
      FROM memory_app a
      LEFT JOIN memory_user u ON u.id = coalesce(
           (SELECT id FROM memory_user WHERE id = %(user_id)s AND app_id = a.id),
           (SELECT id FROM memory_user WHERE app_id = a.id AND name = %(user)s))
      LEFT JOIN memory_session s ON s.id = coalesce(
           (SELECT x.id FROM memory_session x WHERE x.id = %(session_id)s AND x.app_id = a.id
               AND (%(user)s::text IS NULL OR x.owner_id = u.id OR EXISTS (
                    SELECT FROM memory_participant WHERE session_id = x.id AND user_id = u.id))),
           (SELECT id FROM memory_session WHERE owner_id = u.id AND name = %(session)s),
           (SELECT id FROM memory_session
             WHERE app_id = a.id AND owner_id IS NULL AND name = %(session)s AND %(user)s::text IS NULL))
      LEFT JOIN memory_project p ON p.id = coalesce(
           (SELECT id FROM memory_project WHERE id = %(project_id)s AND app_id = a.id),
           (SELECT id FROM memory_project WHERE app_id = a.id AND name = %(project)s))
     WHERE a.id = coalesce(
           (SELECT id FROM memory_app WHERE id = %(app_id)s), (SELECT id FROM memory_app WHERE name = %(app)s))
) place
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where events go, resolved. ``subject_ids`` are the subjects whose feeds an event there joins."""

    app_id: UUID
    user_id: UUID | None
    session_id: UUID | None
    project_id: UUID | None
    subject_ids: tuple[UUID, ...]


def find(app: str, user: str | None = None, session: str | None = None, project: str | None = None) -> Place | None:
    """Return the place, or ``None`` if any part of it does not exist. One statement."""
    asked: dict[str, Any] = {"app": app, "user": user, "session": session, "project": project}
    asked |= {f"{key}_id": ids.decode(ref) if ref else None for key, ref in asked.items()}
    with connection.cursor() as cursor:
        cursor.execute(_FIND, asked)
        row = cursor.fetchone()
    if row is None:
        return None
    app_id, user_id, session_id, project_id, subject_ids = row
    place = Place(app_id, user_id, session_id, project_id, tuple(subject_ids))
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
