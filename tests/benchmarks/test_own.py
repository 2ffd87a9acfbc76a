"""Our own data set must be sound: gold answers, nothing else does, and nothing but the text tells what is gold."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from statistics import mean

import pytest

from benchmarks.recall.conversations import Conversation, Question, Turn
from benchmarks.recall.datasets import own
from benchmarks.recall.datasets.generate import MATERIAL, generate, scripts
from benchmarks.recall.datasets.generate.compose import compose
from benchmarks.recall.datasets.generate.filler import Filler
from benchmarks.recall.datasets.generate.scenes import Asked
from benchmarks.recall.systems.turns import fitting
from benchmarks.recall.text import stems, words

BUDGET = 1000
CATEGORIES = {
    "update", "contradiction", "abstention", "speaker", "quoted", "time", "tool", "project", "multi", "paraphrase",
    "languages",
}  # fmt: skip
DATE = re.compile(
    r"(\d{1,2} )?(January|February|March|April|May|June|July|August|September|October|November|December) \d{4}"
)

CONVERSATIONS = own.load().conversations
QUESTIONS = [(conversation, question) for conversation in CONVERSATIONS for question in conversation.questions]


@cache
def turns(conversation_id: str) -> dict[str, Turn]:
    conversation = next(each for each in CONVERSATIONS if each.id == conversation_id)
    return {turn.id: turn for turn in conversation.turns}


def asked() -> Iterator[tuple[Conversation, Question, Asked]]:
    """Yield the questions with what the material says of them."""
    for conversation, script in zip(CONVERSATIONS, scripts(), strict=True):
        written = [each for scene in script.scenes for each in scene.questions]
        for question, each in zip(conversation.questions, written, strict=True):
            yield conversation, question, each


def told(turn: Turn) -> str:
    return f"{turn.author}: {turn.text}"


def test_what_ships_is_what_the_generator_makes() -> None:
    assert tuple(generate()) == CONVERSATIONS


def test_another_seed_makes_another_conversation() -> None:
    script = next(script for script in scripts() if script.id == "polyglot")
    first, again, other = (compose(script, Filler(MATERIAL), seed) for seed in (1, 1, 2))
    assert first == again
    assert [turn.text for turn in first.turns] != [turn.text for turn in other.turns]


def test_it_is_small_enough_to_ship_and_large_enough_to_measure() -> None:
    assert sum(path.stat().st_size for path in own.FOLDER.glob("*.jsonl")) < 1_500_000
    assert len(QUESTIONS) >= 350
    counts = Counter(question.category for _, question in QUESTIONS)
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 20


def test_turns_are_in_order_and_have_ids_of_their_own() -> None:
    for conversation in CONVERSATIONS:
        assert len(turns(conversation.id)) == len(conversation.turns)
        assert all(one.at < other.at for one, other in zip(conversation.turns, conversation.turns[1:], strict=False))
    assert len({question.id for _, question in QUESTIONS}) == len(QUESTIONS)


def test_a_question_names_turns_that_exist_and_is_asked_after_them() -> None:
    for conversation, question in QUESTIONS:
        there = turns(conversation.id)
        assert set(question.gold) | set(question.stale) <= set(there), question
        assert not set(question.gold) & set(question.stale), question
        assert bool(question.gold) == (question.answer is not None), question
        assert question.asked_at is not None
        assert question.asked_at > conversation.turns[-1].at


def test_what_no_longer_holds_was_said_before_what_holds() -> None:
    for conversation, question in QUESTIONS:
        there = turns(conversation.id)
        for stale in question.stale:
            assert there[stale].at < max(there[gold].at for gold in question.gold), question


def test_the_words_of_the_answer_are_in_the_gold() -> None:
    for conversation, question in QUESTIONS:
        if question.answer is None or DATE.fullmatch(question.answer):
            continue
        there = turns(conversation.id)
        said = " ".join(told(there[gold]) for gold in question.gold)
        verbatim = question.answer in said  # Japanese has no spaces, so that a word is not one of its words
        assert verbatim or stems(question.answer) <= stems(said), (question, said)


def test_a_question_of_a_project_is_answered_in_that_project() -> None:
    for conversation, question in QUESTIONS:
        for gold in question.gold:
            assert turns(conversation.id)[gold].project == question.scope.get(
                "project", turns(conversation.id)[gold].project
            )


def test_nobody_says_what_a_question_without_answer_asks_for() -> None:
    for conversation, question, each in asked():
        if question.answer is None:
            assert each.never, question
            found = [told(turn) for turn in conversation.turns if re.search(each.never, told(turn))]
            assert not found, (question.text, found)


def test_hardly_any_answer_is_said_where_it_is_not_gold() -> None:
    """A word or two are, by chance; an answer of some length must not be."""
    elsewhere = []
    for conversation, question in QUESTIONS:
        if question.answer is None or len(words(question.answer)) < 3:
            continue
        known = {*question.gold, *question.stale}
        answer = question.answer.lower()
        if any(answer in turn.text.lower() for turn in conversation.turns if turn.id not in known):
            elsewhere.append((question.text, question.answer))
    assert len(elsewhere) <= 0.03 * len(QUESTIONS), elsewhere


def test_conversations_do_not_repeat_one_another() -> None:
    """Nothing that is gold has nearly the same beside it; of small talk of some length, few have."""
    said = [(conversation.id, turn) for conversation in CONVERSATIONS for turn in conversation.turns]
    gold = {(conversation.id, turn) for conversation, question in QUESTIONS for turn in question.gold}
    pieces = [_shingles(turn.text) for _, turn in said]
    holding: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, found in enumerate(pieces):
        for piece in found:
            holding[piece].add(number)
    repeated = set()
    for number, found in enumerate(pieces):
        shared = Counter(other for piece in found for other in holding[piece] if other != number)
        if any(count / (len(found) + len(pieces[other]) - count) > 0.75 for other, count in shared.items()):
            repeated.add(number)
    of_gold = [said[number] for number in repeated if (said[number][0], said[number][1].id) in gold]
    assert not of_gold
    long = [number for number, (_, turn) in enumerate(said) if len(words(turn.text)) >= 12]
    assert len(repeated & set(long)) / len(long) < 0.18


def _shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + 3]) for start in range(len(found) - 2)}


PROBES: dict[str, Callable[[Conversation], dict[str, float]]] = {
    "longest": lambda conversation: {turn.id: len(turn.text) for turn in conversation.turns},
    "shortest": lambda conversation: {turn.id: -len(turn.text) for turn in conversation.turns},
    "middling": lambda conversation: {turn.id: -abs(len(turn.text) - 110) for turn in conversation.turns},
    "latest": lambda conversation: {turn.id: place for place, turn in enumerate(conversation.turns)},
    "earliest": lambda conversation: {turn.id: -place for place, turn in enumerate(conversation.turns)},
    "first of a session": lambda conversation: {turn.id: -int(turn.id.split(":")[1]) for turn in conversation.turns},
    "last of a session": lambda conversation: {turn.id: int(turn.id.split(":")[1]) for turn in conversation.turns},
    "digits": lambda conversation: {turn.id: len(re.findall(r"\d", turn.text)) for turn in conversation.turns},
    "capitals": lambda conversation: {
        turn.id: len(re.findall(r"[a-z,] [A-Z]", turn.text)) for turn in conversation.turns
    },
    "quotation marks": lambda conversation: {turn.id: turn.text.count('"') for turn in conversation.turns},
    "rare words": lambda conversation: _rarity(conversation),
}


def _rarity(conversation: Conversation) -> dict[str, float]:
    counts = Counter(word for turn in conversation.turns for word in set(words(turn.text)))
    return {turn.id: mean([1 / counts[word] for word in words(turn.text)] or [0]) for turn in conversation.turns}


# Rare words tell something: small talk is of few lists. The data set's README says so.
@pytest.mark.parametrize("probe", PROBES)
def test_nothing_but_the_text_tells_which_turn_is_gold(probe: str) -> None:
    assert _recall(PROBES[probe]) < (0.25 if probe == "rare words" else 0.15)


def test_chance_finds_less_than_a_tenth() -> None:
    chance = random.Random(1)
    assert _recall(lambda conversation: {turn.id: chance.random() for turn in conversation.turns}) < 0.1


def _recall(probe: Callable[[Conversation], dict[str, float]]) -> float:
    """Return the share of the gold among the turns that a probe ranks highest, whatever is asked."""
    scores = []
    for conversation in CONVERSATIONS:
        rank = probe(conversation)
        items = fitting(sorted(conversation.turns, key=lambda turn: -rank[turn.id]), BUDGET)
        found = {source for item in items for source in item.sources}
        scores += [len(found & {*each.gold}) / len(each.gold) for each in conversation.questions if each.gold]
    return mean(scores)
