"""What is written for what was found: excerpts, and what of it has room."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest

from memory.search.ranking.packing import EXCERPT_WORDS, Asked, excerpt, line, pack


@dataclass(frozen=True)
class Note:
    text: str
    sources: tuple[str, ...] = ()
    line: str = field(default="")

    @classmethod
    def of(cls, text: str, *sources: str) -> Note:
        return cls(text, sources, text)


def told(*notes: Note, budget: int = 1_000) -> list[str]:
    return [note.text for note in pack(notes, budget, lambda line: len(line.split()))]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hey Ben! The harbour froze over. So good to see you!", "The harbour froze over."),
        ("The harbour froze over. How about you? Any news of the ferry?", "The harbour froze over."),
        ("Wow, that's amazing!", "Wow, that's amazing!"),
        ("No. I never sold the boat.", "No. I never sold the boat."),
        ("Schön dich zu sehen! Der Hafen ist zugefroren.", "Schön dich zu sehen! Der Hafen ist zugefroren."),
        ("船が凍った。元気ですか?", "船が凍った。"),
        ("Dr. Ito charged 3.50 for it.\nThanks!", "Dr. Ito charged 3.50 for it."),
    ],
)
def test_an_excerpt_leaves_out_what_says_nothing(text, kept):
    assert excerpt(text, Asked(["weather"]), {"ben"}) == kept


def test_an_excerpt_keeps_a_question_that_has_what_was_asked_for():
    assert excerpt("Did the ferries sail? It is cold.", Asked(["ferry", "sailing"])) == (
        "Did the ferries sail? It is cold."
    )


def test_an_excerpt_of_a_long_text_has_what_was_asked_for_and_what_is_beside_it():
    before, after = "Gulls circled the pier. ", "Snow lay upon the roofs. "
    text = before * 40 + "The keeper is called Ada. " + after * 40
    assert excerpt(text, Asked(["keeper"])) == f"… {before}The keeper is called Ada. {after}…"


def test_an_excerpt_of_a_long_text_without_what_was_asked_for_is_its_beginning():
    text = " ".join(f"Crate {number} holds rope." for number in range(100))
    told = excerpt(text, Asked(["keeper"]))
    assert text.startswith(told.removesuffix(" …"))
    assert len(told.split()) <= EXCERPT_WORDS + 1


def test_an_excerpt_of_one_endless_sentence_is_cut_all_the_same():
    text = "rope " * 500 + "keeper " + "rope " * 500
    told = excerpt(text, Asked(["keeper"]))
    assert "keeper" in told
    assert len(told.split()) <= EXCERPT_WORDS + 2


def test_every_piece_of_an_excerpt_stands_in_the_text():
    text = "Hi there! " + "The mast broke in the storm. We bought rope. " * 30
    for piece in excerpt(text, Asked(["mast"])).split(" … "):
        assert piece.strip("… ") in text


def test_a_line_tells_the_day_and_the_author():
    assert line("Ada", date(2026, 5, 7), "It\n snowed.") == "7 May 2026, Ada: It snowed."


def test_what_has_no_room_makes_room_for_what_has():
    assert told(Note.of("one two three four five six"), Note.of("seven eight nine ten eleven"), budget=5) == [
        "seven eight nine ten eleven"
    ]


def test_what_says_the_same_is_told_once():
    assert told(Note.of("The ferry sails at noon."), Note.of("the ferry sails at NOON"), Note.of("It snows.")) == [
        "The ferry sails at noon.",
        "It snows.",
    ]


def test_a_statement_and_the_event_it_rests_on_are_not_both_told():
    event, statement = Note.of("I sold the red boat to Ben", "1"), Note.of("Ada sold the red boat to Ben in May.", "1")
    assert told(event, statement) == [event.text]
    assert told(statement, event) == [statement.text]


def test_a_statement_that_says_something_else_is_told_beside_its_event():
    event, statement = Note.of("I sold the red boat to Ben, and cried.", "1"), Note.of("Ada is fond of boats.", "1")
    assert told(event, statement) == [event.text, statement.text]
    other = Note.of("Ada sold the red boat to Ben in May.", "2")
    assert told(event, other) == [event.text, other.text], "it rests on something else"
