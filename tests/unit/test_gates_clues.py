"""The clues by which texts without any order are passed quickly: they must let no wording go by."""

from __future__ import annotations

import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reasoning.gates import instructions, language

WORDINGS = [(clues, wording) for _, clues, wordings in instructions._ORDERS for wording in wordings]
WORDINGS += [(instructions._ROLES, instructions._ROLE)]


@pytest.mark.parametrize(("clues", "wording"), WORDINGS, ids=[wording[:40] for _, wording in WORDINGS])
def test_whatever_a_wording_finds_holds_a_clue(clues: tuple[str, ...], wording: str) -> None:
    @settings(max_examples=20, deadline=None, database=None, phases=[Phase.generate])
    @given(st.from_regex(re.compile(wording, re.MULTILINE)))
    def holds_a_clue(text: str) -> None:
        found = re.search(wording, text, re.MULTILINE)
        assert found is not None
        assert instructions._any_of(clues, found[0])

    holds_a_clue()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(set().union(*language._PROFILES.values()))), min_size=1))
def test_the_shares_of_languages_are_those_of_their_marks(words: list[str]) -> None:
    shares = language._shares(" ".join(words))
    for name, marks in language._PROFILES.items():
        assert shares[name] == sum(word in marks for word in words) / len(words)
