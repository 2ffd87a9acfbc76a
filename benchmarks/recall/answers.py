"""Whether a memory that answers knows what it does not know."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.recall.conversations import Question
from benchmarks.recall.systems.base import Memory, NotOffered
from benchmarks.recall.text import stems


def answered(memory: Memory, questions: Sequence[Question]) -> list[float | None]:
    """Return by question the share of the answer's words in what is answered; None where it is said to be unknown.

    What is answered though nothing answers it has none of them. Empty for a memory that does not answer.
    """
    try:
        return [_told(question, memory.answer(question.asked())) for question in questions]
    except NotOffered:
        return []


def _told(question: Question, answer: str | None) -> float | None:
    if answer is None:
        return None
    wanted = stems(question.answer or "")
    return len(wanted & stems(answer)) / len(wanted) if wanted else 0.0
