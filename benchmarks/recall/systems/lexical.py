"""BM25 over the words of turns: each by itself, or each scored with its neighbours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.porter import stem
from benchmarks.recall.systems.base import InProcess
from benchmarks.recall.systems.turns import Turns, line
from benchmarks.recall.text import STOP_WORDS, words

K1, B = 1.2, 0.75
"""As in Lucene."""


class BM25(Turns):
    """Turns ranked by BM25."""

    def __init__(self, reach: int = 0) -> None:
        super().__init__()
        self._reach = reach
        """How many neighbours on each side are scored with a turn."""

    def settle(self) -> None:
        """Count words."""
        counts = [Counter(terms(line(turn))) for turn in self.turns]
        self._counts = [_sum(counts[_window(self.turns, place, self._reach)]) for place in range(len(counts))]
        self._lengths = [sum(found.values()) for found in self._counts]
        self._mean = sum(self._lengths) / max(1, len(self._lengths))
        self._containing = Counter(term for found in self._counts for term in found)

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the turns that have any word of the question."""
        scores = [0.0] * len(self.turns)
        for term in set(terms(question.text)):
            found = self._containing[term]
            idf = math.log(1 + (len(self.turns) - found + 0.5) / (found + 0.5))
            for place, counts in enumerate(self._counts):
                if term in counts:
                    norm = K1 * (1 - B + B * self._lengths[place] / self._mean)
                    scores[place] += idf * counts[term] * (K1 + 1) / (counts[term] + norm)
        return sorted((place for place in range(len(scores)) if scores[place]), key=lambda place: -scores[place])


def terms(text: str) -> list[str]:
    """Return the stems of a text's words but for stop words, as often as they occur."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def _window(turns: Sequence[Turn], place: int, reach: int) -> slice:
    """Return the places of a turn and its neighbours in the same session."""
    first = last = place
    while place - first < reach and first > 0 and turns[first - 1].session == turns[place].session:
        first -= 1
    while last - place < reach and last + 1 < len(turns) and turns[last + 1].session == turns[place].session:
        last += 1
    return slice(first, last + 1)


def _sum(counts: Sequence[Counter[str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for counted in counts:
        found.update(counted)
    return found


bm25 = partial(InProcess, "bm25", "1", BM25)
bm25_window = partial(InProcess, "bm25-window", "1", partial(BM25, reach=1))
