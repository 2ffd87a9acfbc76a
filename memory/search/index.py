"""Keeping the index: every passage gets its words and marks in the background, a bounded batch a transaction.

Writers only add rows (a trigger does). Whatever is killed here has done nothing, and is done by the next; what is not
indexed yet is read by searches themselves (``unindexed``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from memory.conf import MemorySettings
from memory.search import documents, postings
from memory.search.documents import Document
from memory.search.scopes import Scope

BATCH = 500
LOOKED_AT = 500
"""How many passages that are not indexed yet a search looks at, the newest of the app."""

_LOCK = 0x686F6E64
"""Held by who indexes, until the transaction ends: one at a time."""

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


_NEWEST = """
SELECT id FROM memory_passage WHERE app_id = %(app)s AND text IS NULL ORDER BY id DESC LIMIT %(most)s
"""


def work(limit: int = BATCH) -> int:
    """Index up to ``limit`` passages, the oldest first; return how many: none where another process is at it.

    Their vectors are asked for in the same transaction. Where all are indexed, inverted indexes that are not complete
    are filled.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor):
            return 0
        rows = documents.read("passage.text IS NULL", {}, limit)
        if not rows:
            return postings.fill(limit)
        values = {"rows": as_json(rows)}
        cursor.execute(_WRITE.format(text=text_of_row(), rows=ROWS), values)
        cursor.execute(_ASK_FOR_VECTORS.format(rows=ROWS), values)
        postings.add(rows)
        return len(rows)


def again(events: str) -> None:
    """Have the passages of the events whose ids a query returns indexed anew, without what they do not belong to now.

    Within a transaction. It waits for who indexes at this moment, and nobody else indexes until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        passages = f"FROM memory_passage WHERE event_id IN ({events})"
        marks = f"SELECT DISTINCT unnest(tsvector_to_array(text)) {passages}"
        cursor.execute(f"SELECT memory_empty_word_indexes(ARRAY({marks}))")
        cursor.execute(f"UPDATE memory_passage SET text = NULL, words = 0 WHERE event_id IN ({events})")  # noqa: S608


def begin_anew() -> None:
    """Empty all inverted indexes, to be filled anew: their stems are of other languages than those in force now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        postings.empty()


def anew(after: int) -> int | None:
    """Index up to ``BATCH`` passages after one anew, in place; return the last, or None where there are no more."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        rows = documents.read("passage.text IS NOT NULL AND passage.id > %(after)s", {"after": after}, BATCH)
        if rows:
            cursor.execute(_WRITE.format(text=text_of_row(), rows=ROWS), {"rows": as_json(rows)})
        return rows[-1].id if rows else None


def alone(cursor: Any) -> bool:
    """Say whether nobody else indexes, and let nobody else do so until the transaction ends."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
    return bool(cursor.fetchone()[0])


def unindexed(where: Scope) -> list[Document]:
    """Return what may belong to a scope of the newest passages of its app that are not indexed yet."""
    values = {"app": where.app_id, "most": LOOKED_AT}
    return documents.read(f"passage.id IN ({_NEWEST})", values, LOOKED_AT, of=where.things)


def text_of_row() -> str:
    """Return the SQL of what is indexed of a ``row``: its marks, its words as they are, and their stems."""
    forms = "".join(f" || to_tsvector('{name}', row.folded)" for name in MemorySettings.load().search_languages)
    return f"array_to_tsvector(row.marks) || to_tsvector('simple', row.folded){forms}"


def as_json(rows: Sequence[Document]) -> str:
    """Return passages as the parameter ``rows`` of statements."""
    return json.dumps([{"id": row.id, "folded": row.folded, "words": row.words, "marks": row.marks} for row in rows])
