"""Recalling: what memory has for a question, as text for an agent in a budget of tokens. No model is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from memory import rendering, tokens
from memory.search import documents, ranked
from memory.search.embedders import Vector
from memory.search.finding import Mode, fused, why_not
from memory.search.highlights import highlights
from memory.search.lexical import Scored
from memory.search.ranked import Ranked
from memory.search.scopes import CONCLUSION, EVENT, STANDS, Filters, Scope, condition
from memory.search.words import words

MOST = 200
SHORTEST = 10
"""A line takes about so many tokens at least: so many lines as that are tried for room, and no more than ``MOST``."""

BATCH = 50
"""So many of what was found are read at once."""

EXCERPT = 600
"""Of an event with more characters only what is around the words that were asked for is told."""

ALIKE = 0.8
"""From which share of common words on two texts say the same."""

MOST_SOURCES = 10
"""Of a statement that rests on more events, the newest are named."""

# What was found beside the version that readers get does not count.
_SOURCES = """
SELECT conclusion.id, source.event_id
  FROM unnest(%(statements)s::uuid[]) AS found(id) JOIN memory_conclusion conclusion ON conclusion.id = found.id
  JOIN memory_subject subject ON subject.id = conclusion.subject_id
  JOIN memory_representation version ON version.id = subject.current_id
 CROSS JOIN LATERAL (
       SELECT evidence.event_id
         FROM memory_evidence evidence JOIN memory_representation finder ON finder.id = evidence.representation_id
        WHERE evidence.conclusion_id = conclusion.id AND finder.number <= version.number
        ORDER BY evidence.event_id DESC LIMIT %(most)s) source
"""


# What belongs to the scope: neighbours of what does need not.
_TELL = """
SELECT passage.id, passage.conclusion_id IS NOT NULL, coalesce(passage.event_id, passage.conclusion_id), passage.at,
       coalesce(event.content, conclusion.content), event.data, coalesce(author.name, event.origin),
       conclusion.held_from, conclusion.held_until
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
        found = Ranked(items, [item.passage for item in items])
    mode = Mode.HYBRID if vector else Mode.LEXICAL
    asked = [word.text for word in words(query)]
    return _fitted(_passages(where, found, most), tokens, asked, mode, why_not(Mode.HYBRID, mode))


def _passages(where: Scope, found: Ranked, most: int) -> Iterator[tuple[_Passage, float]]:
    """Yield what was found and belongs to the scope, as long as more is asked for. A statement for each batch."""
    fulfils, values = condition(where, Filters())
    statement = _TELL.format(fulfils=fulfils, stands=STANDS)
    for start in range(0, most, BATCH):
        scores = {item.passage: item.score for item in found.items[start : start + BATCH]}
        if not scores:
            return
        with connection.cursor() as cursor:
            cursor.execute(statement, {**values, "passages": list(scores), "known": list(found.known)})
            rows = {row[0]: _Passage(*row) for row in cursor.fetchall()}
        yield from ((rows[passage], score) for passage, score in scores.items() if passage in rows)


def _fitted(
    found: Iterable[tuple[_Passage, float]], budget: int, asked: Sequence[str], mode: Mode, note: str | None
) -> Recalled:
    lines: list[str] = []
    taken: list[tuple[_Passage, float]] = []
    seen: list[frozenset[str]] = []
    left = budget
    for passage, score in found:
        own = frozenset(word.text for word in words(passage.text))
        if not own or any(_alike(own, other) for other in seen):
            continue
        line = _line(passage, asked)
        size = rendering.size(line)
        if size > left:
            continue
        lines.append(line)
        taken.append((passage, score))
        seen.append(own)
        left -= size
        if left < SHORTEST // 2:
            break
    text = "\n".join(lines)
    sources = _sources([passage for passage, _ in taken])
    told = [
        Told(passage.type, passage.row, passage.text, passage.at, score, line, sources[passage.row])
        for (passage, score), line in zip(taken, lines, strict=True)
    ]
    return Recalled(text, tokens.count(text), told, mode, note)


def _sources(taken: Sequence[_Passage]) -> dict[UUID, list[UUID]]:
    """Return the events that each rests on; one statement, and none where there are only events."""
    sources: dict[UUID, list[UUID]] = defaultdict(list)
    sources |= {passage.row: [passage.row] for passage in taken if not passage.statement}
    statements = [passage.row for passage in taken if passage.statement]
    if statements:
        with connection.cursor() as cursor:
            cursor.execute(_SOURCES, {"statements": statements, "most": MOST_SOURCES})
            for statement, event in cursor.fetchall():
                sources[statement].append(event)
    return sources


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * max(len(one), len(other))


def _line(passage: _Passage, asked: Sequence[str]) -> str:
    """Return a passage as one line: a statement with its dates, an event with its author and day."""
    if passage.statement:
        return "- " + rendering.dated(passage.content, passage.held_from, passage.held_until)
    text = passage.text
    if len(text) > EXCERPT:
        text = " … ".join(part.text for part in highlights(text, asked)) or f"{text[:EXCERPT]} …"
    return f"- {passage.who} ({passage.at:%Y-%m-%d}): {' '.join(text.split())}"
