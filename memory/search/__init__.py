"""Search over the log and what was concluded from it.

    where = search.scope("my-app", "user-123")
    vector = search.embed_query("What does she drink?")    # outside any transaction; None where there is no model
    found = search.find(where, "What does she drink?", vector=vector)
    recalled = search.recall(where, "What does she drink?", tokens=500, vector=vector)

An event or a statement that is deleted takes its passage and the vectors of it along: the foreign keys of the database
say so (``ON DELETE CASCADE``), whoever deletes it; and a trigger empties the inverted indexes that have it. Nothing
else here keeps words of it.
"""

from memory.search.embedders import Vector, embed_query
from memory.search.finding import Embedded, Found, FoundEvent, FoundStatement, Hit, Mode, find
from memory.search.highlights import Highlight
from memory.search.ranked import embed_question
from memory.search.recall import MOST_SOURCES, Recalled, Told, recall
from memory.search.scopes import Filters, Scope, filters, scope, scope_of

__all__ = [
    "MOST_SOURCES",
    "Embedded",
    "Filters",
    "Found",
    "FoundEvent",
    "FoundStatement",
    "Highlight",
    "Hit",
    "Mode",
    "Recalled",
    "Scope",
    "Told",
    "Vector",
    "embed_query",
    "embed_question",
    "filters",
    "find",
    "recall",
    "scope",
    "scope_of",
]
