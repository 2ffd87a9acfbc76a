"""What counts as evidence, as an answer, as prose."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.metric import Scores, Yardstick, prose
from benchmarks.recall.porter import stem
from benchmarks.recall.systems.base import Item
from benchmarks.recall.text import count_tokens, stems, truncate
from tests.benchmarks.tales import TALE

FLAT = next(question for question in TALE.questions if question.id == "flat")
UPDATE = next(question for question in TALE.questions if question.id == "ride")


def score(question: Question, *items: Item) -> Scores:
    return Yardstick(TALE.turns).score(question, items, 1000)


def test_evidence_may_be_spread_over_several_items() -> None:
    halves = (
        Item("Tomas: I rent two rooms", ("autumn:1",)),
        Item("above a shop that sells umbrellas, which is useful in this city", ("autumn:1",)),
    )
    assert score(FLAT, *halves).ev == 1.0
    assert score(FLAT, halves[0]).ev == 0.0


def test_a_rewritten_fact_counts_where_it_keeps_what_answers() -> None:
    fact = Item("Tomas has rented rooms above an umbrella shop.", ("autumn:1",))
    vague = Item("Tomas lives in a useful city, somewhere.", ("autumn:1",))
    assert score(FLAT, fact).evg == 1.0
    assert score(FLAT, vague).evg == 0.0


def test_what_no_longer_holds_is_counted_apart() -> None:
    old = Item("Tomas: That old green bicycle? You should sell it and get something with proper brakes.", ())
    stale = Item(
        "Ines repaired the bicycle in the cellar, its chain had rusted through over the winter.", ("spring:4",)
    )
    assert score(UPDATE, stale).stale == 1.0
    assert score(UPDATE, stale).ev == 0.0
    assert score(UPDATE, old).stale == 0.0


def test_fresh_is_what_holds_before_what_no_longer_does() -> None:
    there = {turn.id: Item(turn.text, (turn.id,)) for turn in TALE.turns}
    new = [there[turn] for turn in UPDATE.gold]
    old = [there[turn] for turn in UPDATE.stale]
    assert score(UPDATE, *new).fresh == 1.0
    assert score(UPDATE, *new, *old).fresh == 1.0
    assert score(UPDATE, *old, *new).fresh == 0.0
    assert score(UPDATE, *old).fresh == 0.0
    assert score(FLAT, *new).fresh is None


def test_words_of_the_question_are_no_answer() -> None:
    assert score(FLAT, Item("Where does Tomas live in Ghent?", ())).ans == 0.0
    assert score(FLAT, Item("In two rooms above an umbrella shop.", ())).ans == 1.0


def test_an_answer_may_lie_in_two_neighbours_but_not_further_apart() -> None:
    parts = [Item("He has two rooms.", ()), Item("It rains.", ()), Item("The shop below has umbrellas.", ())]
    apart, together = score(FLAT, *parts), score(FLAT, parts[0], parts[2])
    assert apart.ans == together.ans == together.ans_loc == 1.0
    assert apart.ans_loc is not None
    assert 0 < apart.ans_loc < 1


def test_a_question_without_answer_and_gold_has_no_scores() -> None:
    unknown = next(question for question in TALE.questions if question.id == "cat")
    found = score(unknown, Item("Ines has no cat.", ("spring:0",)))
    assert (found.ev, found.evg, found.ans, found.ans_loc, found.stale) == (None, None, None, None, None)


def test_nothing_handed_over_is_worth_nothing() -> None:
    found = score(FLAT)
    assert (found.ev, found.evg, found.ans, found.ans_loc, found.tokens) == (0.0, 0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("on 2024-05-07", "on May 7th, 2024"),
        ("the 07 Sept 2023", "7 September 2023"),
        ("twice", "two times"),
        ("the third of May", "3 may"),
    ],
)
def test_dates_and_numbers_have_one_spelling(one: str, other: str) -> None:
    assert stems(one) <= stems(other) | stems("times 2")
    assert stems(one)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("agreed", "agre"), ("plastered", "plaster"), ("hopping", "hop"),
        ("filing", "file"), ("happy", "happi"), ("relational", "relat"), ("vietnamization", "vietnam"),
        ("triplicate", "triplic"), ("hopefulness", "hope"), ("adjustment", "adjust"), ("adoption", "adopt"),
        ("controll", "control"), ("rate", "rate"), ("cease", "ceas"), ("sky", "sky"), ("toy", "toi"), ("café", "café"),
    ],
)  # fmt: skip
def test_stems_are_porters(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_tokens_are_words_and_signs() -> None:
    assert count_tokens("Don't, please!") == 6
    assert truncate("Don't, please!", 3) == "Don't"
    assert truncate("Don't, please!", 6) == "Don't, please!"


def test_talk_with_a_name_and_a_date_is_prose() -> None:
    items = [Item(f"({turn.at.day} {turn.at:%B %Y}) {turn.author}: {turn.text}", (turn.id,)) for turn in TALE.turns]
    assert prose(items) == items


def test_a_few_short_statements_need_no_stop_words_where_the_rest_is_prose() -> None:
    items = [Item("Ines plays accordion", ()), Item("It was on a Tuesday that he had it running again.", ())]
    assert prose(items) == items
    listed = [Item("Ines plays accordion", ())] * 9
    assert {item.text for item in prose(listed)} == {""}


def test_what_was_said_passes_where_it_is_no_prose_itself_and_nothing_else_passes_with_it() -> None:
    data = (
        'stock.get {"items": [{"item": "porcelain", "kg": 32}, {"item": "stoneware", "kg": 185}, '
        '{"item": "raku", "kg": 60}], "counted": "last Monday evening"}'
    )
    at = datetime(2024, 3, 5, tzinfo=UTC)
    turns = [Turn("a", "s", "Aide", data, at, "tool_result"), Turn("b", "s", "Mia", "The kiln is at the mill.", at)]
    question = Question("q", "How much raku is left?", "60", ("a",))
    told = Item(f"(5 March 2024) Aide: {data}", ("a",))
    stuffed = Item(f"{data} kiln mill potter wheel market winter Saturday glaze cobalt oven", ("a",))
    assert Yardstick(turns).score(question, [told], 100).ev == 1.0
    assert Yardstick(turns).score(question, [stuffed], 100).ev == 0.0
