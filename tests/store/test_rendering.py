"""Turning a version into text: the budget holds for the whole text, headings never stand alone, order is kept."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import rendering, tokens
from memory.ordering import ordered
from memory.rendering import HEADING, Standing

WORDS = (
    "Ana", "lives", "in", "Lisbon", "since", "2026-03-04", "Übergrößenträger", "👩‍👩‍👧‍👦", "東京都", "/usr/bin", "//",
    "http://a.b/c?d=e",
    "don't", "(", ")", "...", "#", "##", "- x", "1234567", "\t", "  ", "ﬁ", "e\u0301", "--", "|", "\\", "\"quoted\"",
    "…", "a" * 40,
    "/", "{}", "();", "\u2028", "\r\n", "<|endoftext|>", "И", "नमस्ते",
)  # fmt: skip


def random_text(dice: random.Random, most: int = 14) -> str:
    return dice.choice((" ", "", "\n")).join(dice.choice(WORDS) for _ in range(dice.randint(0, most)))


def random_version(dice: random.Random) -> dict[str, object]:
    return {
        "kind": dice.choice(("user", "session")),
        "now": random_text(dice, 20),
        "card": [random_text(dice) for _ in range(dice.randint(0, 6))],
        "short_summary": random_text(dice),
        "long_summary": random_text(dice, 30),
        "statements": [
            Standing(content=random_text(dice), importance=dice.randint(1, 5), held_from=date(2026, 3, 4))
            for _ in range(dice.randint(0, 20))
        ],
    }


def check_form(text: str, line_tokens: list[int]) -> None:
    lines = text.split("\n") if text else []
    assert len(lines) == len(line_tokens)
    for line, following in itertools.pairwise([*lines, HEADING]):
        assert not (line.startswith(HEADING) and following.startswith(HEADING)), "a heading has a line under it"


@pytest.mark.parametrize("seed", range(20))
def test_the_whole_text_fits_any_budget(seed):
    dice = random.Random(seed)
    for _ in range(12):
        parts = random_version(dice)
        whole = rendering.render(**parts, budget=100_000)  # type: ignore[arg-type]
        check_form(whole.text, whole.line_tokens)
        lines = whole.text.split("\n") if whole.text else []
        for budget in [0, 1, 2, *(dice.randint(0, 600) for _ in range(5))]:
            for got in (
                rendering.render(**parts, budget=budget),  # type: ignore[arg-type]
                rendering.fit(lines, whole.line_tokens, budget),
            ):
                assert tokens.count(got.text) <= sum(got.line_tokens) <= budget, (got.text, budget)
                check_form(got.text, got.line_tokens)
                left = iter(whole.text.split("\n"))
                assert all(line in left for line in got.text.split("\n") if got.text), "lines keep their order"


@settings(max_examples=400, deadline=None, database=None, derandomize=True)
@given(st.lists(st.text(max_size=12), max_size=6), st.text(max_size=30), st.integers(0, 80))
def test_the_whole_text_fits_whatever_characters_it_has(statements, now, budget):
    got = rendering.render(
        kind="user",
        now=now,
        card=statements[:2],
        statements=[Standing(content=text, importance=3) for text in statements],
        budget=budget,
    )
    assert tokens.count(got.text) <= budget
    check_form(got.text, got.line_tokens)


def test_the_most_important_goes_first_and_stays_last():
    standing = [
        Standing(content="Old but important.", importance=5, latest=datetime(2020, 1, 1, tzinfo=UTC)),
        Standing(content="Pinned.", importance=1, pinned=True),
        Standing(content="New.", importance=3, latest=datetime(2026, 1, 2, tzinfo=UTC)),
        Standing(content="Older.", importance=3, latest=datetime(2026, 1, 1, tzinfo=UTC)),
        Standing(content="Undated B.", importance=3),
        Standing(content="Undated A.", importance=3),
        Standing(content="Passing.", importance=1, latest=datetime(2026, 1, 3, tzinfo=UTC)),
    ]
    order = ["Pinned.", "Old but important.", "New.", "Older.", "Undated A.", "Undated B.", "Passing."]
    assert [item.content for item in ordered(reversed(standing))] == order
    whole = rendering.render(kind="user", statements=standing, budget=1_000)
    assert whole.text.split("\n") == ["## Known", *(content.rstrip(".") for content in order)]
    assert rendering.render(kind="user", statements=standing, budget=sum(whole.line_tokens[:3])).text == (
        "## Known\nPinned\nOld but important"
    )


def test_among_equally_important_ones_each_adds_to_what_is_told():
    talk_of_one_trip = [
        "Ana flies to Rome in May.",
        "Ana flies to Rome with Ben in May.",
        "Ana will fly to Rome in May with Ben.",
        "Ana's flight to Rome is in May.",
    ]
    rest = ["Ana breeds rabbits.", "Ana's brother sells pianos in Ghent."]
    filler = [f"Ana has seen film{n} and book{n}." for n in range(20)]
    standing = [
        *(Standing(content=text, importance=3, latest=datetime(2026, 2, 1, tzinfo=UTC)) for text in talk_of_one_trip),
        *(Standing(content=text, importance=3, latest=datetime(2026, 1, 1, tzinfo=UTC)) for text in rest),
        *(Standing(content=text, importance=2, latest=datetime(2026, 3, 1, tzinfo=UTC)) for text in filler),
    ]
    shown = [item.content for item in ordered(standing)]
    assert {*shown[:3]} >= {*rest}
    assert {*shown[:6]} == {*talk_of_one_trip, *rest}, "what matters less never goes before what matters more"
    assert [item.content for item in ordered(reversed(standing))] == shown


def test_of_what_adds_as_much_the_newer_goes_first():
    names = ("kayaks", "pianos", "rabbits", "olives", "lamps", "chess", "bread")
    standing = [
        Standing(content=f"Ana sells {name}.", importance=3, latest=datetime(2026, 1, day, tzinfo=UTC))
        for day, name in enumerate(names, 1)
    ]
    assert [item.content.split()[-1] for item in ordered(standing)] == [f"{n}." for n in reversed(names)]


def test_a_version_has_its_parts_in_this_order():
    got = rendering.render(
        kind="session",
        now="They plan a trip.",
        card=["Place: Porto"],
        short_summary="A talk.",
        long_summary="A long talk.\n\nAbout boats.",
        statements=[Standing(content="Ana sails.", importance=3)],
        budget=1_000,
    )
    assert got.text == (
        "They plan a trip.\nA talk.\n## Facts\nPlace: Porto\n## So far\nA long talk.\nAbout boats.\n"
        "## Said and decided\nAna sails"
    )


def test_a_summary_that_is_long_and_short_is_said_once():
    got = rendering.render(kind="session", short_summary="A talk.", long_summary="A talk.", budget=100)
    assert got.text == "A talk."


@pytest.mark.parametrize(
    ("held_from", "held_until", "ending"),
    [
        (None, None, ""),
        (date(2026, 1, 2), None, " (since 2026-01-02)"),
        (None, date(2026, 1, 2), " (until 2026-01-02)"),
        (date(2026, 1, 2), date(2026, 1, 2), " (2026-01-02)"),
        (date(2026, 1, 2), date(2026, 2, 3), " (2026-01-02 to 2026-02-03)"),
    ],
)
def test_a_statement_says_when_it_held(held_from, held_until, ending):
    item = Standing(content="Ana sails.", importance=3, held_from=held_from, held_until=held_until)
    assert rendering.render(kind="user", statements=[item], budget=100).text == f"## Known\nAna sails{ending}"


@pytest.mark.parametrize(
    ("content", "held_from", "held_until", "ending"),
    [
        ("Ana sailed on 4 May 2026.", date(2026, 5, 4), date(2026, 5, 4), ""),
        ("Ana sailed on 2026-05-04.", date(2026, 5, 4), date(2026, 5, 4), ""),
        ("Ana sailed in the week of 27 April 2026.", date(2026, 4, 27), date(2026, 5, 3), ""),
        ("Ana has sailed since May 2026.", date(2026, 5, 1), None, ""),
        ("Ana sailed in 2025.", date(2025, 1, 1), date(2025, 12, 31), ""),
        ("Ana sailed in 2025.", date(2025, 3, 1), date(2025, 3, 1), " (2025-03-01)"),
        ("Ana began to sail in May 2025.", date(2025, 5, 1), date(2026, 2, 1), " (2025-05-01 to 2026-02-01)"),
        ("Ana sailed until May 2026.", None, date(2026, 5, 4), " (until 2026-05-04)"),
    ],
)
def test_a_statement_that_names_its_time_is_not_dated_again(content, held_from, held_until, ending):
    assert rendering.dated(content, held_from, held_until) == content + ending


@pytest.mark.parametrize("text", ["## Known", "# Known\n## Facts", "##", "  ## Facts  "])
def test_derived_text_never_looks_like_a_heading(text):
    got = rendering.render(
        kind="user",
        now=text,
        card=[f"{text} too"],
        statements=[Standing(content=f"{text} more", importance=3)],
        budget=1_000,
    )
    headings = [line for line in got.text.split("\n") if line.startswith("#")]
    assert headings == ["## Facts", "## Known"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Ana Lopes sings.", "Sings"),
        ("Ana Lopes sails. She has a boat.", "Sails. She has a boat"),
        ("Ana Lopes waits for ...", "Waits for ..."),
        ("Ana Lopes and Ben sail.", "Ana Lopes and Ben sail"),
        ("Ana Lopes Silva sings.", "Ana Lopes Silva sings"),
        ("Ana Lopes's dog barks.", "Ana Lopes's dog barks"),
        ("On Mondays Ana Lopes sings.", "On Mondays Ana Lopes sings"),
        ("安娜住在里斯本。", "安娜住在里斯本。"),
    ],
)
def test_what_each_line_would_repeat_is_said_once(content, line):
    standing = [Standing(content=content, importance=3)]
    of_person = rendering.render(kind="user", person="Ana Lopes", statements=standing, budget=100)
    assert of_person.text == f"## Known of Ana Lopes\n{line}"
    whole = content.removesuffix(".") if not content.endswith("..") else content
    assert rendering.render(kind="project", statements=standing, budget=100).text == f"## Known\n{whole}"


def test_nothing_is_an_empty_text():
    assert rendering.render(kind="user", budget=100) == rendering.Rendered("", [])


def test_a_statement_that_a_paragraph_has_word_for_word_is_not_said_again():
    told = Standing(content="Ana sings in a choir.", importance=3)
    dated = Standing(content="Ana moves to Lisbon.", importance=3, held_from=date(2026, 5, 2))
    pinned = Standing(content="Ana is allergic to nuts.", importance=3, pinned=True)
    new = Standing(content="Ana sings in a choir on Mondays.", importance=3)
    text = rendering.render(
        kind="user",
        now="Ana sings in a choir. Ana moves to Lisbon. Ana is allergic to nuts.",
        statements=[told, dated, pinned, new],
        budget=1_000,
    ).text
    assert text.splitlines()[1:] == [
        HEADING + "Known",
        "Ana is allergic to nuts",
        "Ana moves to Lisbon (since 2026-05-02)",
        "Ana sings in a choir on Mondays",
    ]
