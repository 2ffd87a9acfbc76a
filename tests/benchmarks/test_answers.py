"""Whether a memory knows what it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.recall import report
from benchmarks.recall.answers import answered
from benchmarks.recall.conversations import Question
from benchmarks.recall.running import measure
from benchmarks.recall.systems.base import InProcess
from benchmarks.recall.systems.floors import Recency
from tests.benchmarks.tales import TALE, TALES


class Oracle(Recency):
    """Answers what the tale answers, but for one question, and makes up an answer to another."""

    def answer(self, question: Question) -> str | None:
        asked = next(each for each in TALE.questions if each.text == question.text)
        return "A tabby called Rust." if asked.answer is None else None if asked.id == "ride" else asked.answer


def test_answers_are_scored_and_refusals_are_none() -> None:
    flat, ride, cat = (next(q for q in TALE.questions if q.id == name) for name in ("flat", "ride", "cat"))
    assert answered(Oracle(), [flat, ride, cat]) == [1.0, None, 0.0]


def test_a_memory_that_does_not_answer_has_no_answers() -> None:
    assert answered(Recency(), TALE.questions) == []


@pytest.mark.parametrize("asked", [True, False])
def test_answers_are_asked_for_where_they_are_wanted(asked: bool) -> None:
    found = measure(InProcess("oracle", "1", Oracle, {}), TALES, [50], answers=asked)
    assert len(found.answers) == (len(found.scores["query", 50]) if asked else 0)


def test_the_report_sets_what_was_made_up_beside_what_was_refused() -> None:
    rows: Sequence[float | None] = [1.0, None, 0.5, 0.0, None]
    ev = [1.0, 1.0, 0.0, None, None]
    system = {"scores": {"query@50": {"ev": ev}}, "answers": rows}
    text = report.answered({"budgets": [50], "systems": {"oracle": system, "bm25": {"scores": {}, "answers": []}}})
    assert text.splitlines()[-1] == "| oracle | 50.0 | 33.3 | 75.0 |"
    assert report.answered({"budgets": [50], "systems": {}}) == ""
