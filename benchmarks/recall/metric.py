"""How much of what answers a question is in what a system handed over. No model, no judge.

* ``ev`` (evidence recall): the share of the gold turns that some item cites *and* whose words, weighed by how rare they
  are, are at least half in the items that cite it. To cite is not enough, and neither is to have the words by chance.
* ``evg``: the same for memories that rewrite: a fifth of the words is enough where at least half of the words that the
  turn shares with the answer, and that the question does not already have, are there.
* ``ans`` (answer recall): the share of the answer's words, those of the question left out, that are anywhere in it;
  ``ans_loc``: in one item or two neighbours. Chance is high for these two: read them beside the row ``random``.
* ``stale``: the share of the turns that once answered and no longer do which are there as ``ev`` wants it.
* ``fresh``: of a question that has such turns, whether the newest gold turn is there and no such turn before it.

What would let a list of keywords win is counted as empty: see ``prose``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Item
from benchmarks.recall.text import count_stop_words, count_tokens, is_prose, is_short, stems, truncate

MOST_CITATIONS = 4
"""Of an item; more are not honoured. Who cites everything says nothing."""
COVERED = 0.5
TOUCHED = 0.2
ANSWERED = 0.5
AS_SAID = 0.7
"""Share of its words. Data of a tool, and other languages than English, cannot be handed over in our prose."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one question; None where there is nothing to be found."""

    ev: float | None
    evg: float | None
    ans: float | None
    ans_loc: float | None
    stale: float | None
    fresh: float | None
    tokens: int
    """Of what was handed over, after it was cut at the budget."""
    empty: int
    """How many items counted as empty, because they were no prose."""
    stop_words: float | None
    """Their share in the words that were handed over. Talk has 0.4 to 0.5; who has half of that saves on the reader."""


class Yardstick:
    """Scores what is handed over for questions about one conversation."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = {turn.id: stems(turn.text) for turn in turns}
        self._places = {turn.id: place for place, turn in enumerate(turns)}
        self._no_prose = frozenset(turn.id for turn in turns if not is_prose(turn.text))
        counts = Counter(stem for found in self._turns.values() for stem in found)
        self._weights = {stem: math.log(1 + len(turns) / count) for stem, count in counts.items()}

    def score(self, question: Question, items: Sequence[Item], budget: int) -> Scores:
        """Return the scores of a question, with its answer and gold, for the items that were handed over for it."""
        given = cut(items, budget)
        read = [item if self._as_said(item) else judged for item, judged in zip(given, prose(given), strict=True)]
        texts = [stems(item.text) for item in read]
        cited = _cited(given, texts)
        answer = stems(question.answer or "") - stems(question.text)
        return Scores(
            ev=_share(self._covered(turn, cited) for turn in question.gold),
            evg=_share(self._conveyed(turn, cited, answer) for turn in question.gold),
            ans=_found(answer, frozenset().union(*texts)),
            ans_loc=_found(answer, max(_pairs(texts), key=lambda pair: len(answer & pair), default=frozenset())),
            stale=_share(self._covered(turn, cited) for turn in question.stale),
            fresh=float(self._fresh(question, read, cited, answer)) if question.stale else None,
            tokens=sum(count_tokens(item.text) for item in given),
            empty=sum(before.text != after.text for before, after in zip(given, read, strict=True)),
            stop_words=_stop_words(given),
        )

    def _as_said(self, item: Item) -> bool:
        """Return whether an item hardly says more than turns it cites that are no prose: data, another language."""
        found = stems(item.text)
        said = frozenset[str]().union(*(self._turns[turn] for turn in item.sources if turn in self._no_prose))
        return bool(found & said) and len(found & said) >= AS_SAID * len(found)

    def _covered(self, turn: str, cited: Mapping[str, frozenset[str]]) -> bool:
        return turn in cited and self._coverage(turn, cited[turn]) >= COVERED

    def _fresh(
        self, question: Question, items: Sequence[Item], cited: Mapping[str, frozenset[str]], answer: frozenset[str]
    ) -> bool:
        """Return whether the newest gold is there (as evg wants it), and nothing that no longer holds before it."""
        newest = max(question.gold, key=self._places.__getitem__)
        if not self._conveyed(newest, cited, answer):
            return False
        there = {newest, *(turn for turn in question.stale if self._covered(turn, cited))}
        return newest in next(item.sources for item in items if item.text and not there.isdisjoint(item.sources))

    def _conveyed(self, turn: str, cited: Mapping[str, frozenset[str]], answer: frozenset[str]) -> bool:
        if turn not in cited:
            return False
        coverage, bearing = self._coverage(turn, cited[turn]), self._turns[turn] & answer
        told = bool(bearing) and len(bearing & cited[turn]) >= ANSWERED * len(bearing)
        return coverage >= COVERED or (coverage >= TOUCHED and told)

    def _coverage(self, turn: str, there: frozenset[str]) -> float:
        wanted = self._turns[turn]
        total = sum(self._weights[stem] for stem in wanted)
        return sum(self._weights[stem] for stem in wanted & there) / total if total else 1.0


def cut(items: Sequence[Item], budget: int) -> list[Item]:
    """Return the items that fit a budget of tokens, the last one shortened; citations beyond the fourth are dropped."""
    kept, left = [], budget
    for item in items:
        if left <= 0:
            break
        text = truncate(item.text, left)
        left -= count_tokens(text)
        kept.append(Item(text, tuple(dict.fromkeys(item.sources))[:MOST_CITATIONS]))
    return kept


def prose(items: Sequence[Item]) -> list[Item]:
    """Return the items; those that are lists of keywords, with too few stop words for as many words, are emptied.

    A short one may have none. But short ones are judged together first: else a list need only be cut in pieces.
    """
    together = [item.text for item in items if is_short(item.text)]
    lenient = is_short(" ".join(together)) or is_prose(" ".join(together))
    return [
        item if is_prose(item.text) or (lenient and is_short(item.text)) else replace(item, text="") for item in items
    ]


def _cited(items: Sequence[Item], texts: Sequence[frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return by turn the stems of all items that cite it."""
    cited: dict[str, frozenset[str]] = {}
    for item, found in zip(items, texts, strict=True):
        for turn in item.sources:
            cited[turn] = cited.get(turn, frozenset()) | found
    return cited


def _pairs(texts: Sequence[frozenset[str]]) -> Iterable[frozenset[str]]:
    """Return the stems of each text and the next."""
    return (text | after for text, after in zip(texts, [*texts, frozenset[str]()][1:], strict=True))


def _found(wanted: frozenset[str], there: frozenset[str]) -> float | None:
    return len(wanted & there) / len(wanted) if wanted else None


def _stop_words(items: Sequence[Item]) -> float | None:
    counts = [count_stop_words(item.text) for item in items]
    total = sum(of for _, of in counts)
    return sum(stop_words for stop_words, _ in counts) / total if total else None


def _share(hits: Iterable[bool]) -> float | None:
    counted = list(hits)
    return sum(counted) / len(counted) if counted else None
