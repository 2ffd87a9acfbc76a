"""Two prompt versions compared: nothing of either text is lost, and what else differs is named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import Invalid
from memory.worddiff import Piece
from reasoning import prompt_diff
from reasoning.models import PromptVersion


def version(text: str, number: int = 1, kind: str = "user", **more: object) -> PromptVersion:
    return PromptVersion(kind=kind, number=number, instructions=text, **more)


def pieces(found: Sequence[Piece]) -> list[tuple[str, str]]:
    return [(piece.act, piece.text) for piece in found]


def test_words_that_changed_are_told_apart_from_those_that_did_not():
    found = prompt_diff.compare(
        version("Know {subject} well.\nBe brief, please.\nThe end."),
        version("Know {subject} well.\nBe very brief.\nThe end.", 2),
    )
    assert found.unified == (
        "--- site-user-1\n+++ site-user-2\n@@ -1,3 +1,3 @@\n Know {subject} well.\n-Be brief, please.\n"
        "+Be very brief.\n The end."
    )
    assert pieces(found.lines) == [
        ("same", "Know {subject} well.\n"), ("removed", "Be brief, please.\n"), ("added", "Be very brief.\n"),
        ("same", "The end."),
    ]  # fmt: skip
    assert pieces(found.words) == [
        ("same", "Know {subject} well.\nBe "), ("added", "very "), ("same", "brief"), ("removed", ", please"),
        ("same", ".\nThe end."),
    ]  # fmt: skip
    assert list(found.settings) == []


def test_the_same_text_has_no_difference():
    found = prompt_diff.compare(version("One.\nTwo."), version("One.\nTwo.", 2))
    assert (found.unified, pieces(found.lines)) == ("", [("same", "One.\nTwo.")])


def test_lines_that_are_new_or_gone_stay_whole():
    found = prompt_diff.compare(version("One.\nTwo.\n"), version("Zero.\nOne.\n"))
    assert pieces(found.words) == [("added", "Zero.\n"), ("same", "One.\n"), ("removed", "Two.\n")]


def test_model_and_parameters_that_differ_are_named():
    found = prompt_diff.compare(
        version("x", model="", parameters={"temperature": 0, "seed": 1, "top_p": 1}),
        version("x", model="large", parameters={"temperature": 0.5, "top_p": 1, "max_output_tokens": 9}),
    )
    assert [(item.name, item.before, item.after) for item in found.settings] == [
        ("model", "", "large"), ("parameters.max_output_tokens", None, 9), ("parameters.seed", 1, None),
        ("parameters.temperature", 0, 0.5),
    ]  # fmt: skip


def test_prompts_of_two_kinds_are_not_compared():
    with pytest.raises(Invalid, match="kind user and the other of kind session"):
        prompt_diff.compare(version("x"), version("x", kind="session"))


PARTS = ["Know ", "{subject}", ".", "\n", "\r\n", "well", " ", "é", "\u2028"]
TEXTS = st.lists(st.sampled_from(PARTS)).map("".join)


@given(TEXTS, TEXTS)
def test_the_pieces_are_both_texts(before: str, after: str):
    found = prompt_diff.compare(version(before), version(after, 2))
    for shown in (found.lines, found.words):
        assert "".join(piece.text for piece in shown if piece.act != "added") == before
        assert "".join(piece.text for piece in shown if piece.act != "removed") == after
        assert all(piece.text for piece in shown)
