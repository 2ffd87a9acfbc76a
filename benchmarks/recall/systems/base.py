"""What a memory system must do to be measured.

A ``System`` is started once for a run (a server, a model, nothing); it makes a ``Memory`` for each conversation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.recall.conversations import Question, Turn


class NotOffered(Exception):
    """The system has no such thing."""


class Unavailable(Exception):
    """The system cannot be measured here; the text says what must be installed or given."""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of what a system hands to the reader."""

    text: str
    sources: tuple[str, ...]
    """The ids of the turns it rests on, the most important first: only the first four are honoured."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a conversation's memory has asked of generating models; None where that cannot be known."""

    calls: int | None = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class Memory(ABC):
    """The memory of one conversation."""

    @abstractmethod
    def ingest(self, turns: Sequence[Turn]) -> None:
        """Take in turns, in the order in which they were said. May be called several times."""

    # What most systems have no use for is an empty method here, not an abstract one.
    def settle(self) -> None:  # noqa: B027
        """Return when everything that was ingested can be found, and every background work is done."""

    @abstractmethod
    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return what the reader shall see for a question, best first, in some ``budget`` tokens.

        What is longer is cut off by whoever measures. The question has its text, ``asked_at`` and ``scope``; its
        answer is not in it.
        """

    def represent(self, budget: int) -> Sequence[Item]:
        """Return what the reader shall see whatever will be asked. Raises NotOffered."""
        raise NotOffered

    def answer(self, question: Question) -> str | None:
        """Return the answer to a question, or None where the memory does not hold it. Raises NotOffered."""
        raise NotOffered

    def costs(self) -> Costs:
        """Return what generating models have been asked so far."""
        return Costs()

    def close(self) -> None:  # noqa: B027
        """Give back what it holds."""


class System(ABC):
    """A memory system; a context manager that is entered once for a run. ``__enter__`` raises Unavailable."""

    name: str
    version: str = "1"
    """Tells two builds apart; may be set when it is entered."""
    needs: str = ""
    """What must be installed or given, in a sentence."""
    bounded: bool = True
    """False: what it hands over is not cut at the budget. It is a ceiling then, and no rival."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.options = options
        """What was given as ``--option NAME.KEY=VALUE``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        return None

    @abstractmethod
    def memory(self, conversation: str) -> Memory:
        """Return an empty memory for the conversation of this id."""

    def processor_seconds(self) -> float | None:
        """Return the processor time of all processes beside this one that work for it; None if that cannot be known."""
        return 0.0


class InProcess(System):
    """A system that is no more than a class of memories."""

    def __init__(self, name: str, version: str, kind: Callable[[], Memory], options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.name, self.version, self._kind = name, version, kind

    def memory(self, conversation: str) -> Memory:
        """Return a new memory."""
        return self._kind()
