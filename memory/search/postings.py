"""Keeping the inverted indexes: for each user, session and project, which of its passages have a lexeme, packed.

A passage joins the index of each thing that it belongs to when it is indexed (``memory.search.index``): first as a row
of its own, which every search of the thing reads. When there are ``MOST_UNMERGED`` of those, all but the newest
``KEPT`` are merged: their records are added to the last block of each of their lexemes, until that is full. So a
passage costs one row now, and its share of a batch later; and a turn is merged when the turn after it is known.

All this is done by one process at a time (``index.alone``), and within its transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from memory.search import documents, scopes
from memory.search.documents import Document
from memory.search.records import (
    FARTHEST,
    LEXEME,
    MOST_AUTHORS,
    MOST_TIMES,
    MOST_WORDS,
    RECORD,
    Records,
    found_at,
    linked,
    minute,
    some,
)

MOST_UNMERGED = 96
KEPT = 32
BLOCK = 32
"""A block with so many records is full. One that is being filled is written anew for each merge."""

# The indexes of what passages belong to, locked until the transaction ends: nobody empties them meanwhile.
_OF_THINGS = """
SELECT index.id, coalesce(subject.project_id, subject.session_id, subject.user_id), index.authors, index.unmerged,
       index.scanned
  FROM memory_subject subject JOIN memory_wordindex index ON index.subject_id = subject.id
 WHERE (subject.kind = 'user' AND subject.user_id = ANY(%(things)s))
    OR (subject.kind = 'session' AND subject.session_id = ANY(%(things)s))
    OR (subject.kind = 'project' AND subject.project_id = ANY(%(things)s))
 ORDER BY index.id FOR NO KEY UPDATE OF index
"""
# Of what has no index yet nothing was indexed before: those of what was there before there were any were made then.
_MAKE = """
INSERT INTO memory_wordindex (subject_id, scanned)
SELECT subject.id, NULL FROM memory_subject subject
 WHERE (subject.kind = 'user' AND subject.user_id = ANY(%(things)s))
    OR (subject.kind = 'session' AND subject.session_id = ANY(%(things)s))
    OR (subject.kind = 'project' AND subject.project_id = ANY(%(things)s))
    ON CONFLICT DO NOTHING
"""
_WAIT = """
INSERT INTO memory_unmergedpassage (index_id, passage_id, record, lexemes)
SELECT * FROM unnest(%(indexes)s::bigint[], %(passages)s::bigint[], %(records)s::bytea[], %(lexemes)s::bytea[])
"""
_TAKE = """
WITH taken AS (DELETE FROM memory_unmergedpassage WHERE index_id = %(index)s RETURNING passage_id, record, lexemes)
SELECT * FROM taken
"""
_MERGE = """
INSERT INTO memory_posting (index_id, lexeme, block, total, data)
SELECT %(index)s, new.lexeme, coalesce(last.block + last.full::int, 0) + new.part, coalesce(last.total, 0) + new.upto,
       new.data
  FROM unnest(%(lexemes)s::int[], %(parts)s::int[], %(upto)s::int[], %(data)s::bytea[])
           AS new(lexeme, part, upto, data)
  LEFT JOIN LATERAL (
       SELECT block, total, length(data) >= %(full)s AS full FROM memory_posting
        WHERE index_id = %(index)s AND lexeme = new.lexeme ORDER BY block DESC LIMIT 1) last ON true
    ON CONFLICT (index_id, lexeme, block)
    DO UPDATE SET data = memory_posting.data || excluded.data, total = excluded.total
"""
_COUNT = """
UPDATE memory_wordindex index
   SET documents = index.documents + new.documents, unmerged = new.unmerged, authors = new.authors::uuid[]
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS new(id bigint, documents int, unmerged int, authors text)
 WHERE index.id = new.id
"""
_TO_FILL = """
SELECT index.id, index.scanned, coalesce(subject.project_id, subject.session_id, subject.user_id)
  FROM memory_wordindex index JOIN memory_subject subject ON subject.id = index.subject_id
 WHERE index.scanned IS NOT NULL ORDER BY index.id LIMIT 1 FOR NO KEY UPDATE OF index
"""


Row = tuple[int, bytes, bytes]
"""A passage that is not merged: its id, its record and its lexemes."""


@dataclass(slots=True)
class _Index:
    """An index that is added to."""

    id: int
    thing: UUID
    authors: list[UUID]
    unmerged: int
    scanned: int | None
    added: list[Document] = field(default_factory=list)

    def takes(self, document: Document) -> bool:
        """Say whether a document that has just been indexed is to be added; if not, it is found when it is filled."""
        return self.scanned is None or document.id <= self.scanned

    def counts(self) -> dict[str, Any]:
        """Return what has changed of its row."""
        authors = "{" + ",".join(map(str, self.authors)) + "}"
        return {"id": self.id, "documents": len(self.added), "unmerged": self.unmerged, "authors": authors}


def add(new: Sequence[Document]) -> None:
    """Add documents that have just been indexed to the indexes of all that they belong to."""
    things = {thing for document in new for thing in document.things}
    indexes = {index.thing: index for index in _indexes(things)}
    for document in new:
        for thing in document.things:
            index = indexes.get(thing)
            if index is not None and index.takes(document):
                index.added.append(document)
    _add([index for index in indexes.values() if index.added])


def fill(limit: int) -> int:
    """Add up to ``limit`` documents to an index that does not have all yet; return how many, none where all have."""
    with connection.cursor() as cursor:
        cursor.execute(_TO_FILL)
        row = cursor.fetchone()
        if row is None:
            return 0
        pk, after, thing = row
        mark = scopes.quoted(scopes.belongs(thing))
        found = documents.read(
            "passage.text @@ %(mark)s::tsquery AND passage.id > %(after)s", {"mark": mark, "after": after}, limit
        )
        [index] = [index for index in _indexes({thing}) if index.id == pk]
        index.added = found
        _add([index] if found else [])
        scanned = found[-1].id if len(found) == limit else None
        cursor.execute("UPDATE memory_wordindex SET scanned = %s WHERE id = %s", [scanned, pk])
        return len(found) or 1


def empty() -> None:
    """Empty all indexes, to be filled anew."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE memory_wordindex SET documents = 0, unmerged = 0, authors = '{}', scanned = 0")
        cursor.execute("DELETE FROM memory_posting")
        cursor.execute("DELETE FROM memory_unmergedpassage")


def record(document: Document, authors: list[UUID]) -> bytes:
    """Return the record of a document, without what is after it; adds authors that are not known yet."""
    before, previous, words, author = document.before, 0, 0, 0
    if before is not None and document.id - before.id <= FARTHEST:
        previous, words, author = document.id - before.id, before.words, _place(before.author, authors)
    own = _place(document.author, authors)
    packed = (
        document.id, previous, 0, minute(document.at),
        (min(words, MOST_WORDS), min(document.words, MOST_WORDS), 0), (author, own, 0), document.statement, 0,
    )  # fmt: skip
    return np.array(packed, RECORD).tobytes()


def pack_lexemes(found: Sequence[Document]) -> list[bytes]:
    """Return the lexemes of each document, packed."""
    return [
        np.array([(lexeme, min(count, MOST_TIMES)) for lexeme, count in counts.items()], LEXEME).tobytes()
        for counts in documents.counted(found)
    ]


def spread(
    records: bytes, lexemes: bytes, sizes: Sequence[int], asked: NDArray[np.int32] | None = None
) -> tuple[Records, NDArray[np.int32]]:
    """Return a record for each lexeme of packed documents, and the lexemes beside them; of all, or those ``asked``.

    ``sizes`` are the bytes that each document's lexemes have; what is ``asked`` is in order.
    """
    known = linked(np.frombuffer(records, RECORD))
    beside = np.frombuffer(lexemes, LEXEME)
    place = np.repeat(np.arange(len(known)), np.array(sizes, np.int64) // LEXEME.itemsize)
    if asked is not None:
        _, chosen = found_at(asked, beside["lexeme"])
        beside, place = beside[chosen], place[chosen]
    found = some(known, place)
    found["count"] = beside["count"]
    return found, beside["lexeme"]


def _indexes(things: Iterable[UUID]) -> list[_Index]:
    """Return the indexes of things, made where there are none."""
    things = list(things)
    with connection.cursor() as cursor:
        cursor.execute(_OF_THINGS, {"things": things})
        found = cursor.fetchall()
        missing = set(things).difference(row[1] for row in found)
        if missing:
            cursor.execute(_MAKE, {"things": list(missing)})
            cursor.execute(_OF_THINGS, {"things": things})
            found = cursor.fetchall()
    return [_Index(*row) for row in found]


def _add(indexes: Sequence[_Index]) -> None:
    """Add to indexes what they take: as rows of their own, or merged where those are many."""
    added = list({document.id: document for index in indexes for document in index.added}.values())
    packed = dict(zip((document.id for document in added), pack_lexemes(added), strict=True))
    waiting: list[tuple[int, Row]] = []
    for index in indexes:
        rows = [(document.id, record(document, index.authors), packed[document.id]) for document in index.added]
        index.unmerged += len(rows)
        if index.unmerged > MOST_UNMERGED:
            rows = _merged(index, rows)
            index.unmerged = len(rows)
        waiting += [(index.id, row) for row in rows]
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "indexes": [index for index, _ in waiting],
            "passages": [passage for _, (passage, _, _) in waiting],
            "records": [packed for _, (_, packed, _) in waiting],
            "lexemes": [packed for _, (_, _, packed) in waiting],
        }
        cursor.execute(_WAIT, values)
        cursor.execute(_COUNT, {"rows": json.dumps([index.counts() for index in indexes])})


def _merged(index: _Index, rows: list[Row]) -> list[Row]:
    """Merge rows and those that wait, but for the newest; return those."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"index": index.id})
        rows = sorted([*cursor.fetchall(), *rows])
        _, records, lexemes = zip(*rows, strict=True)
        found, names = spread(b"".join(records), b"".join(lexemes), list(map(len, lexemes)))
        size = sum(map(len, lexemes[:-KEPT])) // LEXEME.itemsize
        blocks = _blocks(found[:size], names[:size])
        cursor.execute(_MERGE, {"index": index.id, "full": RECORD.itemsize * BLOCK, **blocks})
    return rows[-KEPT:]


def _blocks(records: Records, lexemes: NDArray[np.int32]) -> dict[str, list[Any]]:
    """Return what is added of each lexeme, in parts of at most ``BLOCK`` records."""
    order = np.argsort(lexemes, kind="stable")
    records = some(records, order)
    names, starts = np.unique(lexemes[order], return_index=True)
    blocks: dict[str, list[Any]] = {"lexemes": [], "parts": [], "upto": [], "data": []}
    ends = np.append(starts, len(records))[1:]  # none where no document has a lexeme
    for name, start, end in zip(names.tolist(), starts.tolist(), ends.tolist(), strict=True):
        for part, at in enumerate(range(start, end, BLOCK)):
            last = min(at + BLOCK, end)
            blocks["lexemes"].append(name)
            blocks["parts"].append(part)
            blocks["upto"].append(last - start)
            blocks["data"].append(records[at:last].tobytes())
    return blocks


def _place(author: UUID | None, authors: list[UUID]) -> int:
    """Return the place of an author, from 1; 0 for nobody, and for those for whom there is no room."""
    if author is None:
        return 0
    if author not in authors:
        if len(authors) == MOST_AUTHORS:
            return 0
        authors.append(author)
    return authors.index(author) + 1
