"""What a question asks for: whose words, of which days, which words."""

from __future__ import annotations

from datetime import date

import pytest

from memory.search.ranking import question
from memory.search.ranking.question import Question

TODAY = date(2026, 5, 8)
CREW = ["Ada", "Ben Okafor", "assistant"]


def read(text: str, own: int | None = None) -> Question:
    return question.read(text, CREW, own=own, today=TODAY)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("What does Ada drink?", {0}),
        ("what is ada's boat called?", {0}),
        ("What is Ada\u2019s boat called?", {0}),
        ("Where does Ben live?", {1}),
        ("Where does Ben Okafor live?", {1}),
        ("What did Ada buy for Ben?", {0, 1}),
        ("What did the assistant recommend?", {2}),
        ("Who likes bandanas?", set()),
        ("What did Ada, Ben and the assistant agree on?", set()),
    ],
)
def test_the_words_of_who_is_named_are_meant(text, meant):
    assert read(text).authors == meant


def test_who_asks_of_their_own_memory_means_their_own_words_unless_another_is_named():
    assert read("What is my boat called?", own=0).authors == {0}
    assert read("What does she drink?", own=0).authors == {0}
    assert read("What does Ben drink?", own=0).authors == {1}


@pytest.mark.parametrize("text", ["What did you recommend for my boat?", "Remind me what you've said about ropes"])
def test_what_the_one_who_is_asked_said_is_not_looked_for_in_the_asker_s_words(text):
    assert read(text, own=0).authors == set()


def test_a_polite_question_still_means_the_asker_s_words():
    assert read("Can you tell me where I left my boat?", own=0).authors == {0}


def test_names_are_not_looked_for_in_texts():
    assert list(read("What did Ben Okafor tell Ada about the Okafor harbour?").terms) == [
        "what",
        "did",
        "tell",
        "about",
        "the",
        "okafor",
        "harbour",
    ]
    assert question.without_names("What is Ada\u2019s boat, and where does Ben Okafor live?", CREW) == (
        "What is boat, and where does live?"
    )
    assert question.without_names("Who is it?", CREW) == "Who is it?"


def test_a_name_of_no_letters_names_nobody():
    assert question.read("What? !", ["!", ""], today=TODAY).authors == frozenset()
