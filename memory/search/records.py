"""How the inverted index is packed: a record for each lexeme of each passage, all that ranking needs of it inside.

So a search reads no row for each passage that it weighs, only for those that it tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORD = np.dtype(
    [
        ("passage", "<i8"),
        ("previous", "<u4"),  # so many before it is the turn before of its session; 0: there is none
        ("following", "<u4"),  # so many after it is the turn after
        ("minute", "<i4"),  # since 1970
        ("words", "<u2", (3,)),  # of the turn before, its own, and of the turn after
        (
            "authors",
            "u1",
            (3,),
        ),  # by their places in the index, from 1; 0: nobody. Of statements: whom they are about
        ("statement", "?"),
        ("count", "u1"),
    ]
)
"""What is known of a passage, and how often it has the lexeme."""

LEXEME = np.dtype([("lexeme", "<i4"), ("count", "u1")])
"""A lexeme of a passage that is not merged yet, and how often it has it."""

MOST_WORDS = np.iinfo("<u2").max
MOST_TIMES = np.iinfo("u1").max
FARTHEST = np.iinfo("<u4").max
MOST_AUTHORS = np.iinfo("u1").max
LAST_MINUTE = np.iinfo("<i4").max
"""In the year 6053: whatever is said to be later counts as of then."""

BEFORE, OWN, AFTER = range(3)

# A record in one piece: numpy copies what has parts part by part, which takes twenty times as long.
_WHOLE = np.dtype((np.void, RECORD.itemsize))

Records = NDArray[np.void]


def minute(at: float) -> int:
    """Return the minute of a moment, in seconds since 1970."""
    return min(int(at // 60), LAST_MINUTE)


def unpack(data: bytes) -> Records:
    """Return the records of some bytes."""
    return np.frombuffer(data, RECORD)


def some(records: Records, chosen: NDArray[Any]) -> Records:
    """Return the records at places, or where ``chosen`` is true."""
    chosen_ones: Records = records.view(_WHOLE)[chosen].view(RECORD)
    return chosen_ones


def put(records: Records, places: NDArray[Any], new: Records) -> None:
    """Write records at places, or where ``places`` is true."""
    records.view(_WHOLE)[places] = new.view(_WHOLE)


def joined(parts: Sequence[Records]) -> Records:
    """Return records one after another."""
    return np.concatenate([part.view(_WHOLE) for part in parts]).view(RECORD)


def found_at(known: NDArray[Any], asked: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where among ``known``, which are in order, each that is asked for is, and whether it is there."""
    if not len(known):
        return np.zeros(len(asked), np.int64), np.zeros(len(asked), np.bool_)
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return places, known[places] == asked


def linked(records: Records) -> Records:
    """Return one record for each passage, with what is known of the turn after it where that is among them."""
    found = records.copy()
    later = np.flatnonzero(found["previous"])
    if not len(later):
        return found
    passages = found["passage"]
    before = passages[later] - found["previous"][later]
    order = np.argsort(passages)
    places = order[np.minimum(np.searchsorted(passages, before, sorter=order), len(order) - 1)]
    there = passages[places] == before
    places, later = places[there], later[there]
    found["following"][places] = found["previous"][later]
    found["words"][places, AFTER] = found["words"][later, OWN]
    found["authors"][places, AFTER] = found["authors"][later, OWN]
    return found
