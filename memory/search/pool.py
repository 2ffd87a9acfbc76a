"""What of all that has words of a question is worth weighing: some hundreds of passages, as the formula wants them.

A turn that has none of the words may answer the question in the turn beside it: neighbours of what has them are in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.search.lookup import Matches
from memory.search.ranking.candidates import Candidates, Floats
from memory.search.records import AFTER, BEFORE, OWN, RECORD, Records, found_at, put, some

LOOKED_AT = 400
"""So many of the passages that have words are looked at, the best by their own words, with what is beside each."""

SATURATION = 1.2

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pool:
    """Passages in their order, and what the formula gets to see of each."""

    passages: Ids
    candidates: Candidates


def pool(matches: Matches, more: Records) -> Pool:
    """Return the best of what was matched, what is beside it, and ``more``, of which the neighbours are not known."""
    rarity = _rarity(matches)
    own = (matches.counts / (matches.counts + SATURATION)) @ rarity
    found = _with_neighbours(matches.records, some(matches.records, _best(own, LOOKED_AT)), more)
    passages = found["passage"]
    return Pool(
        passages,
        Candidates(
            own=_counts(matches, passages),
            previous=_counts(matches, np.where(found["previous"], passages - found["previous"], 0)),
            following=_counts(matches, np.where(found["following"], passages + found["following"], 0)),
            words=found["words"].astype(np.float32),
            rarity=rarity,
            dense=np.full(len(found), np.nan, np.float32),
            author=found["authors"][:, OWN].astype(np.int32) - 1,
            at=found["minute"] * 60.0,
            statement=found["statement"],
        ),
    )


def _rarity(matches: Matches) -> Floats:
    """Return the inverse document frequency of each word."""
    size = max(matches.documents, 1)
    frequency = np.minimum(matches.frequency, size)
    return np.log(1 + (size - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)


def _best(score: Floats, most: int) -> Ids:
    if len(score) <= most:
        return np.arange(len(score))
    return np.argpartition(-score, most)[:most]


def _with_neighbours(known: Records, looked_at: Records, more: Records) -> Records:
    """Return what is known of passages and of the turns beside those that are looked at, in the order of passages."""
    earlier = some(looked_at, looked_at["previous"] > 0)
    later = some(looked_at, looked_at["following"] > 0)
    before = earlier["passage"] - earlier["previous"]
    after = later["passage"] + later["following"]
    passages = np.sort(np.concatenate([looked_at["passage"], before, after, more["passage"]]))
    passages = passages[np.diff(passages, prepend=-1) > 0]  # each once
    found = np.zeros(len(passages), RECORD)
    found["passage"] = passages
    put(found, np.searchsorted(passages, more["passage"]), more)
    # Of what has none of the words, we know what the records of the turns beside it say.
    _tell(found, before, earlier, BEFORE)
    _tell(found, after, later, AFTER)
    places, there = found_at(known["passage"], passages)
    put(found, there, some(known, places[there]))
    return found


def _tell(found: Records, passages: Ids, beside: Records, side: int) -> None:
    """Fill in what records say of the turns on one side of theirs."""
    places = np.searchsorted(found["passage"], passages)
    back, link = (AFTER, "following") if side == BEFORE else (BEFORE, "previous")
    found["minute"][places] = beside["minute"]
    found[link][places] = beside["previous" if side == BEFORE else "following"]
    for name in ("words", "authors"):
        found[name][places, OWN] = beside[name][:, side]
        found[name][places, back] = beside[name][:, OWN]


def _counts(matches: Matches, passages: Ids) -> Floats:
    places, there = found_at(matches.records["passage"], passages)
    counts = np.zeros((len(passages), matches.counts.shape[1]), np.float32)
    counts[there] = matches.counts[places[there]]
    return counts
