"""Users with something to be reasoned over, made by few statements: a drainer shall wait for nobody who writes."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

APP = "drain"

_PEOPLE = """
WITH person AS (
    INSERT INTO memory_user (id, app_id, name, metadata)
    SELECT id, %(app)s, 'user-' || place, '{}' FROM unnest(%(users)s::uuid[]) WITH ORDINALITY AS new (id, place)
    RETURNING id
)
INSERT INTO memory_subject (id, app_id, kind, user_id)
SELECT subject, %(app)s, 'user', id FROM unnest(%(users)s::uuid[], %(subjects)s::uuid[]) AS new (id, subject)
  JOIN person USING (id)
"""
_SAY = """
WITH said AS (
    INSERT INTO memory_event (id, app_id, user_id, author_id, origin, kind, content, metadata, occurred_at, recorded_at,
                              tokens)
    SELECT (%(ids)s::uuid[])[row_number() OVER ()], app_id, id, id, 'user', 'message',
           'I have moved the meeting about the garden to ' || clock_timestamp(), '{}', now(), now(), 20
      FROM memory_user WHERE app_id = %(app)s
    RETURNING id, user_id
)
INSERT INTO memory_feedentry (event_id, subject_id)
SELECT said.id, subject.id FROM said JOIN memory_subject subject ON subject.user_id = said.user_id
 WHERE subject.kind = 'user'
"""


def people(count: int) -> UUID:
    """Make the app with so many users, and return its id."""
    from memory import ids, tenants

    app, _ = tenants.make_app(APP)
    users, subjects = ([ids.uuid7() for _ in range(count)] for _ in range(2))
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, {"app": app.pk, "users": users, "subjects": subjects})
    return app.pk


def say(app: UUID, count: int) -> None:
    """Have each of the app's ``count`` users say something that nobody has reasoned over yet."""
    from memory import ids

    with connection.cursor() as cursor:
        cursor.execute(_SAY, {"app": app, "ids": [ids.uuid7() for _ in range(count)]})
        cursor.execute("ANALYZE")
