"""The inverted index of the huge user: what the product makes passage by passage, made of all copies at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from memory.search import postings
from memory.search.records import RECORD, Records, joined, some, unpack

if TYPE_CHECKING:
    from benchmarks.growth.copying import World

_AT_ONCE = 2_000_000
"""So many records are packed at a time."""

_MERGED = "SELECT lexeme, data FROM memory_posting WHERE index_id = %s ORDER BY lexeme, block"
_WAITING = "SELECT record, lexemes FROM memory_unmergedpassage WHERE index_id = %s ORDER BY passage_id"
_COUNT = "UPDATE memory_wordindex SET documents = documents * %s WHERE id = %s"


def write(huge: World) -> None:
    """Write the postings of the huge user's copies, and what waits of the last of them."""
    assert huge.tile is not None
    source, index = huge.tile.index, huge.tile.index + huge.strides["memory_wordindex"]
    merged, lexemes = _merged(source)
    waiting, waiting_lexemes = _waiting(source)
    names = np.unique(lexemes)
    copies = "COPY memory_posting (index_id, lexeme, block, total, data) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(copies) as copy:
        copy.set_types(["int8", "int4", "int4", "int4", "bytea"])
        for some_names in _parts(names, (len(merged) + len(waiting)) * huge.count):
            chosen = np.isin(lexemes, some_names), np.isin(waiting_lexemes, some_names)
            records, words = _copies(
                huge,
                (some(merged, chosen[0]), lexemes[chosen[0]]),
                (some(waiting, chosen[1]), waiting_lexemes[chosen[1]]),
            )
            blocks = postings._blocks(records, words)
            for lexeme, part, upto, data in zip(*blocks.values(), strict=True):
                copy.write_row((index, lexeme, part, upto, data))
    huge.write_waiting()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [huge.count, index])


def _copies(
    huge: World, merged: tuple[Records, NDArray[np.int32]], waiting: tuple[Records, NDArray[np.int32]]
) -> tuple[Records, NDArray[np.int32]]:
    """Return the records of all copies and their lexemes, in order of copies: of the last, what is merged."""
    parts = [merged, waiting] * (huge.count - 1) + [merged]
    numbers = np.repeat(np.arange(len(parts)) // 2 + 1, [len(records) for records, _ in parts])
    records, lexemes = joined([records for records, _ in parts]), np.concatenate([names for _, names in parts])
    records["passage"] += numbers * huge.strides["memory_passage"]
    records["minute"] += (huge.seconds(numbers) // 60).astype(np.int32)
    return records, lexemes


def _parts(names: NDArray[np.int32], records: int) -> Iterator[NDArray[np.int32]]:
    """Yield lexemes, as many at a time as there is room for their records."""
    yield from np.array_split(names, min(max(records // _AT_ONCE, 1), len(names)))


def _merged(index: int) -> tuple[Records, NDArray[np.int32]]:
    with connection.cursor() as cursor:
        cursor.execute(_MERGED, [index])
        rows = cursor.fetchall()
    found = joined([unpack(bytes(data)) for _, data in rows])
    return found, np.repeat(
        np.array([name for name, _ in rows], np.int32), [len(data) // RECORD.itemsize for _, data in rows]
    )


def _waiting(index: int) -> tuple[Records, NDArray[np.int32]]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [index])
        rows = [(bytes(record), bytes(lexemes)) for record, lexemes in cursor.fetchall()]
    records, lexemes = zip(*rows, strict=True)
    return postings.spread(b"".join(records), b"".join(lexemes), list(map(len, lexemes)))
