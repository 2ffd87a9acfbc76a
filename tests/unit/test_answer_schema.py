"""The schema of an answer keeps to strict mode, and reading an answer never makes something of nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning.prompts.schema import ANSWER_SCHEMA, describe_schema, fits_schema, parse_answer
from reasoning.providers.base import (
    Answer,
    Failure,
    Kind,
    KnownStatement,
    Level,
    ProviderError,
    Request,
    Retirement,
    ShownEvent,
    Statement,
)

MOMENT = datetime(2024, 3, 11, 13, 56, tzinfo=UTC)


def shown(number: int, origin: str = "user", content: str = "I moved to Porto.") -> ShownEvent:
    return ShownEvent(number, "message", origin, "Ines", MOMENT, "session-1", content)


REQUEST = Request(
    kind=Kind.USER,
    subject="Ines",
    participants=("Ines", "Tomas"),
    events=(shown(1), shown(2), shown(3, origin="recalled")),
    known=(
        KnownStatement(1, "Ines lives in Austin.", "explicit", "Ines", None, None, 4, MOMENT),
        KnownStatement(2, "Ines has a dog.", "explicit", "Ines", None, None, 3, MOMENT),
    ),
)

STATEMENT: dict[str, Any] = {
    "content": "Ines lives in Porto.",
    "events": [1],
    "level": "explicit",
    "about": "Ines",
    "held_from": "2024-03-01",
    "held_until": None,
    "importance": 4,
}
ANSWER: dict[str, Any] = {
    "add": [STATEMENT],
    "retire": [{"known": 1, "reason": "she moved", "replaced_by": 1}],
    "card": ["Lives in Porto"],
    "now": "Ines has just moved.",
    "short_summary": "",
    "long_summary": "",
}


def with_statement(**changes: Any) -> dict[str, Any]:
    return {**ANSWER, "add": [{**STATEMENT, **changes}]}


def without(key: str, item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != key}


def read(answer: Any) -> Answer:
    return parse_answer(answer if isinstance(answer, str) else json.dumps(answer), REQUEST)


def problem_of(answer: Any) -> str:
    raw = answer if isinstance(answer, str) else json.dumps(answer)
    with pytest.raises(ProviderError) as caught:
        parse_answer(raw, REQUEST)
    assert caught.value.failure is Failure.NONSENSE
    assert caught.value.raw == raw
    return str(caught.value).removeprefix("The answer cannot be used: ").removesuffix(".")


def objects_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if schema.get("type") == "object":
        yield schema
        for each in schema["properties"].values():
            yield from objects_of(each)
    if schema.get("type") == "array":
        yield from objects_of(schema["items"])


def keywords_of(schema: dict[str, Any]) -> Iterator[str]:
    for key, value in schema.items():
        yield key
        if key == "properties":
            for each in value.values():
                yield from keywords_of(each)
        elif key == "items":
            yield from keywords_of(value)


class TestSchema:
    def test_every_object_requires_all_its_properties_and_allows_no_other(self) -> None:
        objects = list(objects_of(ANSWER_SCHEMA))
        assert len(objects) == 3
        for each in objects:
            assert each["required"] == list(each["properties"])
            assert each["additionalProperties"] is False

    def test_it_uses_only_keywords_that_strict_mode_knows(self) -> None:
        allowed = {"type", "properties", "required", "additionalProperties", "items", "enum", "description"}
        assert set(keywords_of(ANSWER_SCHEMA)) == allowed

    def test_the_levels_are_those_of_the_interface(self) -> None:
        level = ANSWER_SCHEMA["properties"]["add"]["items"]["properties"]["level"]
        assert level["enum"] == [each.value for each in Level]

    def test_its_description_holds_the_schema_and_the_word_json(self) -> None:
        text = describe_schema()
        assert "JSON" in text
        assert json.loads(text[text.index("{") :]) == ANSWER_SCHEMA

    def test_it_tells_what_fits_from_what_does_not(self) -> None:
        assert fits_schema(json.dumps(ANSWER))
        assert not fits_schema(json.dumps({**ANSWER, "more": 1}))
        assert not fits_schema(json.dumps(without("now", ANSWER)))
        assert not fits_schema(json.dumps(with_statement(level="guess")))
        assert not fits_schema(json.dumps(with_statement(importance=True)))
        assert not fits_schema(f"```json\n{json.dumps(ANSWER)}\n```")
        assert not fits_schema("prose")


class TestReading:
    def test_a_full_answer_becomes_an_answer(self) -> None:
        assert read(ANSWER) == Answer(
            add=(
                Statement(
                    content="Ines lives in Porto.",
                    events=(1,),
                    level=Level.EXPLICIT,
                    about="Ines",
                    held_from=date(2024, 3, 1),
                    held_until=None,
                    importance=4,
                ),
            ),
            retire=(Retirement(known=1, reason="she moved", replaced_by=0),),
            card=("Lives in Porto",),
            now="Ines has just moved.",
        )

    def test_nothing_to_add_is_an_answer(self) -> None:
        answer = read({**ANSWER, "add": [], "retire": []})
        assert answer == Answer(card=("Lives in Porto",), now="Ines has just moved.")

    @pytest.mark.parametrize(
        "wrapped",
        [
            "```json\n{}\n```",
            "```\n{}\n```",
            "Here is the answer:\n{}\nI hope it helps.",
            'Braces { like } these, or {"like": 1} these, then:\n\n{}',
            "\ufeff{}\n",
        ],
    )
    def test_text_around_the_one_object_is_harmless(self, wrapped: str) -> None:
        assert read(wrapped.replace("{}", json.dumps(ANSWER))) == read(ANSWER)

    @pytest.mark.parametrize(("given_importance", "kept"), [(0, 1), (-3, 1), (9, 5), (4.0, 4), (10**30, 5)])
    def test_importance_is_clamped(self, given_importance: float, kept: int) -> None:
        assert read(with_statement(importance=given_importance)).add[0].importance == kept

    @pytest.mark.parametrize("key", ["about", "held_from", "held_until"])
    def test_what_may_be_null_may_be_left_out(self, key: str) -> None:
        answer = read({**ANSWER, "add": [without(key, STATEMENT)]})
        assert getattr(answer.add[0], key) is None

    @pytest.mark.parametrize(
        ("first", "last", "kept"),
        [
            ("2023", "2023", (date(2023, 1, 1), date(2023, 12, 31))),
            ("2024-02", "2024-02", (date(2024, 2, 1), date(2024, 2, 29))),
            ("2024-03-10T10:00:00Z", None, (date(2024, 3, 10), None)),
            ("", "", (None, None)),
        ],
    )
    def test_dates_may_be_less_or_more_exact(
        self, first: str, last: str | None, kept: tuple[date | None, date | None]
    ) -> None:
        statement = read(with_statement(held_from=first, held_until=last)).add[0]
        assert (statement.held_from, statement.held_until) == kept

    def test_content_and_card_stand_on_one_line_without_repetitions(self) -> None:
        answer = read({**with_statement(content=" Ines\n lives  here. "), "card": ["A\nb", "", "A b"]})
        assert answer.add[0].content == "Ines lives here."
        assert answer.card == ("A b",)

    def test_event_numbers_are_sorted_and_counted_once(self) -> None:
        assert read(with_statement(events=[2, 1, 2])).add[0].events == (1, 2)

    def test_a_name_is_spelt_as_the_request_spells_it(self) -> None:
        assert read(with_statement(about="tomas")).add[0].about == "Tomas"
        assert read(with_statement(about="Bob")).add[0].about == "Bob"
        assert read(with_statement(about="")).add[0].about is None

    def test_unknown_properties_are_ignored(self) -> None:
        assert read({"thoughts": "…", **with_statement(confidence=0.9)}) == read(ANSWER)

    def test_the_first_of_two_retirements_of_one_statement_stays(self) -> None:
        retire = [
            {"known": 2, "reason": "ended", "replaced_by": None},
            {"known": 2, "reason": "again", "replaced_by": 1},
        ]
        assert read({**ANSWER, "retire": retire}).retire == (Retirement(2, "ended", None),)


NO_EVENT = "is not one of the 3 events shown"

REFUSED: list[tuple[Any, str]] = [
    ("", "it is empty"),
    (" \n", "it is empty"),
    ("I would be glad to help!", "it is not JSON (line 1, column 1)"),
    ("[]", "it is JSON but not an object"),
    ("null", "it is JSON but not an object"),
    ("3", "it is JSON but not an object"),
    ('{"add": [', "it is not JSON (line 1, column 10)"),
    (json.dumps(ANSWER) * 2, "it holds more than one answer"),
    ('{"add": [], "add": []}', "an object names one property twice"),
    ('{"add": NaN}', "it holds NaN, which is not JSON"),
    ("[" * 100_000, "its JSON is nested too deeply"),
    (" " * 10 + "x" * 1_000_001, "it has more than 1,000,000 characters"),
    ({}, "add is missing"),
    ({"facts": []}, "add is missing"),
    *[(without(key, ANSWER), f"{key} is missing") for key in ANSWER],
    ({**ANSWER, "add": {}}, "add is an object, not a list"),
    ({**ANSWER, "add": None}, "add is null, not a list"),
    ({**ANSWER, "add": ["text"]}, "add[0] is a string, not an object"),
    ({**ANSWER, "add": [STATEMENT] * 1_001}, "add has 1,001 entries, more than 1,000"),
    ({**ANSWER, "card": [1]}, "card[0] is a number, not a string"),
    ({**ANSWER, "card": ["x" * 501]}, "card[0] has 501 characters, more than 500"),
    ({**ANSWER, "card": "text"}, "card is a string, not a list"),
    ({**ANSWER, "now": 5}, "now is a number, not a string"),
    ({**ANSWER, "now": "a\0b"}, "now holds a NUL character"),
    ({**ANSWER, "long_summary": "\ud800"}, "long_summary holds half of a surrogate pair"),
    ({**ANSWER, "short_summary": None}, "short_summary is null, not a string"),
    *[
        ({**ANSWER, "add": [without(key, STATEMENT)]}, f"add[0].{key} is missing")
        for key in ("content", "events", "level", "importance")
    ],
    (with_statement(content=" "), "add[0].content is empty"),
    (with_statement(content="x" * 1_001), "add[0].content has 1,001 characters, more than 1,000"),
    (with_statement(content="a\0b"), "add[0].content holds a NUL character"),
    (with_statement(content=["a"]), "add[0].content is a list, not a string"),
    (with_statement(events=[]), "add[0].events is empty, so the statement rests on nothing"),
    (with_statement(events=[1, 4]), f"add[0].events[1] {NO_EVENT}"),
    (with_statement(events=[0]), f"add[0].events[0] {NO_EVENT}"),
    (with_statement(events=["1"]), "add[0].events[0] is a string, not an integer"),
    (with_statement(events=[True]), "add[0].events[0] is a boolean, not an integer"),
    (with_statement(events=1), "add[0].events is a number, not a list"),
    (
        with_statement(level="guess"),
        "add[0].level is none of explicit, deductive, inductive, contradiction",
    ),
    (with_statement(level=None), "add[0].level is null, not a string"),
    (with_statement(about=7), "add[0].about is a number, not a string"),
    (with_statement(held_from="last week"), "add[0].held_from is not a date (YYYY-MM-DD)"),
    (with_statement(held_from="2023-02-30"), "add[0].held_from is not a date (YYYY-MM-DD)"),
    (with_statement(held_from="0000"), "add[0].held_from is not a date (YYYY-MM-DD)"),
    (with_statement(held_until="2023-04-30"), "add[0].held_until lies before held_from"),
    (with_statement(importance="high"), "add[0].importance is a string, not an integer"),
    (with_statement(importance=2.5), "add[0].importance is not a whole number"),
    (json.dumps(with_statement()).replace(": 4", ": 1e999"), "add[0].importance is not a whole number"),
    (
        {**ANSWER, "retire": [{"known": 3, "reason": "", "replaced_by": None}]},
        "retire[0].known is not one of the 2 known statements",
    ),
    ({**ANSWER, "retire": [{"known": "K1", "reason": ""}]}, "retire[0].known is a string, not an integer"),
    ({**ANSWER, "retire": [{"known": 1}]}, "retire[0].reason is missing"),
    ({**ANSWER, "retire": [2]}, "retire[0] is a number, not an object"),
    (
        {**ANSWER, "retire": [{"known": 1, "reason": "", "replaced_by": 0}]},
        "retire[0].replaced_by is not a position in add (1 to 1)",
    ),
    (
        {**ANSWER, "retire": [{"known": 1, "reason": "", "replaced_by": "1"}]},
        "retire[0].replaced_by is a string, not an integer or null",
    ),
]


class TestRefusing:
    @pytest.mark.parametrize(("answer", "problem"), REFUSED)
    def test_it_says_what_exactly_is_wrong(self, answer: Any, problem: str) -> None:
        assert problem_of(answer) == problem

    def test_the_message_repeats_nothing_of_the_content(self) -> None:
        for answer in (
            with_statement(level="s3cret"),
            with_statement(held_from="s3cret"),
            {**ANSWER, "add": "s3cret"},
            "s3cret",
            '{"add": s3cret}',
        ):
            assert "s3cret" not in problem_of(answer)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))
MANGLED = st.fixed_dictionaries(
    {key: JSON | st.just(value) for key, value in ANSWER.items()},
    optional={"more": JSON},
) | st.fixed_dictionaries({key: JSON | st.just(value) for key, value in STATEMENT.items()}).map(
    lambda statement: {**ANSWER, "add": [statement], "retire": []}
)


def reads_or_refuses(raw: str) -> None:
    try:
        answer = parse_answer(raw, REQUEST)
    except ProviderError as error:
        refused = error
        answer = Answer()
    else:
        refused = ProviderError(Failure.NONSENSE, "", raw=raw)
    assert (refused.failure, refused.raw) == (Failure.NONSENSE, raw)
    for statement in answer.add:
        assert statement.content
        assert set(statement.events) <= {1, 2}
        assert statement.events
        assert 1 <= statement.importance <= 5
    for retirement in answer.retire:
        assert retirement.known in {1, 2}
        assert retirement.replaced_by is None or 0 <= retirement.replaced_by < len(answer.add)
    stored = [statement.content for statement in answer.add] + [*answer.card, answer.now, answer.long_summary]
    assert all("\0" not in text and text.encode() is not None for text in stored)


class TestAnything:
    @settings(max_examples=150, deadline=None)
    @given(st.text())
    def test_any_text_reads_or_is_nonsense(self, raw: str) -> None:
        reads_or_refuses(raw)

    @settings(max_examples=150, deadline=None)
    @given(JSON | MANGLED)
    def test_any_json_reads_or_is_nonsense(self, value: Any) -> None:
        reads_or_refuses(json.dumps(value))

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 400), st.text(max_size=5), st.integers(0, 40))
    def test_a_damaged_answer_reads_or_is_nonsense(self, place: int, put: str, cut: int) -> None:
        raw = json.dumps(ANSWER)
        reads_or_refuses(raw[:place] + put + raw[place + cut :])
