"""What has no idea of the question: chance, the latest turns, and everything."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from functools import partial

from benchmarks.recall.conversations import Question
from benchmarks.recall.systems.base import InProcess, Item
from benchmarks.recall.systems.turns import Turns, fitting


class Random(Turns):
    """Turns by chance. What a metric gives it is what the metric gives for nothing."""

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the turns in an order that is another for each question, and the same in each run."""
        return random.Random(f"{self.turns[0].text} {question.id}").sample(range(len(self.turns)), len(self.turns))

    def represent(self, budget: int) -> Sequence[Item]:
        """Return turns by chance."""
        return fitting(random.Random(self.turns[0].text).sample(self.turns, len(self.turns)), budget)


class Recency(Turns):
    """The latest turns."""

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the latest first."""
        return range(len(self.turns) - 1, -1, -1)

    def represent(self, budget: int) -> Sequence[Item]:
        """Return the latest first."""
        return fitting(reversed(self.turns), budget)


class WholeLog(Turns):
    """All turns, whatever the budget: what can be reached, and at which length."""

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the earliest first."""
        return range(len(self.turns))

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return everything."""
        return super().context(question, sys.maxsize)


class Unbounded(InProcess):
    """A system whose text is not cut."""

    bounded = False


random_turns = partial(InProcess, "random", "1", Random)
recency = partial(InProcess, "recency", "1", Recency)
whole_log = partial(Unbounded, "whole-log", "1", WholeLog)
