"""The form of an answer: the JSON schema that is sent, and the reading of what comes back.

``parse_answer`` never makes something of nothing: what is not an answer raises ``ProviderError`` with
``Failure.NONSENSE`` and says what exactly is wrong, without repeating any of the content.
"""

from __future__ import annotations

import calendar
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NoReturn

from reasoning.providers.base import (
    Answer,
    Failure,
    Level,
    ProviderError,
    Request,
    Retirement,
    Statement,
    Task,
)

MAX_RAW = 1_000_000
MAX_ADD = 1_000
MAX_CARD = 100
MAX_CONTENT = 1_000
MAX_ABOUT = 200
MAX_CARD_ENTRY = 500
MAX_REASON = 500
MAX_NOW = 4_000
MAX_SUMMARY = 20_000
"""Limits in characters (``MAX_ADD`` and ``MAX_CARD`` in entries). Only a reason is cut, not refused."""


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """A schema of an object as strict mode wants it: every property required, no other allowed."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _texts(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


_EVENTS = {
    "events": {
        "type": "array",
        "description": "Numbers of the new events that it rests on; at least one.",
        "items": {"type": "integer"},
    }
}
_KNOWN = {
    "known": {
        "type": "array",
        "description": "The numbers after the K of the known statements that it rests on; at least one.",
        "items": {"type": "integer"},
    }
}


def _answer_schema(rests_on: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer whose statements say what they rest on by this property."""
    return _object(
        {
            "add": {
                "type": "array",
                "description": "Statements to add; empty if there is nothing to add.",
                "items": _object(
                    {
                        "content": _texts("One self-contained fact in one sentence, in the third person."),
                        **rests_on,
                        "level": {"type": "string", "enum": [level.value for level in Level]},
                        "about": {
                            "type": ["string", "null"],
                            "description": "The name of whoever the fact is about, or null.",
                        },
                        "held_from": {
                            "type": ["string", "null"],
                            "description": "First day on which it holds, YYYY-MM-DD, or null.",
                        },
                        "held_until": {
                            "type": ["string", "null"],
                            "description": "Last day on which it holds, YYYY-MM-DD, or null.",
                        },
                        "importance": {"type": "integer", "description": "1 (a detail) to 5 (defining)."},
                    }
                ),
            },
            "retire": {
                "type": "array",
                "description": "Known statements that no longer stand; often empty.",
                "items": _object(
                    {
                        "known": {"type": "integer", "description": "The number after the K."},
                        "reason": _texts("Why it no longer stands, in a few words."),
                        "replaced_by": {
                            "type": ["integer", "null"],
                            "description": "Position in add, counted from 1, of what takes its place, or null.",
                        },
                    }
                ),
            },
            "card": {
                "type": "array",
                "description": "The whole new card, one short stable fact to an entry.",
                "items": {"type": "string"},
            },
            "now": _texts("A few sentences on what matters at present."),
            "short_summary": _texts("For a session: where it stands, in at most two sentences. Otherwise empty."),
            "long_summary": _texts("For a session: the whole of it. Otherwise empty."),
        }
    )


ANSWER_SCHEMA = _answer_schema(_EVENTS)
"""JSON schema of an answer, within what strict structured outputs allow."""

CONSOLIDATION_SCHEMA = _answer_schema(_KNOWN)
"""The same for a pass that goes over what is known: its statements rest on known ones, there are no events."""


def schema_of(request: Request) -> dict[str, Any]:
    """The schema that the answer to ``request`` must fit."""
    return CONSOLIDATION_SCHEMA if request.task is Task.CONSOLIDATE else ANSWER_SCHEMA


def describe_schema(schema: dict[str, Any] = ANSWER_SCHEMA) -> str:
    """A schema in words, for servers that cannot be held to one."""
    return (
        "# The form of your answer\n\nAnswer with one JSON object and nothing else: no text "
        "before or after it, no code fence. Every property must be there. The object fits this schema:\n\n"
        + json.dumps(schema, separators=(",", ":"))
    )


def fits_schema(raw: str, schema: dict[str, Any] = ANSWER_SCHEMA) -> bool:
    """Whether ``raw`` is just a JSON object of the schema's form, as constrained decoding would make it."""
    try:
        return _fits(_load(raw), schema)
    except ValueError:
        return False


def parse_answer(raw: str, request: Request) -> Answer:
    """Read a model's text as the answer to ``request``.

    Tolerates text or a code fence around one JSON object, further properties, importance out of range, and
    nullable properties left out. The first of several retirements of one statement stays. Where nothing but known
    statements was shown, what takes the place of some rests on them, whether the model says so or not.

    Raises ``ProviderError`` with ``Failure.NONSENSE`` and ``raw`` for everything else.
    """
    try:
        return _answer(_extract(raw), request)
    except ValueError as error:
        problem = str(error)
    raise ProviderError(Failure.NONSENSE, f"The answer cannot be used: {problem}.", raw=raw)


def _wrong(where: str, problem: str) -> NoReturn:
    raise ValueError(f"{where} {problem}")


# --- from text to a JSON object


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names one property twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_FENCE = re.compile(r"```[A-Za-z]*\s*\n(.*)\n\s*```\Z", re.DOTALL)


def _load(raw: str) -> Any:
    """``raw`` as JSON, or ``ValueError`` in words that do not repeat it."""
    try:
        return _DECODER.decode(raw)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def _extract(raw: str) -> dict[str, Any]:
    """The one JSON object in ``raw``, which may stand in a code fence or between other text."""
    if not raw.strip():
        raise ValueError("it is empty")
    if len(raw) > MAX_RAW:
        raise ValueError(f"it has more than {MAX_RAW:,} characters")
    text = raw.strip().lstrip("\ufeff").strip()
    fenced = _FENCE.match(text)
    if fenced:
        text = fenced[1].strip()
    try:
        loaded = _load(text)
    except ValueError as error:
        found = [each for each in _objects(text) if each.keys() & ANSWER_SCHEMA["properties"].keys()]
        if len(found) > 1:
            raise ValueError("it holds more than one answer") from None
        if not found:
            raise error from None
        loaded = found[0]
    if not isinstance(loaded, dict):
        raise ValueError("it is JSON but not an object")
    return loaded


def _objects(text: str, patience: int = 100) -> Iterator[dict[str, Any]]:
    """JSON objects in ``text``, outermost only; gives up after ``patience`` braces that begin none."""
    position = text.find("{")
    while position >= 0 and patience:
        try:
            found, position = _DECODER.raw_decode(text, position)
            yield found
        except (ValueError, RecursionError):
            patience -= 1
            position += 1
        position = text.find("{", position)


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether ``value`` fits the part of JSON schema that is used here."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if value is None:
        return "null" in types
    if isinstance(value, str):
        return "string" in types and value in schema.get("enum", [value])
    if isinstance(value, int) and not isinstance(value, bool):
        return "integer" in types
    if isinstance(value, list):
        return "array" in types and all(_fits(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return (
            "object" in types
            and value.keys() == properties.keys()
            and all(_fits(value[name], properties[name]) for name in properties)
        )
    return False


# --- from a JSON object to an answer


def _answer(found: dict[str, Any], request: Request) -> Answer:
    known = {statement.number for statement in request.known}
    items = _list(found, "add", "", MAX_ADD)
    retired = _list(found, "retire", "", None)
    statements = [_statement(item, f"add[{place}]", request) for place, item in enumerate(items)]
    retirements = [_retirement(item, f"retire[{place}]", known, len(items)) for place, item in enumerate(retired)]
    first = {item.known: item for item in reversed(retirements)}
    retirements = [item for item in retirements if first[item.known] is item]
    if request.task is Task.CONSOLIDATE:
        statements = _on_what_they_replace(statements, retirements)
    return Answer(
        add=tuple(statements),
        retire=tuple(retirements),
        card=_card(found),
        now=_text(found, "now", "", MAX_NOW),
        short_summary=_text(found, "short_summary", "", MAX_SUMMARY),
        long_summary=_text(found, "long_summary", "", MAX_SUMMARY),
    )


def _on_what_they_replace(statements: list[Statement], retirements: list[Retirement]) -> list[Statement]:
    replaced: dict[int | None, set[int]] = defaultdict(set)
    for old in retirements:
        replaced[old.replaced_by].add(old.known)
    return [
        replace(item, known=tuple(sorted({*item.known, *replaced[place]}))) for place, item in enumerate(statements)
    ]


def _statement(item: Any, where: str, request: Request) -> Statement:
    item = _dict(item, where)
    content = _sentence(_text(item, "content", where, MAX_CONTENT))
    if not content:
        _wrong(f"{where}.content", "is empty")
    first, last = _span(item, where)
    events: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    if request.task is Task.CONSOLIDATE:
        known = _numbers(item, "known", where, {statement.number for statement in request.known}, "known statements")
    else:
        events = _numbers(item, "events", where, {event.number for event in request.events}, "events shown")
    return Statement(
        content=content,
        events=events,
        known=known,
        level=_level(item, where),
        about=_about(item, where, request),
        held_from=first,
        held_until=last,
        importance=_importance(item, where),
    )


def _numbers(item: dict[str, Any], name: str, where: str, shown: Collection[int], things: str) -> tuple[int, ...]:
    """Numbers of what was shown, ascending, each once, at least one."""
    numbers = _list(item, name, where, None)
    if not numbers:
        _wrong(f"{where}.{name}", "is empty, so the statement rests on nothing")
    for place, number in enumerate(numbers):
        if not _is_integer(number):
            _wrong(f"{where}.{name}[{place}]", f"is {_type(number)}, not an integer")
        if number not in shown:
            _wrong(f"{where}.{name}[{place}]", f"is not one of the {len(shown)} {things}")
    return tuple(sorted(set(numbers)))


def _level(item: dict[str, Any], where: str) -> Level:
    text = _text(item, "level", where, None).casefold()
    if text not in {level.value for level in Level}:
        _wrong(f"{where}.level", f"is none of {', '.join(level.value for level in Level)}")
    return Level(text)


def _about(item: dict[str, Any], where: str, request: Request) -> str | None:
    """The name as the request spells it where it knows it, else as the answer does; ``None`` if empty."""
    if item.get("about") is None:
        return None
    name = _sentence(_text(item, "about", where, MAX_ABOUT))
    names = [request.subject, *([request.observer] if request.observer else []), *request.participants]
    if name in names:
        return name
    same = [each for each in names if each.casefold() == name.casefold()]
    return same[0] if len(set(same)) == 1 else name or None


def _importance(item: dict[str, Any], where: str) -> int:
    value = _get(item, "importance", where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong(f"{where}.importance", f"is {_type(value)}, not an integer")
    if isinstance(value, float) and not value.is_integer():
        _wrong(f"{where}.importance", "is not a whole number")
    return max(1, min(5, int(value)))


def _span(item: dict[str, Any], where: str) -> tuple[date | None, date | None]:
    first = _date(item, "held_from", where, last=False)
    last = _date(item, "held_until", where, last=True)
    if first and last and last < first:
        _wrong(f"{where}.held_until", "lies before held_from")
    return first, last


_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?\Z", re.ASCII)


def _date(item: dict[str, Any], name: str, where: str, *, last: bool) -> date | None:
    """A day, a day with a time, or a month or year, of which its first or ``last`` day is taken."""
    if item.get(name) is None:
        return None
    text = _text(item, name, where, None)
    if not text:
        return None
    try:
        month = _MONTH.match(text)
        if month is None:
            return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).date()
        year, number = int(month[1]), int(month[2] or (12 if last else 1))
        return date(year, number, calendar.monthrange(year, number)[1] if last else 1)
    except ValueError:
        pass
    _wrong(f"{where}.{name}", "is not a date (YYYY-MM-DD)")


def _retirement(item: Any, where: str, known: Collection[int], added: int) -> Retirement:
    item = _dict(item, where)
    number = _get(item, "known", where)
    if not _is_integer(number):
        _wrong(f"{where}.known", f"is {_type(number)}, not an integer")
    if number not in known:
        _wrong(f"{where}.known", f"is not one of the {len(known)} known statements")
    replacement = item.get("replaced_by")
    if replacement is not None and not _is_integer(replacement):
        _wrong(f"{where}.replaced_by", f"is {_type(replacement)}, not an integer or null")
    if replacement is not None and not 1 <= replacement <= added:
        _wrong(f"{where}.replaced_by", f"is not a position in add (1 to {added})")
    return Retirement(
        known=number,
        reason=_sentence(_text(item, "reason", where, None))[:MAX_REASON],
        replaced_by=None if replacement is None else replacement - 1,
    )


def _card(found: dict[str, Any]) -> tuple[str, ...]:
    """The entries on one line each, without empty ones and repetitions."""
    entries = []
    for place, entry in enumerate(_list(found, "card", "", MAX_CARD)):
        if not isinstance(entry, str):
            _wrong(f"card[{place}]", f"is {_type(entry)}, not a string")
        entries.append(_sentence(_clean(entry, f"card[{place}]", MAX_CARD_ENTRY)))
    return tuple(dict.fromkeys(filter(None, entries)))


# --- values of one type


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _get(item: dict[str, Any], name: str, where: str) -> Any:
    if name not in item:
        _wrong(_path(where, name), "is missing")
    return item[name]


def _dict(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        _wrong(where, f"is {_type(item)}, not an object")
    return item


def _list(item: dict[str, Any], name: str, where: str, limit: int | None) -> list[Any]:
    value = _get(item, name, where)
    if not isinstance(value, list):
        _wrong(_path(where, name), f"is {_type(value)}, not a list")
    if limit is not None and len(value) > limit:
        _wrong(_path(where, name), f"has {len(value):,} entries, more than {limit:,}")
    return value


def _text(item: dict[str, Any], name: str, where: str, limit: int | None) -> str:
    """A string without white space at its ends."""
    value = _get(item, name, where)
    if not isinstance(value, str):
        _wrong(_path(where, name), f"is {_type(value)}, not a string")
    return _clean(value, _path(where, name), limit)


def _clean(value: str, where: str, limit: int | None) -> str:
    text = value.strip()
    if "\0" in text:
        _wrong(where, "holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        _wrong(where, "holds half of a surrogate pair")
    if limit is not None and len(text) > limit:
        _wrong(where, f"has {len(text):,} characters, more than {limit:,}")
    return text


def _sentence(text: str) -> str:
    """``text`` on one line."""
    return " ".join(text.split())
