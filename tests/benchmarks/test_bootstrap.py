"""Intervals are by conversation, and paired."""

from __future__ import annotations

import pytest

from benchmarks.recall.bootstrap import interval, mean

NAMES = ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_questions_without_a_score_do_not_count() -> None:
    assert mean([1.0, None, 0.0, 1.0]) == pytest.approx(2 / 3)
    assert mean([None]) is None


def test_what_all_conversations_agree_on_has_no_width() -> None:
    assert interval(NAMES, [0.0, 0.5, 1.0] * 3) == (0.5, 0.5)


def test_what_lies_between_conversations_is_in_the_interval() -> None:
    assert interval(NAMES, [0.0] * 3 + [0.5] * 3 + [1.0] * 3) == (0.0, 1.0)


def test_a_difference_is_taken_question_by_question() -> None:
    scores = [0.1, 0.9, 0.4, 0.2, 0.8, 0.3, 0.0, 0.6, 0.5]
    assert interval(NAMES, [score + 0.25 for score in scores], scores) == pytest.approx((0.25, 0.25))


def test_one_conversation_has_no_interval() -> None:
    assert interval(["a", "a"], [0.0, 1.0]) is None
