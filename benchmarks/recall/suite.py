"""Many systems on one data set, several at a time."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.recall.conversations import DataSet
from benchmarks.recall.judge import Judge
from benchmarks.recall.running import Measured, measure
from benchmarks.recall.systems import system
from benchmarks.recall.systems.base import Unavailable


@dataclass(frozen=True)
class Asked:
    """What every system is asked: of which data, in how many tokens; ``options`` are ((system, key), value)."""

    data: DataSet
    budgets: Sequence[int]
    options: Sequence[tuple[tuple[str, str], str]] = ()
    answers: bool = False


def measured(names: Sequence[str], asked: Asked, judge: Judge | None, jobs: int) -> Iterator[tuple[str, Measured]]:
    """Yield each system that can be measured here, with what it does; ``jobs`` of them at a time.

    With several, each has a process of its own, so that none waits for another's turn with the interpreter. A judge
    counts what it spends: with one, all stay in this process, one after the other.
    """
    alone = jobs == 1 or judge is not None
    done = _in_turn(names, asked, judge) if alone else _side_by_side(names, asked, jobs)
    yield from ((name, found) for name, found in done if found is not None)


def _in_turn(names: Sequence[str], asked: Asked, judge: Judge | None) -> Iterator[tuple[str, Measured | None]]:
    yield from ((name, _measured(name, asked, judge)) for name in names)


def _side_by_side(names: Sequence[str], asked: Asked, jobs: int) -> Iterator[tuple[str, Measured | None]]:
    """The last of them begin: they are ours, which take longest, and nothing should be left to wait for at the end."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        begun = {pool.submit(_measured, name, asked, None): name for name in reversed(names)}
        for future in as_completed(begun):
            yield begun[future], future.result()


def _measured(name: str, asked: Asked, judge: Judge | None) -> Measured | None:
    """Return what a system does; None, and a sentence, where it cannot be measured here."""
    given = {key: value for (owner, key), value in asked.options if owner == name}
    try:
        with system(name, given) as started:
            return measure(started, asked.data, asked.budgets, judge, answers=asked.answers)
    except Unavailable as error:
        print(f"Left out: {name}. {error}", file=sys.stderr)
    except Exception:  # what the others have done by then took long, and stays
        print(f"Left out: {name}, which broke off.\n{traceback.format_exc()}", file=sys.stderr)
    return None
