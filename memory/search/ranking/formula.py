"""The formula that ranks: how well each candidate answers a question. It is decided here and nowhere else.

    score = LEXICAL * words + DENSE * meaning + AUTHOR * by whom + DATE * when - STATEMENT * no event

Each part is near 0 for what does not fit and near 1 for what does, whatever else was found and however much there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from memory.search.ranking.candidates import Candidates, Floats
from memory.search.ranking.dating import Span
from memory.search.ranking.question import Question

LEXICAL = 1.0
DENSE = 2.0
AUTHOR = 0.6
DATE = 0.6
STATEMENT = 0.4
"""A statement says more plainly what an event says, and less of it: where both fit alike, the event is told."""


PREVIOUS = 0.75
FOLLOWING = 0.5
"""How much a word counts in the turn before or after: an answer rarely repeats the words of its question."""

NEIGHBOUR_WORDS = 60.0
"""Of a neighbour with more words each counts less, such that a long answer does not drown the turn beside it."""

SATURATION = 1.5
LENGTH_WEIGHT = 0.75
"""The constants k1 and b of BM25."""

TYPICAL_WORDS = 20.0
"""How many words a turn has that is neither short nor long."""

TOLD_LATER = timedelta(days=1)
"""What happened on a day is told on the next one too."""


def score(candidates: Candidates, question: Question) -> Floats:
    """Return the score of each candidate, (n,); the higher, the better."""
    total: Floats = LEXICAL * lexical(candidates) + DENSE * _known(candidates.dense) - STATEMENT * candidates.statement
    if question.authors:
        total = total + AUTHOR * np.logical_or.reduce([candidates.author == author for author in question.authors])
    if question.spans:
        total = total + DATE * within(candidates.at, question.spans)
    return total


def lexical(candidates: Candidates) -> Floats:
    """Return how well the words of each candidate and its neighbours fit, (n,).

    It is BM25 over a window of turns: how often a word is there is summed before it is saturated. It is divided by the
    root of what all words together can reach, so that many words do not outweigh the other parts of the formula.
    """
    before, own, after = candidates.words.T
    # What stands alone (a statement does) is no better for it.
    before, after = (np.where(beside > 0, beside, TYPICAL_WORDS) for beside in (before, after))
    weights = PREVIOUS * _at_most(before), FOLLOWING * _at_most(after)
    often = candidates.own + weights[0][:, None] * candidates.previous + weights[1][:, None] * candidates.following
    length = (own + weights[0] * before + weights[1] * after) / (TYPICAL_WORDS * (1 + PREVIOUS + FOLLOWING))
    saturated = often / (often + SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length)[:, None])
    most = float(candidates.rarity.sum())
    found: Floats = saturated @ candidates.rarity
    return found / np.float32(np.sqrt(most) if most > 0 else 1)


def within(at: NDArray[np.float64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Return which times lie within one of the spans, or shortly after, (n,)."""
    found = np.zeros(len(at), dtype=bool)
    for span in spans:
        found |= (at >= _seconds(span.since)) & (at < _seconds(span.until + TOLD_LATER))
    return found


def _at_most(words: Floats) -> Floats:
    """Return the weight that makes no more than ``NEIGHBOUR_WORDS`` of how many words there are, (n,)."""
    return np.minimum(1, NEIGHBOUR_WORDS / np.maximum(words, 1))


def _known(similarity: Floats) -> Floats:
    """Return similarities with the mean of those known for those that are not: 0 where none is."""
    missing = np.isnan(similarity)
    if missing.all():
        return np.zeros_like(similarity)
    return np.where(missing, similarity[~missing].mean(), similarity) if missing.any() else similarity


def _seconds(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
