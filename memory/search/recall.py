"""Recalling: what memory has for a question, as text for an agent in a budget of tokens. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from memory import rendering
from memory.search import documents, ranked
from memory.search.embedders import Vector
from memory.search.finding import Mode, fused, why_not
from memory.search.ranked import Ranked
from memory.search.ranking import packing
from memory.search.scopes import CONCLUSION, EVENT, Filters, Scope, narrow
from memory.search.words import texts
from memory.statements import array, rows
from memory.tokens import count, stands_apart

MOST = 200
SHORT = 20
"""A line takes about so many tokens at least: so many lines as that are tried for room, and no more than ``MOST``."""

FEW, TYPICAL, BATCH = 10, 30, 50
"""What was found is read in batches of ``FEW`` and one for each ``TYPICAL`` tokens of the budget, or of ``BATCH``."""

MOST_SOURCES = 10
"""Of a statement that rests on more events, the newest are named."""

# What belongs to the scope, and stands: neighbours of what belongs to it need not. (Migration 0031.)
_TELL = "SELECT * FROM memory_tell(%s::bigint[], %s::tsquery, %s::bigint[], %s)"


class Told(NamedTuple):  # a data class takes five times as long to make
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


class _Passage(NamedTuple):
    """What is told of a passage. ``sources`` are the events that a statement rests on, the newest first."""

    passage: int
    statement: bool
    id: UUID
    at: datetime
    content: str
    data: Any
    who: str | None
    held_from: date | None
    held_until: date | None
    sources: list[UUID] | None


def recall(
    where: Scope,
    query: str,
    *,
    tokens: int = 1_000,
    filters: Filters | None = None,
    vector: Vector | None = None,
    asked_at: datetime | None = None,
) -> Recalled:
    """Return what a scope has for a query in at most ``tokens`` tokens, the most relevant first.

    Statements and the log are ranked together; what says the same is there once. ``vector`` as for ``find``, best by
    ``embed_question``. Words of the query such as "last week" count from ``asked_at``, or else from now.

    Two statements of SQL and one for each batch of lines; more under filters, in a whole app, and where what was
    written is not indexed yet.
    """
    filters = filters or Filters()
    most = min(MOST, tokens // SHORT + 10)
    today = (asked_at or timezone.now()).date()
    found = ranked.best(where, query, vector, today, most) if filters == Filters() else None
    if found is None:
        items = [(item.passage, item.score) for item in fused(where, query, most, filters, Mode.HYBRID, vector)]
        found = Ranked(items, [passage for passage, _ in items], texts(query))
    size_of = cache(_size)
    told = packing.pack(_told(_passages(where, found, min(BATCH, FEW + tokens // TYPICAL)), found), tokens, size_of)
    while (size := _together([item.line for item in told], size_of)) > tokens:
        told.pop()
    text = "\n".join(item.line for item in told)
    mode = Mode.HYBRID if vector else Mode.LEXICAL
    return Recalled(text, size, told, mode, why_not(Mode.HYBRID, mode))


def _size(line: str) -> int:
    """Return the tokens of a line that another follows."""
    return count(f"{line}\n")


def _together(lines: Sequence[str], size_of: Callable[[str], int]) -> int:
    """Return the tokens of lines as one text: to count those of each line once more would take as long again."""
    if lines and all(map(stands_apart, lines)):
        return sum(map(size_of, lines[:-1])) + count(lines[-1])
    return count("\n".join(lines))


def _passages(where: Scope, found: Ranked, batch: int) -> Iterator[tuple[_Passage, float]]:
    """Yield what was found and belongs to the scope, as long as more is asked for. A statement for each batch."""
    marks, known = narrow(where, Filters()), array(found.known)
    for start in range(0, len(found.items), batch):
        scores = dict(found.items[start : start + batch])
        told = {row[0]: row for row in rows(_TELL, [array(scores), marks, known, MOST_SOURCES])}
        yield from ((_Passage._make(told[passage]), score) for passage, score in scores.items() if passage in told)


def _told(passages: Iterable[tuple[_Passage, float]], found: Ranked) -> Iterator[Told]:
    """Yield what passages are told as."""
    asked = packing.Asked(found.terms)
    names = {word for name in found.names for word in texts(name)}
    for passage, score in passages:
        text = documents.said(passage.content, passage.data)
        if passage.statement:
            line = rendering.dated(passage.content, passage.held_from, passage.held_until)
        else:
            line = packing.line(passage.who or "", passage.at.date(), packing.excerpt(text, asked, names))
        kind = CONCLUSION if passage.statement else EVENT
        sources = [passage.id] if passage.sources is None else passage.sources
        yield Told(kind, passage.id, text, passage.at, score, line, sources)
