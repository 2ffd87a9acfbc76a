"""Finding events and statements by words, by meaning, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import TextChoices

from memory.models import Conclusion, Event, Passage
from memory.search import fusion, index, lexical
from memory.search.highlights import Highlight, highlights
from memory.search.scope import CONCLUSION, EVENT, Filters, Scope

DEPTH = 100
"""How many places of each ranking are fused, at least."""


class Mode(TextChoices):
    """How a search looks."""

    HYBRID = "hybrid"
    LEXICAL = "lexical"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class Vector:
    """A query as a model sees it; ``model`` is the id of the model's row."""

    model: int
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Embedded:
    """How many of an app's passages a model has made a vector of, and how many wait for theirs."""

    model: str
    indexed: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: an event, with its author and session, or a statement, with its subject and whom it is about."""

    row: Event | Conclusion
    at: datetime
    score: float
    lexical_rank: int | None
    semantic_rank: int | None
    highlights: Sequence[Highlight]

    @property
    def type(self) -> str:
        """``event`` or ``conclusion``."""
        return EVENT if isinstance(self.row, Event) else CONCLUSION

    @property
    def id(self) -> UUID:
        """The event's or the statement's id."""
        return self.row.pk

    @property
    def text(self) -> str:
        """What was said: the text, and of an event without one what its data say."""
        return index.said(self.row.content, self.row.data) if isinstance(self.row, Event) else self.row.content


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
    terms = lexical.terms(query)
    rankings: dict[str, list[int]] = {}
    if done is not Mode.SEMANTIC:
        ranked = lexical.rank(where, filters, terms, max(limit, DEPTH))
        rankings[fusion.LEXICAL] = [item.passage for item in ranked]
    fused = fusion.fuse(rankings)[:limit]
    note = None if done == mode else "No embeddings are configured."
    return Found(_hits(fused, [term.word for term in terms]), done, None, note)


def _hits(fused: Sequence[fusion.Fused], asked: Sequence[str]) -> list[Hit]:
    """Read what was found; what was deleted meanwhile is left out. One statement."""
    subject = [f"conclusion__subject__{part}" for part in ("user", "observer", "session", "project")]
    related = ["event__author", "event__session", "conclusion__about", *subject]
    passages = Passage.objects.select_related(*related).defer("text").in_bulk([item.passage for item in fused])
    found = []
    for item in fused:
        passage = passages.get(item.passage)
        row = None if passage is None else passage.event or passage.conclusion
        if passage is None or row is None:
            continue
        text = index.said(row.content, row.data) if isinstance(row, Event) else row.content
        ranks = item.ranks.get(fusion.LEXICAL), item.ranks.get(fusion.SEMANTIC)
        found.append(Hit(row, passage.at, item.score, *ranks, highlights(text, asked)))
    return found
