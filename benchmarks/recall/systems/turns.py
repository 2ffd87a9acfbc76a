"""What the baselines have in common: they keep the turns, rank them for a question, and hand them over as they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Item, Memory
from benchmarks.recall.text import count_tokens


class Turns(Memory):
    """A memory of raw turns."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Keep them."""
        self.turns.extend(turns)

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return the first turns of the ranking, of those that lie where the question is asked."""
        places = (place for place in self.ranked(question) if within(self.turns[place], question.scope))
        return fitting((self.turns[place] for place in places), budget)

    @abstractmethod
    def ranked(self, question: Question) -> Iterable[int]:
        """Return the places of the turns, the best first; those that do not fit at all may be left out."""


def line(turn: Turn) -> str:
    """Return a turn as it is indexed."""
    return f"{turn.author}: {turn.text}"


def shown(turn: Turn) -> str:
    """Return a turn as a reader sees it: with its day, without which nobody can tell what "yesterday" was."""
    return f"({turn.at.day} {turn.at:%B %Y}) {line(turn)}"


def within(turn: Turn, scope: Mapping[str, str]) -> bool:
    """Return whether a turn lies in a scope: of this project, of this session."""
    return all(getattr(turn, key) == value for key, value in scope.items())


def fitting(turns: Iterable[Turn], budget: int) -> list[Item]:
    """Return turns until a budget is full."""
    items, left = [], budget
    for turn in turns:
        if left <= 0:
            break
        items.append(Item(shown(turn), (turn.id,)))
        left -= count_tokens(items[-1].text)
    return items
