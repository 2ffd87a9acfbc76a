"""Looking words up in the inverted indexes: what has them, how often, and what is beside it. One statement of SQL.

Of frequent words not all is read: the rarest words come first, and of what no longer fits the newest. What waits to be
merged is read whole, and what is not even indexed yet from the texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory.models import User
from memory.search import documents, postings
from memory.search.documents import Document
from memory.search.lexemes import of_statements
from memory.search.records import RECORD, Records, joined, some, unpack
from memory.search.scopes import Scope
from memory.statements import array, rows

MOST_READ = 2_000
"""So many records of events are read about, and as many of statements."""

Term = Sequence[int]
"""The lexemes of a word."""

_READ = "SELECT * FROM memory_look_up(%s, %s, %s, %s::int[], %s::boolean[], %s, %s)"  # migration 0031

_Part = tuple[Records, NDArray[np.int32]]
"""Records, and the lexeme of each."""


class _Index(NamedTuple):
    """What was read of an index: the scope's ``own``, or that of who is known there. All but ``fresh`` may be None."""

    own: bool
    id: int | None
    complete: bool | None
    documents: int | None
    authors: list[UUID] | None
    names: list[str]
    fresh: list[int]
    records: bytes | None
    unmerged: bytes | None
    unmerged_sizes: list[int] | None
    lexemes: list[int] | None
    totals: list[int] | None
    sizes: list[int] | None
    data: bytes | None

    @property
    def counted(self) -> list[int]:
        """How many records were read of each lexeme."""
        return [size // RECORD.itemsize for size in self.sizes or []]


@dataclass(frozen=True, slots=True)
class Matches:
    """What has any of the words: ``n`` passages by ``t`` words.

    ``records`` says what each passage is, in the order of passages, ``counts`` how often it has each word (n, t).
    ``frequency`` is how many of ``documents`` have each word (t,). ``authors`` are those who wrote anything in the
    scope, ``names`` theirs; ``fresh`` the passages of the scope that are not indexed yet.
    """

    records: Records
    counts: NDArray[np.float32]
    frequency: NDArray[np.float32]
    documents: int
    authors: Sequence[UUID]
    names: Sequence[str]
    fresh: Sequence[int]

    def of_terms(self, places: Sequence[int]) -> Matches:
        """Return the same for some of the words."""
        return replace(self, counts=self.counts[:, places], frequency=self.frequency[places])


def look_up(where: Scope, terms: Sequence[Term]) -> Matches | None:
    """Return what of a scope has any of the words; None for a whole app, or where an index does not have all yet.

    One statement, and two more where something is not indexed yet.
    """
    if where.thing is None:
        return None
    entries = [(lexeme, place, False) for place, term in enumerate(terms) for lexeme in term]
    entries = sorted([*entries, *((of_statements(lexeme), place, True) for lexeme, place, _ in entries)])
    asked = {lexeme: statement for lexeme, _, statement in entries}  # in the order of lexemes
    values = [where.app_id, where.thing, where.known, array(asked), array(asked.values()), MOST_READ, postings.BLOCK]
    indexes = [_Index._make(row) for row in rows(_READ, values)]
    if any(index.complete is False for index in indexes):
        return None
    own = next(index for index in indexes if index.own)
    authors, names = list(own.authors or []), list(own.names)
    fresh = _fresh(where, own.fresh, authors, names)
    parts, totals = _parts(list(asked), indexes, fresh, authors)
    records, counts = _counted(list(asked), entries, len(terms), parts)
    frequency = np.zeros((2, len(terms)), np.float32)
    for lexeme, place, statement in entries:
        frequency[int(statement), place] = max(frequency[int(statement), place], totals[lexeme])
    size = (own.documents or 0) + len(fresh)
    return Matches(records, counts, frequency.sum(axis=0), size, authors, names, [document.id for document in fresh])


def _fresh(where: Scope, passages: Sequence[int], authors: list[UUID], names: list[str]) -> list[Document]:
    """Return those of passages that belong to the scope, from their texts; adds who wrote them to the authors."""
    if not passages:
        return []
    found = [
        document
        for document in documents.read("passage.id = ANY(%(ids)s)", {"ids": passages}, len(passages), of=where.things)
        if where.thing in document.things or (document.statement and where.known in document.things)
    ]
    new = {document.author for document in found if document.author is not None}.difference(authors)
    for author, name in User.objects.filter(pk__in=new).values_list("pk", "name") if new else []:
        authors.append(author)
        names.append(name or "")
    return found


def _parts(
    asked: Sequence[int], indexes: Sequence[_Index], fresh: Sequence[Document], authors: list[UUID]
) -> tuple[list[_Part], Counter[int]]:
    """Return records and the lexeme of each, and how many documents have each lexeme."""
    wanted = np.array(asked, np.int32)
    parts: list[_Part] = []
    merged: list[_Part] = []
    totals: Counter[int] = Counter()
    for index in indexes:
        more = fresh if index.own else []
        packed = postings.pack_lexemes(more) if more else []
        records, lexemes = postings.spread(
            b"".join([index.records or b"", *(postings.record(document, authors) for document in more)]),
            b"".join([index.unmerged or b"", *packed]),
            [*(index.unmerged_sizes or []), *map(len, packed)],
            wanted,
        )
        if not index.own:
            statements = records["statement"]
            records, lexemes = some(records, statements), lexemes[statements]
        parts.append((records, lexemes))
        found = index.lexemes or []
        merged.append((unpack(index.data or b""), np.repeat(np.array(found, np.int32), index.counted)))
        totals.update(dict(zip(found, index.totals or [], strict=True)))
    totals.update(np.concatenate([lexemes for _, lexemes in parts]).tolist())
    return [*parts, *merged], totals


def _counted(
    asked: Sequence[int], entries: Sequence[tuple[int, int, bool]], size: int, parts: Sequence[_Part]
) -> tuple[Records, NDArray[np.float32]]:
    """Return a record for each passage, and how often each has each of ``size`` words.

    ``asked`` are lexemes in their order; ``entries`` say of which words each is.
    """
    records = joined([records for records, _ in parts])
    _, first, passages = np.unique(records["passage"], return_index=True, return_inverse=True)
    lexemes = np.searchsorted(np.array(asked, np.int32), np.concatenate([lexemes for _, lexemes in parts]))
    often = np.zeros((len(asked), len(first)), np.uint8)
    often[lexemes, passages] = records["count"]
    place = {lexeme: place for place, lexeme in enumerate(asked)}
    counts = np.zeros((size, len(first)), np.float32)
    # A lexeme may be of several words, and a word of several languages' lexemes, each for the same word of the text.
    for lexeme, word, _ in entries:
        np.maximum(counts[word], often[place[lexeme]], out=counts[word])
    return some(records, first), counts.T.copy()
