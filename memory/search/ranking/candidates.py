"""What may answer a question, as those who find it hand it to the formula that ranks it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some hundreds of events and statements, as parallel arrays: ``n`` candidates by ``t`` terms of the question.

    How often a candidate has each term is given for it and for its neighbours in the feed, the turns before and after
    it: all zero (and no words) where there is none in the same session, and for statements.
    """

    own: Floats
    """How often each candidate has each term, (n, t)."""

    previous: Floats
    """The same of the turn before it, (n, t)."""

    following: Floats
    """The same of the turn after it, (n, t)."""

    words: Floats
    """How many words the turn before, the candidate itself, and the turn after have, (n, 3)."""

    rarity: Floats
    """How much each term says: its inverse document frequency in the scope, (t,)."""

    dense: Floats
    """Cosine similarity to the question of the text without its author's name, (n,); nan where it has no vector."""

    author: NDArray[np.int32]
    """Who wrote it, or whom a statement is about, (n,): a place in the authors the question was read with, or -1."""

    at: NDArray[np.float64]
    """When it happened, seconds since 1970, (n,)."""

    statement: NDArray[np.bool_]
    """Whether it is a statement, and no event, (n,)."""

    def __len__(self) -> int:
        return len(self.dense)
