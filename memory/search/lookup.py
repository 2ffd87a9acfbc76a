"""Looking words up in the inverted indexes: what has them, how often, and what is beside it.

Of frequent words not all is read: the rarest words come first, and of what no longer fits the newest. What waits to be
merged is read whole, and what is not even indexed yet from the texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from memory.models import User
from memory.search import index, postings
from memory.search.documents import Document
from memory.search.lexemes import of_statements
from memory.search.records import RECORD, Records, unpack
from memory.search.scopes import Scope

MOST_READ = 3_000
"""So many records of events are read about, and as many of statements."""

Term = Sequence[int]
"""The lexemes of a word."""

_OPEN = """
SELECT subject.thing = %(thing)s, index.id, index.scanned IS NULL, index.documents, index.authors,
       ARRAY(SELECT coalesce(named.name, '') FROM unnest(index.authors) WITH ORDINALITY AS author(id, place)
               LEFT JOIN memory_user named ON named.id = author.id ORDER BY place)
  FROM (SELECT id, coalesce(project_id, session_id, user_id) AS thing FROM memory_subject
         WHERE (kind = 'user' AND user_id = ANY(%(things)s)) OR (kind = 'session' AND session_id = ANY(%(things)s))
            OR (kind = 'project' AND project_id = ANY(%(things)s))) subject
  JOIN memory_wordindex index ON index.subject_id = subject.id
"""
_READ = """
SELECT asked.own, unmerged.*, merged.*
  FROM unnest(%(indexes)s::bigint[], %(own)s::bool[]) AS asked(id, own)
 CROSS JOIN LATERAL (
       SELECT array_agg(passage_id), array_agg(record), array_agg(lexemes)
         FROM memory_unmergedpassage WHERE index_id = asked.id) unmerged
 CROSS JOIN LATERAL (
       SELECT array_agg(lexeme), array_agg(total), array_agg((
              SELECT string_agg(data, '') FROM (
                     SELECT data FROM memory_posting WHERE index_id = asked.id AND lexeme = chosen.lexeme
                      ORDER BY block DESC
                      LIMIT CASE WHEN before < %(most)s THEN (%(most)s - before) / %(block)s + 1 ELSE 0 END) blocks))
         FROM (SELECT lexeme, total, sum(total) OVER (PARTITION BY statement ORDER BY total, lexeme) - total AS before
                 FROM (SELECT word.lexeme, word.statement, (
                              SELECT total FROM memory_posting WHERE index_id = asked.id AND lexeme = word.lexeme
                               ORDER BY block DESC LIMIT 1) AS total
                         FROM unnest(%(lexemes)s::int[], %(statement)s::bool[]) AS word(lexeme, statement)
                        WHERE word.statement OR asked.own) counted
                WHERE total IS NOT NULL) chosen) merged
"""

_Places = dict[int, list[tuple[int, bool]]]
"""Which words a lexeme is of, and whether it is theirs in statements."""

_Part = tuple[Records, NDArray[np.int32]]
"""Records, and the lexeme of each."""


@dataclass(frozen=True, slots=True)
class Index:
    """An inverted index, the scope's ``own`` or that of who is known there, and who wrote what is in it."""

    own: bool
    id: int
    complete: bool
    documents: int
    authors: list[UUID]
    names: list[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a scope's words are looked up in: its indexes, and what is not indexed yet.

    ``authors`` are those who wrote anything in the scope, ``names`` theirs.
    """

    indexes: Sequence[Index]
    fresh: Sequence[Document]
    documents: int
    authors: list[UUID]
    names: list[str]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of an index: what is not merged, and of each lexeme how many have it, and records. Any is None."""

    own: bool
    passages: list[int] | None
    records: list[bytes] | None
    lexemes: list[bytes] | None
    names: list[int] | None
    totals: list[int] | None
    data: list[bytes | None] | None

    @property
    def unmerged(self) -> list[postings.Row]:
        """What is not merged yet."""
        return list(zip(self.passages or [], self.records or [], self.lexemes or [], strict=True))

    @property
    def merged(self) -> Iterator[tuple[int, int, Records]]:
        """Each lexeme, how many have it, and the records that were read of it."""
        for name, total, data in zip(self.names or [], self.totals or [], self.data or [], strict=True):
            yield name, total, unpack(data or b"")


@dataclass(frozen=True, slots=True)
class Matches:
    """What has any of the words: ``n`` passages by ``t`` words.

    ``records`` says what each passage is, in the order of passages, ``counts`` how often it has each word (n, t).
    ``frequency`` is how many of ``documents`` have each word (t,).
    """

    records: Records
    counts: NDArray[np.float32]
    frequency: NDArray[np.float32]
    documents: int


def open_indexes(where: Scope) -> Opened | None:
    """Return what to look up a scope's words in; None where it is a whole app, or an index does not have all yet."""
    if where.thing is None:
        return None
    fresh = [
        document
        for document in index.unindexed(where.app_id)
        if where.thing in document.things or (document.statement and where.known in document.things)
    ]  # before the indexes: what is indexed meanwhile is in both
    things = [thing for thing in (where.thing, where.known) if thing is not None]
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {"thing": where.thing, "things": things})
        indexes = [Index(*row) for row in cursor.fetchall()]
    if not all(known.complete for known in indexes):
        return None
    own = next((known for known in indexes if known.own), None)
    authors, names = (list(own.authors), list(own.names)) if own else ([], [])
    new = {document.author for document in fresh if document.author is not None}.difference(authors)
    if new:
        known = dict(User.objects.filter(pk__in=new).values_list("pk", "name"))
        authors += known
        names += [name or "" for name in known.values()]
    return Opened(indexes, fresh, (own.documents if own else 0) + len(fresh), authors, names)


def look_up(opened: Opened, terms: Sequence[Term]) -> Matches:
    """Return what has any of the words. One statement."""
    places = _places(terms)
    asked: dict[str, Any] = {
        "indexes": [known.id for known in opened.indexes],
        "own": [known.own for known in opened.indexes],
        "lexemes": list(places),
        "statement": [all(statement for _, statement in asked) for asked in places.values()],
        "most": MOST_READ,
        "block": postings.BLOCK,
    }
    found = []
    if places and opened.indexes:
        with connection.cursor() as cursor:
            cursor.execute(_READ, asked)
            found = [_Read(*row) for row in cursor.fetchall()]
    parts, totals = _parts(places, found, _written(opened))
    return _matches(places, len(terms), parts, totals, opened.documents)


def _places(terms: Sequence[Term]) -> _Places:
    """Return which words each lexeme is of, and whether it is their lexeme in statements."""
    places: _Places = {}
    for place, term in enumerate(terms):
        for lexeme in term:
            places.setdefault(lexeme, []).append((place, False))
            places.setdefault(of_statements(lexeme), []).append((place, True))
    return places


def _written(opened: Opened) -> list[postings.Row]:
    """Return what is not indexed yet as it will be."""
    rows = [(document.id, postings.record(document, opened.authors)) for document in opened.fresh]
    return [(*row, lexemes) for row, lexemes in zip(rows, postings.lexemes(opened.fresh), strict=True)]


def _parts(places: _Places, found: Sequence[_Read], fresh: Sequence[postings.Row]) -> tuple[list[_Part], Counter[int]]:
    """Return records and the lexeme of each, and how many documents have each lexeme."""
    own = [row for read in found if read.own for row in read.unmerged]
    parts = [_unmerged([*own, *fresh], places)]
    parts += [_unmerged(read.unmerged, places, statements=True) for read in found if not read.own]
    totals = Counter(np.concatenate([names for _, names in parts]).tolist())
    for read in found:
        for name, total, records in read.merged:
            totals[name] += total
            parts.append((records, np.full(len(records), name, np.int32)))
    return parts, totals


def _matches(places: _Places, size: int, parts: Sequence[_Part], totals: Mapping[int, int], documents: int) -> Matches:
    records = np.concatenate([records for records, _ in parts])
    names = np.concatenate([names for _, names in parts])
    _, first, place = np.unique(records["passage"], return_index=True, return_inverse=True)
    counts = np.zeros((len(first), size), np.float32)
    frequency = np.zeros((2, size), np.float32)
    for name, total in totals.items():
        there = names == name
        for term, statement in places[name]:
            # Of a word's lexemes, in several languages, each may be of the same word of the text.
            counts[place[there], term] = np.maximum(counts[place[there], term], records["count"][there])
            frequency[int(statement), term] = max(frequency[int(statement), term], total)
    return Matches(records[first], counts, frequency.sum(axis=0), documents)


def _unmerged(rows: Sequence[postings.Row], places: Iterable[int], *, statements: bool = False) -> _Part:
    """Return what is asked for of documents that are not merged: their records and lexemes; only ``statements``."""
    if not rows:
        return np.zeros(0, RECORD), np.zeros(0, np.int32)
    _, packed, lexemes = zip(*sorted(rows), strict=True)
    records, names = postings.spread(packed, lexemes)
    asked = np.isin(names, list(places))
    if statements:
        asked &= records["statement"]
    return records[asked], names[asked]
