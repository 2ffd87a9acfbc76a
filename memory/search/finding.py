"""Finding events and statements by words, by meaning, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.db.models import TextChoices

from memory.conf import MemorySettings
from memory.models import EmbeddingModel
from memory.reading import About
from memory.search import documents, embedders, embeddings, fusion, lexical, semantic
from memory.search.embedders import Vector
from memory.search.highlights import Highlight, highlights
from memory.search.scopes import CONCLUSION, EVENT, Filters, Scope
from memory.statements import array, rows

DEPTH = 100
"""How many places of each ranking are fused, at least."""

_COUNTED_SECONDS = 30

_FOUND = "SELECT * FROM memory_found(%s::bigint[])"  # migration 0044
_SAID, _KIND = slice(2, 4), 4
_EVENT, _STATEMENT, _SUBJECT = slice(2, 17), slice(17, 24), slice(24, None)


class Mode(TextChoices):
    """How a search looks."""

    HYBRID = "hybrid"
    LEXICAL = "lexical"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class Embedded:
    """How many of an app's passages a model has made a vector of, and how many wait for theirs."""

    model: str
    indexed: int
    waiting: int


class FoundEvent(NamedTuple):
    """An event that was found, and who wrote it."""

    id: UUID
    content: str
    kind: str
    origin: str
    author: str | None
    client_id: str | None
    data: Any
    metadata: dict[str, Any]
    app_id: UUID
    session_id: UUID | None
    user_id: UUID | None
    project_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    tokens: int


class FoundStatement(NamedTuple):
    """A statement that was found, whom it is about, and of what it is a statement."""

    id: UUID
    content: str
    level: str
    about: str | None
    held_from: date | None
    held_until: date | None
    importance: int
    pinned: bool
    created_at: datetime
    subject: About


@dataclass(frozen=True, slots=True)
class Hit:
    """An event or a statement that was found."""

    row: FoundEvent | FoundStatement
    at: datetime
    score: float
    lexical_rank: int | None
    semantic_rank: int | None
    asked: Sequence[str]

    @property
    def type(self) -> str:
        """``event`` or ``conclusion``."""
        return EVENT if isinstance(self.row, FoundEvent) else CONCLUSION

    @property
    def id(self) -> UUID:
        """The event's or the statement's id."""
        return self.row.id

    @property
    def text(self) -> str:
        """What was said: the text, and of an event without one what its data say."""
        return documents.said(self.row.content, self.row.data if isinstance(self.row, FoundEvent) else None)

    @property
    def highlights(self) -> list[Highlight]:
        """Where the text has the words that were asked for."""
        return highlights(self.text, self.asked)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, the best first; ``mode`` is how it was looked for, ``note`` why not as it was asked."""

    items: Sequence[Hit]
    mode: Mode
    embedding: Embedded | None
    note: str | None


def find(
    where: Scope,
    query: str,
    *,
    limit: int = 10,
    filters: Filters | None = None,
    mode: str = Mode.HYBRID,
    vector: Vector | None = None,
) -> Found:
    """Return the best ``limit`` of what a scope has for a query.

    ``vector`` is what ``embed_query`` made of the query; without it only words are looked for. A fixed number of
    statements of SQL, however much there is.
    """
    filters = filters or Filters()
    done = Mode(mode) if vector is not None else Mode.LEXICAL
    terms = [term.word for term in lexical.terms(query)]
    hits = _hits(fused(where, query, limit, filters, done, vector), terms)
    model = embedders.serving() if MemorySettings.load().embedder else None
    return Found(hits, done, None if model is None else _embedded(model, where.app_id), why_not(mode, done))


def fused(
    where: Scope, query: str, limit: int, filters: Filters, mode: Mode, vector: Vector | None
) -> list[fusion.Fused]:
    """Return the best ``limit`` passages by what ``mode`` says, by words alone where there is no vector."""
    vector = None if mode is Mode.LEXICAL else vector
    depth = limit if vector is None else max(limit, DEPTH)  # by words alone nothing is fused
    rankings: dict[str, list[int]] = {}
    if mode is not Mode.SEMANTIC or vector is None:
        rankings[fusion.LEXICAL] = [item.passage for item in lexical.rank(where, filters, lexical.terms(query), depth)]
    if vector is not None:
        rankings[fusion.SEMANTIC] = [item.passage for item in semantic.rank(where, filters, vector, depth)]
    return fusion.fuse(rankings)[:limit]


def why_not(asked: str, done: Mode) -> str | None:
    """Return why a search was not done as it was asked for, None where it was."""
    if done == asked:
        return None
    return embedders.why_none(embedders.serving() if MemorySettings.load().embedder else None)


def _embedded(model: EmbeddingModel, app_id: UUID) -> Embedded:
    """Return how much of an app a model knows, as it was counted a moment ago: to count takes longer than to search."""
    key = f"honcho-embedded-{model.pk}-{app_id}"
    counts = cache.get(key)
    if counts is None:
        counts = embeddings.counted(model, app_id)
        cache.set(key, counts, _COUNTED_SECONDS)
    indexed, waiting = counts
    return Embedded(model.name, indexed, waiting)


def _hits(fused: Sequence[fusion.Fused], asked: Sequence[str]) -> list[Hit]:
    """Read what was found; what was deleted meanwhile is left out. One statement."""
    found = {row[0]: row for row in rows(_FOUND, [array(item.passage for item in fused)])}
    hits = []
    for item in fused:
        row = found.get(item.passage)
        if row is not None:
            ranks = item.ranks.get(fusion.LEXICAL), item.ranks.get(fusion.SEMANTIC)
            hits.append(Hit(_told(row), row[1], item.score, *ranks, asked))
    return hits


def _told(row: tuple[Any, ...]) -> FoundEvent | FoundStatement:
    """Return what a row of ``memory_found`` tells. Only an event has a kind."""
    if row[_KIND] is not None:
        return FoundEvent._make(row[_EVENT])
    return FoundStatement._make([*row[_SAID], *row[_STATEMENT], About._make(row[_SUBJECT])])
