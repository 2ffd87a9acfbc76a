"""Closes what the material leaves open: choices of words, and dates."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_VALUE = re.compile(r"\$([a-z]+\d?)")
_DATE = re.compile(r"<([a-z]\d?)?([+-]?\d+)?([my])?:([a-z]+)>")


def choose(text: str, values: Mapping[str, str], pick: Callable[[Sequence[str]], str]) -> str:
    """Return the text with its choices made by ``pick``; ``values`` are those of the scene."""
    text = _VALUE.sub(lambda match: values[match[1]], text)
    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda match: pick(match[1].split("|")), text)
    return text


def date_in(text: str, here: date | None, labelled: Mapping[str, date]) -> str:
    """Return the text with its dates written out; ``here`` is the day of the turn itself."""

    def written(match: re.Match[str]) -> str:
        day = labelled[match[1]] if match[1] else here
        assert day is not None, text
        return _written(_moved(day, int(match[2] or 0), match[3]), match[4])

    return _DATE.sub(written, text)


def _moved(day: date, by: int, unit: str | None) -> date:
    if unit is None:
        return day + timedelta(days=by)
    months = day.year * 12 + day.month - 1 + by * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _written(day: date, form: str) -> str:
    match form:
        case "day":
            return f"{day.day} {day:%B %Y}"
        case "dm":
            return f"{day.day} {day:%B}"
        case "month":
            return f"{day:%B %Y}"
        case "monthname":
            return f"{day:%B}"
        case "year":
            return f"{day:%Y}"
        case "weekday":
            return f"{day:%A}"
        case "iso":
            return day.isoformat()
    raise ValueError(f"no such form of a date: {form}")
