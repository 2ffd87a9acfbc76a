"""The metric must give nothing for what helps no reader."""

from __future__ import annotations

from functools import cache
from statistics import mean

import pytest

from benchmarks.recall.conversations import Question
from benchmarks.recall.metric import Scores, Yardstick
from benchmarks.recall.running import QUERY, measure
from benchmarks.recall.systems import ON_REQUEST, system
from benchmarks.recall.systems.base import Item
from tests.benchmarks.tales import TALE, TALES

BUDGET = 120


@cache
def rows(name: str) -> list[Scores]:
    with system(name, {}) as started:
        return measure(started, TALES, [BUDGET]).scores[QUERY, BUDGET]


def share(name: str, key: str) -> float:
    return mean(score for row in rows(name) if (score := getattr(row, key)) is not None)


def test_the_honest_row_beside_the_attacks_finds_what_answers() -> None:
    assert share("bm25-window", "ev") == 1.0
    assert share("bm25-window", "ans") > 0.8


@pytest.mark.parametrize(
    "name", [name for name in ON_REQUEST if name.startswith("attack-") and name != "attack-padded"]
)
def test_an_attack_gets_nothing(name: str) -> None:
    assert share(name, "ev") == 0.0
    assert share(name, "evg") == 0.0
    assert share(name, "ans") == 0.0


def test_what_is_found_for_another_question_is_worth_no_more_than_chance() -> None:
    assert share("control-shuffled-question", "ev") <= share("random", "ev") + 0.15
    assert share("control-shuffled-question", "ev") < share("bm25-window", "ev") / 2


def test_keywords_padded_with_stop_words_get_through() -> None:
    """The hole that is known, and published: it costs a fifth of the budget. Whoever closes it changes this test."""
    assert share("attack-padded", "ev") > 0.9
    assert share("attack-padded", "stop_words") < 0.3 < share("bm25-window", "stop_words")


def test_to_cite_more_than_four_turns_is_to_cite_the_first_four() -> None:
    question = Question("all", "What was said?", None, tuple(turn.id for turn in TALE.turns))
    everything = Item(" ".join(turn.text for turn in TALE.turns), question.gold)
    assert Yardstick(TALE.turns).score(question, [everything], 10_000).ev == 4 / len(TALE.turns)


def test_the_words_without_the_citation_are_no_evidence() -> None:
    question = TALE.questions[0]
    fish, other = TALE.turns[1], TALE.turns[2]
    assert Yardstick(TALE.turns).score(question, [Item(fish.text, (other.id,))], 100).ev == 0.0
    assert Yardstick(TALE.turns).score(question, [Item(fish.text, (fish.id,))], 100).ev == 1.0


def test_more_than_the_budget_is_cut_off() -> None:
    question = TALE.questions[0]
    padding = Item("It is a long story and I will tell you all of it in a moment.", ())
    found = Yardstick(TALE.turns).score(question, [padding, Item(TALE.turns[1].text, ("spring:1",))], 20)
    assert found.ev == 0.0
    assert found.tokens == 20
