"""Keeping the index: every passage gets its words and marks in the background, a bounded batch a transaction.

Writers only add rows (a trigger does). Whatever is killed here has done nothing, and is done by the next; what is not
indexed yet is read by searches themselves (``unindexed``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory.conf import MemorySettings
from memory.search import scopes
from memory.search.words import folded

BATCH = 500
LOOKED_AT = 500
"""How many passages that are not indexed yet a search looks at, the newest of the app."""

LONGEST_DATA = 10_000
"""So many characters of an event's data are searched for words."""

_LOCK = 0x686F6E64
"""Held by who indexes, until the transaction ends: one at a time."""

# What belongs to an event's place and to the feeds that it joined.
_READ = """
SELECT passage.id, coalesce(event.content, conclusion.content), event.data, event.kind, event.origin, event.author_id,
       ARRAY[passage.app_id, event.user_id, event.session_id, event.project_id,
             CASE WHEN subject.kind = 'user' THEN subject.user_id END,
             subject.session_id, session.owner_id, subject.project_id]
       || ARRAY(SELECT coalesce(followed.project_id, followed.session_id, followed.user_id)
                  FROM memory_feedentry entry JOIN memory_subject followed ON followed.id = entry.subject_id
                 WHERE entry.event_id = event.id AND followed.kind <> 'observed')
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
  LEFT JOIN memory_subject subject ON subject.id = conclusion.subject_id
  LEFT JOIN memory_session session ON session.id = subject.session_id
 WHERE passage.text IS NULL {more}
 ORDER BY passage.id {order} LIMIT %(limit)s
"""

ROWS = "jsonb_to_recordset(%(rows)s::jsonb) AS row(id bigint, folded text, words int, marks text[])"
"""Passages as :func:`as_json` writes them, in SQL."""

_WRITE = """
UPDATE memory_passage passage SET words = row.words, text = {text} FROM {rows} WHERE passage.id = row.id
"""
_ASK_FOR_VECTORS = """
INSERT INTO memory_embedding (passage_id, model_id)
SELECT row.id, model.id FROM {rows} CROSS JOIN memory_embeddingmodel model WHERE model.wanted AND row.words > 0
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A passage that is not in the index yet: its words as they are compared, how many, and its marks."""

    id: int
    folded: str
    words: int
    marks: Sequence[str]


def work(limit: int = BATCH) -> int:
    """Index up to ``limit`` passages, the oldest first; return how many: none where another process is at it.

    Their vectors are asked for in the same transaction.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        rows = _read(limit) if alone(cursor) else []
        if rows:
            values = {"rows": as_json(rows)}
            cursor.execute(_WRITE.format(text=text_of_row(), rows=ROWS), values)
            cursor.execute(_ASK_FOR_VECTORS.format(rows=ROWS), values)
        return len(rows)


def again(events: str) -> None:
    """Have the passages of the events whose ids a query returns indexed anew, without what they do not belong to now.

    Within a transaction. It waits for who indexes at this moment, and nobody else indexes until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(f"UPDATE memory_passage SET text = NULL, words = 0 WHERE event_id IN ({events})")  # noqa: S608


def alone(cursor: Any) -> bool:
    """Say whether nobody else indexes, and let nobody else do so until the transaction ends."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
    return bool(cursor.fetchone()[0])


def unindexed(app_id: UUID, limit: int = LOOKED_AT) -> list[Unindexed]:
    """Return the newest passages of an app that are not indexed yet. One short statement where there are none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM memory_passage WHERE app_id = %s AND text IS NULL LIMIT 1", [app_id])
        if cursor.fetchone() is None:
            return []
    return _read(limit, app_id)


def text_of_row() -> str:
    """Return the SQL of what is indexed of a ``row``: its marks, its words as they are, and their stems."""
    forms = "".join(f" || to_tsvector('{name}', row.folded)" for name in MemorySettings.load().search_languages)
    return f"array_to_tsvector(row.marks) || to_tsvector('simple', row.folded){forms}"


def as_json(rows: Sequence[Unindexed]) -> str:
    """Return passages as the parameter ``rows`` of statements."""
    return json.dumps([{"id": row.id, "folded": row.folded, "words": row.words, "marks": row.marks} for row in rows])


def said(content: str, data: Any) -> str:
    """Return what an event says to who looks for it: its text, and the texts and numbers in its data."""
    if not data:
        return content
    inside = " ".join(_values(data))[:LONGEST_DATA]
    return f"{content}\n{inside}" if content else inside


def _values(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _values(item)
    elif isinstance(data, str | int | float) and not isinstance(data, bool):
        yield str(data)


def _read(limit: int, app_id: UUID | None = None) -> list[Unindexed]:
    more, order = ("AND passage.app_id = %(app)s", "DESC") if app_id else ("", "")
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(more=more, order=order), {"limit": limit, "app": app_id})
        return [_prepared(*row) for row in cursor.fetchall()]


def _prepared(
    passage: int, content: str, data: Any, kind: str | None, origin: str | None, author: UUID | None, things: list[Any]
) -> Unindexed:
    marks = {scopes.belongs(thing) for thing in things if thing is not None}
    marks.add(scopes.of_type(scopes.CONCLUSION if kind is None else scopes.EVENT))
    if kind is not None and origin is not None:
        marks |= {scopes.of_kind(kind), scopes.of_origin(origin)}
    if author is not None:
        marks.add(scopes.by_author(author))
    if isinstance(data, str):
        data = json.loads(data)
    text, count = folded(said(content, data))
    return Unindexed(passage, text, count, sorted(marks))
