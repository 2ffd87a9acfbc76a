"""What an answer must be before it may become memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reasoning import gate
from reasoning.providers.base import Answer, Kind, KnownStatement, Request, Retirement, ShownEvent, Statement

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def shown(number: int, origin: str = "user") -> ShownEvent:
    return ShownEvent(number, "message", origin, "Ana", NOON, "s1", "Hello.")


def known(number: int, *, pinned: bool = False) -> KnownStatement:
    return KnownStatement(number, "Ana lives in Porto.", "explicit", "Ana", None, None, 3, NOON, pinned)


REQUEST = Request(
    kind=Kind.USER,
    subject="Ana",
    events=(shown(1), shown(2), shown(3, "recalled")),
    known=(known(1), known(2), known(3, pinned=True)),
    card=("Lives in: Porto",),
)
GOOD = Answer(add=(Statement("Ana lives in Lisbon.", (1,)),), retire=(Retirement(1, "moved", 0),), now="Ana has moved.")


def test_a_good_answer_has_no_problems():
    assert gate.problems(REQUEST, GOOD) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (replace(GOOD, add=(Statement(" ", (1,)),)), "Statement 1 is empty."),
        (replace(GOOD, add=(Statement("Ana sings.", ()),)), "Statement 1 rests on no event."),
        (
            replace(GOOD, add=(Statement("Ana sings.", (1, 9)),)),
            "Statement 1 rests on events that were not shown: [9].",
        ),
        (replace(GOOD, retire=(Retirement(7, "gone"),)), "It retires statement 7, which it was not shown."),
        (
            replace(GOOD, retire=(Retirement(1, "moved", 1),)),
            "It replaces statement 1 with one that it does not add.",
        ),
        (Answer(), "It would leave nothing of the card and of what matters now."),
    ],
)
def test_a_problem_is_named_for_people(answer, said):
    assert gate.problems(REQUEST, answer) == [said]


def test_a_session_does_not_lose_its_summary():
    session = replace(REQUEST, kind=Kind.SESSION, card=(), short_summary="They spoke of boats.")
    assert gate.problems(session, Answer()) == ["It would leave nothing of the summary."]
    assert gate.problems(replace(session, short_summary=""), Answer()) == []


def test_recalled_memory_is_taken_out_of_the_evidence():
    answer = gate.admissible(REQUEST, replace(GOOD, add=(Statement("Ana lives in Lisbon.", (1, 3)),)))
    assert answer.add == (Statement("Ana lives in Lisbon.", (1,)),)


def test_what_rests_on_recalled_memory_alone_is_neither_added_nor_a_replacement():
    echo, fresh = Statement("Ana lives in Lisbon.", (3,)), Statement("Ana has moved.", (2,))
    answer = Answer(add=(echo, fresh), retire=(Retirement(1, "moved", 0), Retirement(2, "moved", 1)))
    kept = gate.admissible(REQUEST, answer)
    assert kept.add == (fresh,)
    assert kept.retire == (Retirement(2, "moved", 0),)


def test_a_model_does_not_retire_what_a_human_has_pinned():
    kept = gate.admissible(REQUEST, replace(GOOD, retire=(Retirement(3, "outdated"), Retirement(2, "outdated"))))
    assert kept.retire == (Retirement(2, "outdated"),)
