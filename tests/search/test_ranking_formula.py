"""The formula that ranks candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime

import numpy as np
import pytest

from memory.search.ranking import formula
from memory.search.ranking.candidates import Candidates
from memory.search.ranking.dating import Span
from memory.search.ranking.question import Question

MAY = datetime(2026, 5, 8, 12, tzinfo=UTC).timestamp()


def candidates(
    own: Sequence[Sequence[float]],
    *,
    previous: Sequence[Sequence[float]] | None = None,
    following: Sequence[Sequence[float]] | None = None,
    words: Sequence[Sequence[float]] | None = None,
    rarity: Sequence[float] | None = None,
    dense: Sequence[float] | None = None,
    author: Sequence[int] | None = None,
    at: Sequence[float] | None = None,
    statement: Sequence[bool] | None = None,
) -> Candidates:
    size, terms = np.shape(own)
    nothing = np.zeros((size, terms), np.float32)
    return Candidates(
        own=np.array(own, np.float32),
        previous=nothing if previous is None else np.array(previous, np.float32),
        following=nothing if following is None else np.array(following, np.float32),
        words=np.array([[20, 20, 20]] * size if words is None else words, np.float32),
        rarity=np.array([5.0] * terms if rarity is None else rarity, np.float32),
        dense=np.full(size, np.nan, np.float32) if dense is None else np.array(dense, np.float32),
        author=np.array([-1] * size if author is None else author, np.int32),
        at=np.array([MAY] * size if at is None else at, np.float64),
        statement=np.array([False] * size if statement is None else statement),
    )


def asked(authors: Sequence[int] = (), spans: Sequence[Span] = ()) -> Question:
    return Question([], frozenset(authors), spans)


def best(found: Candidates, question: Question | None = None) -> list[int]:
    return np.argsort(-formula.score(found, question or asked())).tolist()


def test_more_and_rarer_words_are_better():
    assert best(candidates([[1, 0], [1, 1], [0, 1], [0, 0]], rarity=[2, 5])) == [1, 2, 0, 3]


def test_a_word_that_is_there_often_does_not_outweigh_several_words():
    assert best(candidates([[9, 0, 0], [1, 1, 1]])) == [1, 0]


def test_of_equal_hits_the_shorter_text_is_better():
    assert best(candidates([[1], [1]], words=[[0, 60, 0], [0, 6, 0]])) == [1, 0]


def test_a_turn_is_found_by_the_question_before_it_and_less_by_what_follows():
    found = candidates([[0], [0], [0]], previous=[[1], [0], [0]], following=[[0], [1], [0]])
    assert best(found) == [0, 1, 2]


def test_words_of_its_own_count_most_and_those_beside_it_add_up():
    found = candidates([[1, 1], [1, 0], [0, 0], [1, 0]], previous=[[0, 0], [0, 1], [1, 1], [0, 0]])
    assert best(found) == [0, 1, 2, 3]


def test_what_stands_alone_is_no_better_than_what_stands_beside_turns_of_common_length():
    alone, beside = formula.score(candidates([[1], [1]], words=[[0, 20, 0], [20, 20, 20]]), asked())
    assert alone == pytest.approx(beside)


def test_a_very_long_neighbour_is_no_worse_than_a_long_one():
    found = candidates([[1], [1]], words=[[100, 20, 100], [5_000, 20, 5_000]])
    long, endless = formula.score(found, asked())
    assert endless == pytest.approx(long)


def test_meaning_counts_and_what_has_no_vector_is_held_for_average():
    assert best(candidates([[0], [0], [0]], dense=[0.2, np.nan, 0.6])) == [2, 1, 0]
    scores = formula.score(candidates([[1], [0]]), asked())
    assert np.isfinite(scores).all()


def test_the_words_of_who_is_asked_about_are_better():
    found = candidates([[1], [1], [1]], author=[0, 1, -1])
    assert best(found, asked(authors=[1]))[0] == 1
    scores = formula.score(found, asked())
    assert len(set(scores.tolist())) == 1, "nobody is asked about"


def test_what_others_say_is_found_where_who_is_asked_about_says_nothing_of_it():
    found = candidates([[0, 0], [1, 1]], author=[0, 1])
    assert best(found, asked(authors=[0]))[0] == 1


def test_what_happened_on_a_day_that_is_asked_about_or_is_told_on_the_next_is_better():
    day = 86_400
    found = candidates([[1]] * 4, at=[MAY - day, MAY, MAY + day, MAY + 2 * day])
    assert set(best(found, asked(spans=[Span(date(2026, 5, 8), date(2026, 5, 9))]))[:2]) == {1, 2}


def test_an_event_comes_before_a_statement_that_fits_alike_and_after_one_that_fits_better():
    assert best(candidates([[1, 0], [1, 0], [1, 1]], statement=[True, False, True])) == [2, 1, 0]


def test_a_score_does_not_depend_on_what_else_was_found():
    one = candidates([[1, 0]], dense=[0.4])
    many = candidates([[1, 0], [3, 3], [0, 1]], dense=[0.4, 0.9, 0.1])
    assert formula.score(one, asked())[0] == pytest.approx(formula.score(many, asked())[0])


def test_a_question_without_words_is_ranked_by_the_rest():
    found = candidates(np.zeros((2, 0)).tolist(), dense=[0.1, 0.5])
    assert best(found) == [1, 0]


def test_nothing_found_is_nothing_ranked():
    one = candidates([[1, 1]])
    parts = {item.name: getattr(one, item.name) for item in fields(one)}
    nothing = Candidates(**{name: part if name == "rarity" else part[:0] for name, part in parts.items()})
    assert formula.score(nothing, asked(authors=[0])).shape == (0,)
