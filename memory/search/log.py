"""The log searched by people: events that have all of the words, the newest first, not the best as agents want them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection

from memory.search import index, lexical
from memory.search.scopes import EVENT, Filters, Scope, condition

MOST = 500
"""The most events that one search returns."""

# PostgreSQL keeps count of the words: for a frequent one it reads the log backwards until it has enough, for a rare one
# it goes by the index of words.
_NEWEST = """
SELECT passage.event_id FROM {source} passage WHERE {fulfils} ORDER BY passage.event_id DESC LIMIT %(limit)s
"""


def events(where: Scope, query: str, filters: Filters | None = None, limit: int = MOST) -> list[UUID]:
    """Return the ids of the newest events of a scope that have every word of a query, in any of its forms.

    Nothing where the query has no words. Two statements of SQL, and two more where events are not indexed yet.
    """
    words = " & ".join(f"({term.query})" for term in lexical.terms(query))
    if not words:
        return []
    fulfils, values = condition(where, replace(filters or Filters(), types=(EVENT,)), words)
    fresh = index.unindexed(where)  # before the others: what is indexed meanwhile is in both
    found = _read(lexical.INDEXED, fulfils, **values, limit=limit)
    if fresh:
        found |= _read(lexical.unindexed_rows(), fulfils, **values, limit=limit, rows=index.as_json(fresh))
    return sorted(found, reverse=True)[:limit]


def _read(source: str, fulfils: str, **values: Any) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(source=source, fulfils=fulfils), values)
        return {event for (event,) in cursor.fetchall()}
