"""Recalling: what memory has for a question, as text for an agent in a budget of tokens. No model is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from memory import rendering, tokens
from memory.models import Event
from memory.search.embedders import Vector
from memory.search.finding import Found, Hit, Mode, find
from memory.search.scopes import Filters, Scope
from memory.search.words import words

MOST = 200
SHORTEST = 10
"""A line takes about so many tokens at least: so many lines as that are tried for room, and no more than ``MOST``."""

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


@dataclass(frozen=True, slots=True)
class Told:
    """Something found, as it is told: its line in the text, and the events that it rests on, the newest first.

    An event rests on itself.
    """

    hit: Hit
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


def recall(
    where: Scope, query: str, *, tokens: int = 1_000, filters: Filters | None = None, vector: Vector | None = None
) -> Recalled:
    """Return what a scope has for a query in at most ``tokens`` tokens, the most relevant first.

    Statements and the log are ranked together; what says the same is there once. ``vector`` as for ``find``.
    """
    found = find(where, query, limit=min(MOST, tokens // SHORTEST + 10), filters=filters, vector=vector)
    return _fitted(found, tokens)


def _fitted(found: Found, budget: int) -> Recalled:
    lines: list[str] = []
    taken: list[Hit] = []
    seen: list[frozenset[str]] = []
    left = budget
    for hit in found.items:
        own = frozenset(word.text for word in words(hit.text))
        if not own or any(_alike(own, other) for other in seen):
            continue
        line = _line(hit)
        size = rendering.size(line)
        if size > left:
            continue
        lines.append(line)
        taken.append(hit)
        seen.append(own)
        left -= size
        if left < SHORTEST // 2:
            break
    text = "\n".join(lines)
    sources = _sources(taken)
    told = [Told(hit, line, sources[hit.id]) for hit, line in zip(taken, lines, strict=True)]
    return Recalled(text, tokens.count(text), told, found.mode, found.note)


def _sources(hits: Sequence[Hit]) -> dict[UUID, list[UUID]]:
    """Return the events that each hit rests on; one statement, and none where there are only events."""
    sources: dict[UUID, list[UUID]] = defaultdict(list)
    sources |= {hit.id: [hit.id] for hit in hits if isinstance(hit.row, Event)}
    statements = [hit.id for hit in hits if hit.id not in sources]
    if statements:
        with connection.cursor() as cursor:
            cursor.execute(_SOURCES, {"statements": statements, "most": MOST_SOURCES})
            for statement, event in cursor.fetchall():
                sources[statement].append(event)
    return sources


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * max(len(one), len(other))


def _line(hit: Hit) -> str:
    """Return a hit as one line: a statement with its dates, an event with its author and day."""
    if not isinstance(hit.row, Event):
        return "- " + rendering.dated(hit.row.content, hit.row.held_from, hit.row.held_until)
    author = hit.row.author.name if hit.row.author else hit.row.origin
    text = hit.text
    if len(text) > EXCERPT:
        text = " … ".join(part.text for part in hit.highlights) or f"{text[:EXCERPT]} …"
    return f"- {author} ({hit.row.occurred_at:%Y-%m-%d}): {' '.join(text.split())}"
