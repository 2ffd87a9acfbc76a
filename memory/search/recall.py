"""Recalling: what memory has for a question, as text for an agent in a budget of tokens. No model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from memory import rendering
from memory.search import documents, ranked
from memory.search.embedders import Vector
from memory.search.finding import Mode, fused, why_not
from memory.search.lexical import Scored
from memory.search.ranked import Ranked
from memory.search.ranking import packing
from memory.search.scopes import CONCLUSION, EVENT, STANDS, Filters, Scope, condition
from memory.search.words import words
from memory.tokens import count

MOST = 200
SHORTEST = 10
"""A line takes about so many tokens at least: so many lines as that are tried for room, and no more than ``MOST``."""

BATCH = 50
"""So many of what was found are read at once."""

MOST_SOURCES = 10
"""Of a statement that rests on more events, the newest are named."""

# What belongs to the scope: neighbours of what does need not. Evidence that was found beside the version that readers
# get does not count.
_TELL = """
SELECT passage.id, passage.conclusion_id IS NOT NULL, coalesce(passage.event_id, passage.conclusion_id), passage.at,
       coalesce(event.content, conclusion.content), event.data, coalesce(author.name, event.origin),
       conclusion.held_from, conclusion.held_until,
       CASE WHEN passage.conclusion_id IS NULL THEN ARRAY[passage.event_id]
            ELSE ARRAY(SELECT evidence.event_id
                         FROM memory_evidence evidence
                         JOIN memory_representation finder ON finder.id = evidence.representation_id
                         JOIN memory_subject subject ON subject.id = conclusion.subject_id
                         JOIN memory_representation version ON version.id = subject.current_id
                        WHERE evidence.conclusion_id = conclusion.id AND finder.number <= version.number
                        ORDER BY evidence.event_id DESC LIMIT %(most)s) END
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_user author ON author.id = event.author_id
  LEFT JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
 WHERE passage.id = ANY(%(passages)s) AND ((passage.id = ANY(%(known)s) AND {stands}) OR ({fulfils}))
"""


@dataclass(frozen=True, slots=True)
class Told:
    """Something found, as it is told: its line in the text, and the events that it rests on, the newest first.

    ``type`` is ``event`` or ``conclusion``, ``text`` what was said, ``at`` when. An event rests on itself.
    """

    type: str
    id: UUID
    text: str
    at: datetime
    score: float
    line: str
    sources: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Recalled:
    """A text of ``tokens`` tokens, what it holds (the most relevant first), and how it was looked for."""

    text: str
    tokens: int
    items: Sequence[Told]
    mode: Mode
    note: str | None


@dataclass(frozen=True, slots=True)
class _Passage:
    """What is told of a passage."""

    id: int
    statement: bool
    row: UUID
    at: datetime
    content: str
    data: Any
    who: str | None
    held_from: date | None
    held_until: date | None
    sources: Sequence[UUID]

    @property
    def type(self) -> str:
        """``event`` or ``conclusion``."""
        return CONCLUSION if self.statement else EVENT

    @property
    def text(self) -> str:
        """What was said, or concluded."""
        return documents.said(self.content, self.data)


def recall(
    where: Scope, query: str, *, tokens: int = 1_000, filters: Filters | None = None, vector: Vector | None = None
) -> Recalled:
    """Return what a scope has for a query in at most ``tokens`` tokens, the most relevant first.

    Statements and the log are ranked together; what says the same is there once. ``vector`` as for ``find``, best by
    ``embed_question``.
    """
    filters = filters or Filters()
    most = min(MOST, tokens // SHORTEST + 10)
    found = ranked.best(where, query, vector) if filters == Filters() else None
    if found is None:
        items = [Scored(item.passage, item.score) for item in fused(where, query, most, filters, Mode.HYBRID, vector)]
        found = Ranked(items, [item.passage for item in items], [word.text for word in words(query)])
    told = packing.pack(_told(_passages(where, found, most), found), tokens, rendering.size)
    text = "\n".join(item.line for item in told)
    mode = Mode.HYBRID if vector else Mode.LEXICAL
    return Recalled(text, count(text), told, mode, why_not(Mode.HYBRID, mode))


def _passages(where: Scope, found: Ranked, most: int) -> Iterator[tuple[_Passage, float]]:
    """Yield what was found and belongs to the scope, as long as more is asked for. A statement for each batch."""
    fulfils, values = condition(where, Filters())
    values["most"] = MOST_SOURCES
    statement = _TELL.format(fulfils=fulfils, stands=STANDS)
    for start in range(0, most, BATCH):
        scores = {item.passage: item.score for item in found.items[start : start + BATCH]}
        if not scores:
            return
        with connection.cursor() as cursor:
            cursor.execute(statement, {**values, "passages": list(scores), "known": list(found.known)})
            rows = {row[0]: _Passage(*row) for row in cursor.fetchall()}
        yield from ((rows[passage], score) for passage, score in scores.items() if passage in rows)


def _told(passages: Iterable[tuple[_Passage, float]], found: Ranked) -> Iterator[Told]:
    """Yield what passages are told as."""
    asked = packing.Asked(found.terms)
    names = {word.text for name in found.names for word in words(name)}
    for passage, score in passages:
        if passage.statement:
            line = rendering.dated(passage.content, passage.held_from, passage.held_until)
        else:
            line = packing.line(passage.who or "", passage.at.date(), packing.excerpt(passage.text, asked, names))
        yield Told(passage.type, passage.row, passage.text, passage.at, score, line, passage.sources)
