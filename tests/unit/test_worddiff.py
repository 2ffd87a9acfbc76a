"""What a reader is shown as changed between two texts."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.worddiff import Diff, folded, words

PARTS = st.lists(st.sampled_from(["tea", "coffee", " ", "\n", ".", ", ", "the ", "é", "# ", "  "])).map("".join)


def told(old: str, new: str) -> str:
    """What changed, with marks around it."""
    marks = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}
    return "".join(marks[act].format(text) for act, text in words(old, new))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PARTS, PARTS)
def test_the_pieces_make_up_both_texts(old: str, new: str) -> None:
    pieces = words(old, new)
    assert "".join(piece.text for piece in pieces if piece.act != "added") == old
    assert "".join(piece.text for piece in pieces if piece.act != "removed") == new
    assert all(piece.text for piece in pieces)
    assert all(one.act != next_.act for one, next_ in pairwise(pieces))


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("", "", ""),
        ("same", "same", "same"),
        ("", "tea", "{+tea+}"),
        ("tea", "", "[-tea-]"),
        ("Know {subject} well.", "Know {subject} better.", "Know {subject} [-well-]{+better+}."),
        ("red figs and green pears", "blue figs and old pears", "[-red -]{+blue +}figs and [-green -]{+old +}pears"),
        ("A flat in Graça.", "A small flat.", "A {+small +}flat[- in Graça-]."),
        (
            "They stay with Ana's brother in Alfama while they work.",
            "They have booked the small flat in Graça while they work.",
            "They [-stay with Ana's brother -]{+have booked the small flat +}in [-Alfama -]{+Graça +}while they work.",
        ),
        (
            "- Likes tea.\n- Lives in Rome.\n- Has a dog.",
            "- Likes coffee.\n- Has a dog.\n- Works at a mill.",
            "- Likes [-tea-]{+coffee+}.\n[-- Lives in Rome.\n-]- Has a dog.{+\n- Works at a mill.+}",
        ),
    ],
)  # fmt: skip
def test_a_change_is_told_by_the_words_that_changed(old: str, new: str, shown: str) -> None:
    assert told(old, new) == shown


def test_what_is_far_from_a_change_is_set_apart_by_whole_lines() -> None:
    old = "".join(f"Line {number}\n" for number in range(30))
    new = old.replace("Line 15\n", "Another 15\n")
    shown = folded(words(old, new))
    assert [act for act, _ in shown] == ["folded", "same", "removed", "added", "same", "folded"]
    assert shown[0][1].splitlines()[-1] == "Line 12"
    assert shown[-1][1].splitlines()[0] == "Line 18"
    assert "".join(text for act, text in shown if act != "added") == old
    assert folded(words(old, old)) == [("same", old)]


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_what_is_too_much_work_to_compare_is_told_as_replaced(separator: str) -> None:
    def pieces(size: int) -> list[str]:
        old, new = (separator.join(seed.choices("ab", k=size)) for _ in range(2))
        return [piece.act for piece in words(f"{old}|", f"{new}|")]

    seed = random.Random(7)
    assert len(pieces(60)) > 5
    assert pieces(12_000)[-3:] == ["removed", "added", "same"]
    assert len(pieces(12_000)) <= 4


def test_a_diff_says_whether_there_is_any() -> None:
    assert Diff("Text", "a", "b").changed
    assert not Diff("Text", "a", "a").changed
    assert Diff("Text", "a b", "a c").pieces == [("same", "a "), ("removed", "b"), ("added", "c")]
