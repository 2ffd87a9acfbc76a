"""Highlights: fragments with the places of the words in them, in any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.search.highlights import MOST, highlights
from memory.search.words import folded, words


def marked(text: str, *asked: str) -> list[list[str]]:
    """The marked words of each fragment."""
    return [[part.text[start:end] for start, end in part.marks] for part in highlights(text, asked)]


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("The boat sails.", ["boat"], [["boat"]]),
        ("Boats, BOATS and a boat.", ["boat"], [["Boats", "BOATS", "boat"]]),
        ("She was painting.", ["paint"], [["painting"]]),
        ("A cat in a category.", ["cat"], [["cat"]]),
        ("Die Straße.", ["strasse"], [["Straße"]]),
        ("🙂🙂 boat 🙂", ["boat"], [["boat"]]),
        ("我喜欢在上海喝咖啡。", ["咖啡"], [["咖啡"]]),
        ("在东京塔下", ["东京", "京塔"], [["东京塔"]]),
        ("Nothing here.", ["boat"], []),
        ("", ["boat"], []),
    ],
)
def test_marks_are_at_the_words(text, asked, expected):
    assert marked(text, *asked) == expected


def test_a_long_text_is_cut_between_words():
    [part] = highlights("filler words " * 100 + "the boat " + "filler words " * 100, ["boat"])
    assert len(part.text) < 250
    assert part.text.split()[0] in ("filler", "words")
    assert part.text.split()[-1] in ("filler", "words")


def test_there_are_few_fragments_and_those_with_most_words():
    text = " filler" * 50 + (" boat" + " filler" * 50) * 6 + " boat and lighthouse" + " filler" * 50
    found = highlights(text, ["boat", "lighthouse"])
    assert len(found) == MOST
    assert found[-1].text.count("lighthouse") == 1


@given(st.text(max_size=300), st.text(max_size=20))
def test_marks_lie_within_their_fragments_and_in_order(text, query):
    asked = [word.text for word in words(query)]
    for part in highlights(text, asked):
        assert part.text in text
        ends = [place for mark in part.marks for place in mark]
        assert ends == sorted(ends)
        assert all(0 <= start < end <= len(part.text) for start, end in part.marks)


@given(st.text(max_size=300))
def test_words_lie_where_they_say(text):
    for word in words(text):
        assert folded(text[word.start : word.end])[0].split() == word.text.split()
