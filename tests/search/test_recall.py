"""Recalling: what memory has for a question, in a budget that holds, readable, and nothing twice."""

from __future__ import annotations

import random

import pytest

from memory import log, publishing, search, tokens
from tests.search.helpers import index_everything, texts
from tests.store.helpers import concluded, person, said, say

pytestmark = pytest.mark.django_db


def recall(query: str, **options) -> search.Recalled:
    return search.recall(search.scope("harbour", "ana"), query, **options)


def test_statements_and_events_are_told_with_their_dates_and_authors():
    events = said("I moved to Lisbon in May.", occurred_at="2026-05-20T10:00:00Z")
    added = [publishing.NewConclusion(content="Ana lives in Lisbon.", evidence=events, held_from="2026-05-01")]
    subject = person()
    line = publishing.open_line(subject, "recipe")
    publishing.publish(line.pk, publishing.Draft(parent_id=None, covers_from=0, covers_to=1, added=added))
    log.append("harbour", [log.NewEvent(kind="tool_result", data={"city": "Lisbon"})], user="ana")
    lines = recall("Where is Lisbon?").text.splitlines()
    assert lines.pop(next(i for i, line in enumerate(lines) if "tool" in line)).endswith("tool: Lisbon")
    assert sorted(lines) == [
        "20 May 2026, ana: I moved to Lisbon in May.",
        "Ana lives in Lisbon. (since 2026-05-01)",
    ]


def test_the_most_relevant_comes_first():
    say("Boats.", "The lighthouse of Lisbon has a keeper.", "Lisbon.", "The keeper sails boats.")
    found = recall("Who is the keeper of the lighthouse of Lisbon?")
    assert texts(found)[0] == "The lighthouse of Lisbon has a keeper."
    assert found.text.splitlines()[0].endswith("The lighthouse of Lisbon has a keeper.")


def test_what_says_the_same_is_told_once():
    events = said("I drink green tea.")
    concluded(publishing.open_line(person(), "recipe"), "I drink green tea", evidence=events)
    say("i drink GREEN tea!", "I drink black tea.")
    assert len(recall("tea").items) == 2


def test_what_is_told_names_the_events_it_rests_on():
    events = said(*(f"I drink green tea at {hour}." for hour in range(search.MOST_SOURCES + 2)))
    line = publishing.open_line(person(), "recipe")
    concluded(line, "Ana drinks tea.", evidence=events)
    concluded(line, "Ana owns a teapot and drinks tea.", evidence=events[:2])
    found = recall("tea teapot").items
    by_text = {item.text: list(item.sources) for item in found}
    assert by_text["Ana owns a teapot and drinks tea."] == [events[1], events[0]]
    assert by_text["Ana drinks tea."] == events[: -search.MOST_SOURCES - 1 : -1], "the newest of them"
    of_events = [(item.id, list(item.sources)) for item in found if item.type == "event"]
    assert of_events
    assert all(sources == [event] for event, sources in of_events)


def test_what_only_another_line_found_is_no_source():
    first, later = said("I drink tea.", "Tea again.")
    line = publishing.open_line(person(), "recipe")
    concluded(line, "Ana drinks tea.", evidence=[first])
    concluded(publishing.open_line(person(), "another"), "Ana drinks tea.", evidence=[first, later])
    [told] = [item for item in recall("Ana drinks tea").items if item.type == "conclusion"]
    assert list(told.sources) == [first]


@pytest.mark.parametrize("seed", range(4))
def test_the_budget_holds_whatever_is_told(seed):
    draw = random.Random(seed)
    pieces = [
        "tea",
        "/",
        "茶",
        "🙂",
        "word" * 9,
        "\n",
        "```",
        "a.b/c",
        "# heading",
        "É",
        "<|endoftext|>",
        "   ",
        "x" * 90,
    ]
    for i in range(20):
        say(f"tea {i} " + " ".join(draw.choices(pieces, k=draw.choice([2, 10, 200]))))
    whole = recall("tea", tokens=100_000)
    assert whole.tokens == tokens.count(whole.text)
    for budget in (1, 2, 5, 10, 30, 100, 333, 1_000):
        found = recall("tea", tokens=budget)
        assert tokens.count(found.text) == found.tokens <= budget
        assert len(found.text.splitlines()) == len(found.items)
    assert recall("tea", tokens=1_000).items, "a budget of some size is used"


def test_of_a_long_event_what_is_around_the_words_is_told():
    say("Filler. " * 300 + "The keeper is called Ben. " + "Filler. " * 300)
    index_everything()
    found = recall("Who is the keeper?")
    assert "The keeper is called Ben." in found.text
    assert found.tokens < tokens.count("Filler. " * 600) / 4


def test_nothing_known_is_nothing_told():
    found = recall("Anything?") if say("Boats.") else None
    assert (found.text, found.tokens, list(found.items)) == ("", 0, [])


def test_a_session_has_what_is_known_of_its_user_too_but_not_what_was_said_elsewhere():
    events = said("I drink tea at home.")
    concluded(publishing.open_line(person(), "recipe"), "Ana drinks tea.", evidence=events)
    log.append("harbour", [log.NewEvent(content="Tea again?")], user="ana", session="talk")
    talk = search.scope("harbour", "ana", "talk")
    assert texts(search.recall(talk, "tea")) == ["Tea again?"]
    both = search.Scope(talk.app_id, talk.thing, known=search.scope("harbour", "ana").thing)
    assert set(texts(search.recall(both, "tea"))) == {"Tea again?", "Ana drinks tea."}


@pytest.mark.parametrize("following", ["Tea.", "7 May", "(no)", "\u6d77"])
def test_what_stands_apart_has_as_many_tokens_after_any_line_as_alone(following):
    assert tokens.stands_apart(following)
    for line in ("Yes!", "a/", "He said (", "100", "\u2026", "wide ", "tab\t", "end.\n"):
        assert tokens.count(f"{line}\n{following}") == tokens.count(f"{line}\n") + tokens.count(following)


def test_what_shares_a_token_with_the_break_before_it_does_not_stand_apart():
    assert tokens.count("Yes!\n/path") != tokens.count("Yes!\n") + tokens.count("/path")
    assert not any(map(tokens.stands_apart, ["/path", " lead", "\u00a0wide", "\tindented", ""]))


def test_half_a_character_counts_as_the_library_mends_it():
    assert tokens.count("a\ud800b") == 3
