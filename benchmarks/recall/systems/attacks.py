"""Ways to look good without helping a reader. A metric that lets one of them win is no metric; tests hold that.

All stand on the turns that ``bm25-window`` finds, so that it is the honest row beside them.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.metric import MOST_CITATIONS
from benchmarks.recall.systems.base import InProcess, Item, Memory
from benchmarks.recall.systems.lexical import BM25
from benchmarks.recall.text import SHORT, STOP_WORDS, words


class Attack(Memory):
    """What is found honestly, handed over in another way."""

    def __init__(self) -> None:
        self.honest = BM25(reach=1)

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Keep them."""
        self.honest.ingest(turns)

    def settle(self) -> None:
        """Count words."""
        self.honest.settle()

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return more than fits: what follows is for who cuts it off."""
        found = [self.honest.turns[place] for place in self.honest.ranked(question)]
        return list(self.disguised(question, found))

    @abstractmethod
    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return what shall look better than the turns that were found."""


class CiteEverything(Attack):
    """Cites all turns in one line."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return the line."""
        return [Item("It is all in the conversation.", tuple(turn.id for turn in found))]


class EchoQuestion(Attack):
    """Repeats the question, citing what was found."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return the question for each four turns."""
        return [Item(question.text, tuple(turn.id for turn in four)) for four in _fours(found)]


class BagOfWords(Attack):
    """Lists the words of four turns at a time, each once."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return the lists."""
        for four in _fours(found):
            listed = dict.fromkeys(word for turn in four for word in keywords(turn))
            yield Item(" ".join(listed), tuple(turn.id for turn in four))


class Telegraphic(Attack):
    """Leaves stop words and signs out of each turn."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return what is left of the turns."""
        return [Item(" ".join(keywords(turn)), (turn.id,)) for turn in found]


class Pieces(Attack):
    """Leaves stop words out, and cuts what is left into pieces too short to be judged."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return the pieces."""
        for turn in found:
            left = keywords(turn)
            for start in range(0, len(left), SHORT):
                yield Item(" ".join(left[start : start + SHORT]), (turn.id,))


class Padded(Attack):
    """Leaves stop words out, and puts in as many meaningless ones as make it pass for prose: the known hole."""

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Return each turn's keywords with a stop word after every fourth."""
        for turn in found:
            padded = [f"{word} the" if number % 4 == 3 else word for number, word in enumerate(keywords(turn))]
            yield Item(" ".join([*padded, "the"]), (turn.id,))


class ShuffledQuestion(Attack):
    """Answers any of the questions asked before: no attack, but the control for what needs no question."""

    def __init__(self) -> None:
        super().__init__()
        self._before: list[Question] = []

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return what was to be found for another question."""
        others = [before for before in self._before if before.id != question.id]
        self._before.append(question)
        return self.honest.context(random.Random(question.id).choice(others), budget) if others else []

    def disguised(self, question: Question, found: Sequence[Turn]) -> Iterable[Item]:
        """Not asked."""
        raise NotImplementedError


def keywords(turn: Turn) -> list[str]:
    """Return the words of a turn but for stop words."""
    return [word for word in words(turn.text) if word not in STOP_WORDS]


def _fours(turns: Sequence[Turn]) -> Iterator[Sequence[Turn]]:
    """Yield as many turns as one item may cite."""
    for start in range(0, len(turns), MOST_CITATIONS):
        yield turns[start : start + MOST_CITATIONS]


cite_everything = partial(InProcess, "attack-cite-everything", "1", CiteEverything)
echo_question = partial(InProcess, "attack-echo-question", "1", EchoQuestion)
bag_of_words = partial(InProcess, "attack-bag-of-words", "1", BagOfWords)
telegraphic = partial(InProcess, "attack-telegraphic", "1", Telegraphic)
pieces = partial(InProcess, "attack-pieces", "1", Pieces)
padded = partial(InProcess, "attack-padded", "1", Padded)
shuffled_question = partial(InProcess, "control-shuffled-question", "1", ShuffledQuestion)
