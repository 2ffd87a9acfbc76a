"""Measure systems on conversations: everything is taken in, what is query-free is frozen, then questions are asked."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.recall.answers import answered
from benchmarks.recall.conversations import Conversation, DataSet
from benchmarks.recall.judge import Judge
from benchmarks.recall.metric import Scores, Yardstick, cut
from benchmarks.recall.systems.base import Costs, Item, Memory, NotOffered, System

QUERY, FREE = "query", "free"
"""What was handed over for the question, and what had been before any question was known."""


@dataclass(slots=True)
class Measured:
    """One system on one data set. Lists of scores and times are as long as the list of questions."""

    name: str
    version: str
    bounded: bool
    scores: dict[tuple[str, int], list[Scores]] = field(default_factory=dict)
    """By mode and budget."""
    read_seconds: dict[int, list[float]] = field(default_factory=dict)
    """By budget, by the clock."""
    frozen: dict[str, str] = field(default_factory=dict)
    """By conversation: the hash of what was handed over before any question was known."""
    events: int = 0
    index_seconds: float = 0.0
    index_processor: float | None = 0.0
    """Seconds of all processes that are known; None where some of them are not."""
    read_processor: float | None = 0.0
    reads: int = 0
    index_costs: Costs = field(default_factory=Costs)
    read_costs: Costs = field(default_factory=Costs)
    answers: list[float | None] = field(default_factory=list)
    """By question, the share of the answer's words in what the system answered; None where it said that it does not
    know. Empty where it was not asked, or does not answer."""
    correct: list[bool | None] = field(default_factory=list)
    """By question, what the judge said of what was handed over for it; empty where none was asked."""


def measure(
    system: System, dataset: DataSet, budgets: Sequence[int], judge: Judge | None = None, *, answers: bool = False
) -> Measured:
    """Return what a started system does on a data set.

    The judge is asked about one budget, its own. With ``answers`` a system that offers it is asked for answers too.
    """
    found = Measured(system.name, system.version, system.bounded)
    for conversation in dataset.conversations:
        memory = system.memory(conversation.id)
        try:
            _take_in(found, system, memory, conversation)
            _read(found, system, memory, conversation, budgets, judge)
            if answers:
                found.answers += answered(memory, conversation.questions)
        finally:
            memory.close()
        print(f"  {system.name}: {conversation.id}", file=sys.stderr)
    return found


def _take_in(found: Measured, system: System, memory: Memory, conversation: Conversation) -> None:
    with _processor(system) as spent:
        began = time.perf_counter()
        memory.ingest(conversation.turns)
        memory.settle()
        found.index_seconds += time.perf_counter() - began
    found.index_processor = _sum(found.index_processor, spent())
    found.index_costs = _added(found.index_costs, memory.costs())
    found.events += len(conversation.turns)


def _read(
    found: Measured,
    system: System,
    memory: Memory,
    conversation: Conversation,
    budgets: Sequence[int],
    judge: Judge | None,
) -> None:
    yardstick = Yardstick(conversation.turns)
    free = _frozen(memory, budgets)
    if free is not None:
        found.frozen[conversation.id] = _hash(free)
        for budget, items in zip(budgets, free, strict=True):
            rows = found.scores.setdefault((FREE, budget), [])
            rows += [yardstick.score(question, items, budget) for question in conversation.questions]
    before = memory.costs()
    for budget in budgets:
        limit = budget if found.bounded else sys.maxsize
        given = []
        with _processor(system) as spent:
            for question in conversation.questions:
                began = time.perf_counter()
                given.append(memory.context(question.asked(), budget))
                found.read_seconds.setdefault(budget, []).append(time.perf_counter() - began)
        found.read_processor = _sum(found.read_processor, spent())
        found.reads += len(given)
        rows = found.scores.setdefault((QUERY, budget), [])
        answered = list(zip(conversation.questions, given, strict=True))
        rows += [yardstick.score(question, items, limit) for question, items in answered]
        if judge is not None and judge.budget == budget:
            found.correct += [judge.correct(question, cut(items, limit)) for question, items in answered]
    found.read_costs = _added(found.read_costs, _less(memory.costs(), before))


def _frozen(memory: Memory, budgets: Sequence[int]) -> list[list[Item]] | None:
    try:
        return [cut(memory.represent(budget), budget) for budget in budgets]
    except NotOffered:
        return None


def _hash(representations: Sequence[Sequence[Item]]) -> str:
    text = "\0".join(f"{item.text}\1{item.sources}" for items in representations for item in items)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _processor(system: System) -> Iterator[Callable[[], float | None]]:
    """Let a function return how much processor time this process and the system's have used within the block."""
    own, theirs = time.process_time(), system.processor_seconds()
    used: list[float | None] = []
    yield lambda: used[0]
    after = system.processor_seconds()
    used.append(None if theirs is None or after is None else time.process_time() - own + after - theirs)


def _sum(before: float | None, more: float | None) -> float | None:
    return None if before is None or more is None else before + more


def _added(costs: Costs, more: Costs) -> Costs:
    return _each(costs, more, lambda a, b: a + b)


def _less(costs: Costs, other: Costs) -> Costs:
    return _each(costs, other, lambda a, b: a - b)


def _each(one: Costs, other: Costs, act: Callable[[int, int], int]) -> Costs:
    def joined(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else act(a, b)

    return Costs(
        calls=joined(one.calls, other.calls),
        prompt_tokens=joined(one.prompt_tokens, other.prompt_tokens),
        completion_tokens=joined(one.completion_tokens, other.completion_tokens),
    )
