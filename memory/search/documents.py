"""Reading what is to be indexed: the words of events and statements, and what searches need to know beside them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from memory.search import scopes
from memory.search.lexemes import lexemes, of_statements
from memory.search.words import folded

LONGEST_DATA = 10_000
"""So many characters of an event's data are searched for words."""

# What belongs to an event's place and to the feeds that it joined; and the turn before it.
_READ = """
SELECT passage.id, coalesce(event.content, conclusion.content), event.data, event.kind, event.origin, event.author_id,
       owned.things, passage.app_id, extract(epoch FROM passage.at)::float8,
       coalesce(conclusion.about_id, subject.user_id),
       before.id, before.author_id, before.words, before.content, before.data
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
  LEFT JOIN memory_subject subject ON subject.id = conclusion.subject_id
  LEFT JOIN memory_session session ON session.id = subject.session_id
 CROSS JOIN LATERAL (
       SELECT ARRAY[event.user_id, event.session_id, event.project_id,
                    CASE WHEN subject.kind = 'user' THEN subject.user_id END,
                    subject.session_id, session.owner_id, subject.project_id]
              || ARRAY(SELECT coalesce(followed.project_id, followed.session_id, followed.user_id)
                         FROM memory_feedentry entry JOIN memory_subject followed ON followed.id = entry.subject_id
                        WHERE entry.event_id = event.id AND followed.kind <> 'observed') AS things) owned
  LEFT JOIN LATERAL (
       SELECT own.id, turn.author_id, CASE WHEN own.text IS NOT NULL THEN own.words END AS words,
              CASE WHEN own.text IS NULL THEN turn.content END AS content,
              CASE WHEN own.text IS NULL THEN turn.data END AS data
         FROM memory_event turn JOIN memory_passage own ON own.event_id = turn.id
        WHERE turn.session_id = event.session_id AND turn.id < event.id ORDER BY turn.id DESC LIMIT 1) before ON true
 WHERE {which}
 ORDER BY passage.id LIMIT %(limit)s
"""
_OF = " AND owned.things && %(of)s::uuid[]"


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn before an event in its session."""

    id: int
    words: int
    author: UUID | None


@dataclass(frozen=True, slots=True)
class Document:
    """A passage as it is indexed: its words as they are compared, its marks, and whose it is (``things``).

    ``at`` is in seconds since 1970; ``author`` is who wrote it, or whom a statement is about.
    """

    id: int
    folded: str
    words: int
    marks: Sequence[str]
    things: frozenset[UUID]
    statement: bool
    at: float
    author: UUID | None
    before: Turn | None


def read(which: str, values: Mapping[str, Any], limit: int, *, of: Collection[UUID] = ()) -> list[Document]:
    """Return up to ``limit`` of the passages that fulfil a condition in SQL, by their ids.

    ``of`` are things of which each belongs to one at least; of any where none are given.
    """
    which += _OF if of else ""
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(which=which), {**values, "limit": limit, "of": list(of)})
        return [_document(*row) for row in cursor.fetchall()]


def said(content: str, data: Any) -> str:
    """Return what an event says to who looks for it: its text, and the texts and numbers in its data.

    ``data`` may be text, as a cursor gives them.
    """
    if not data:
        return content
    if isinstance(data, str):
        data = json.loads(data)
    inside = " ".join(_values(data))[:LONGEST_DATA]
    return f"{content}\n{inside}" if content else inside


def counted(documents: Sequence[Document]) -> list[Counter[int]]:
    """Return how often each document has each lexeme."""
    split = [document.folded.split() for document in documents]
    stems = lexemes({word for words in split for word in words})
    found = [Counter(stem for word in words for stem in stems[word]) for words in split]
    return [
        Counter({of_statements(lexeme): count for lexeme, count in counts.items()}) if document.statement else counts
        for document, counts in zip(documents, found, strict=True)
    ]


def _values(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _values(item)
    elif isinstance(data, str | int | float) and not isinstance(data, bool):
        yield str(data)


def _document(
    passage: int,
    content: str,
    data: Any,
    kind: str | None,
    origin: str | None,
    author: UUID | None,
    things: list[UUID | None],
    app: UUID,
    at: float,
    about: UUID | None,
    *before: Any,
) -> Document:
    own = frozenset(thing for thing in things if thing is not None)
    marks = {scopes.belongs(thing) for thing in (*own, app)}
    marks.add(scopes.of_type(scopes.CONCLUSION if kind is None else scopes.EVENT))
    if kind is not None and origin is not None:
        marks |= {scopes.of_kind(kind), scopes.of_origin(origin)}
    if author is not None:
        marks.add(scopes.by_author(author))
    text, count = folded(said(content, data))
    who = about if kind is None else author
    return Document(passage, text, count, sorted(marks), own, kind is None, at, who, _turn(passage, *before))


def _turn(
    passage: int, before: int | None, author: UUID | None, words: int | None, content: str, data: Any
) -> Turn | None:
    """Return the turn before a passage; what was written at the same time may have a later number, and is none."""
    if before is None or before >= passage:
        return None
    if words is None:
        words = folded(said(content, data))[1]
    return Turn(before, words, author)
