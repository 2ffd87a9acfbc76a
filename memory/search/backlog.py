"""How much of an app a search cannot find as it should, because the background work on it is still to be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from memory.conf import MemorySettings

MOST_COUNTED = 10_000
"""Each number is counted up to so many: where more waits, its exact number matters to nobody."""

# Passages without their words; and places whose inverted index is made anew, as after an erasure, one for each.
_NOT_INDEXED = """
SELECT count(*) FROM (
    (SELECT FROM memory_passage WHERE app_id = %(app)s AND text IS NULL LIMIT %(most)s)
    UNION ALL
    (SELECT FROM memory_wordindex index JOIN memory_subject subject ON subject.id = index.subject_id
      WHERE index.scanned IS NOT NULL AND subject.app_id = %(app)s LIMIT %(most)s)
    LIMIT %(most)s) counted
"""

# Vectors that were asked for and are not there; and passages of which a model that is new has not been asked yet.
_NOT_EMBEDDED = """
WITH wanted AS (SELECT id, enlisted FROM memory_embeddingmodel WHERE wanted)
SELECT count(*) FROM (
    (SELECT embedding.passage_id
       FROM wanted JOIN memory_embedding embedding ON embedding.model_id = wanted.id
       JOIN memory_passage passage ON passage.id = embedding.passage_id
      WHERE embedding.vector IS NULL AND embedding.problem = '' AND passage.app_id = %(app)s)
    UNION ALL
    (SELECT passage.id
       FROM memory_passage passage
      WHERE passage.id > coalesce((SELECT enlisted FROM wanted), 0) AND passage.app_id = %(app)s
        AND passage.text IS NOT NULL AND passage.words > 0
        AND NOT EXISTS (SELECT FROM memory_embedding embedding JOIN wanted ON wanted.id = embedding.model_id
                         WHERE embedding.passage_id = passage.id))
    LIMIT %(most)s) counted
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of an app is not indexed (events, statements, and places whose index is made anew) and has no vector."""

    not_indexed: int
    not_embedded: int


def of_app(app_id: UUID) -> Backlog:
    """Return what waits in an app. Two statements; one where no embedder is named."""
    asked: dict[str, Any] = {"app": app_id, "most": MOST_COUNTED}
    with connection.cursor() as cursor:
        cursor.execute(_NOT_INDEXED, asked)
        [not_indexed] = cursor.fetchone()
        not_embedded = 0
        if MemorySettings.load().embedder:
            cursor.execute(_NOT_EMBEDDED, asked)
            [not_embedded] = cursor.fetchone()
    return Backlog(not_indexed, not_embedded)
