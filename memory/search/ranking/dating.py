"""Dates in English questions: what is meant by "3 June", "last week" or "two days ago".

Only what is plainly a date is one; questions in other languages have none that are found but ``2023-05-07``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

YEARS_BACK = 10
"""A month without a year may be that of so many years before this one."""

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_WEEKDAYS = [name.lower() for name in calendar.day_name]
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}

_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ABSOLUTE = [
    re.compile(rf"\b{pattern}\b", re.IGNORECASE)
    for pattern in (
        r"(?P<year>(?:19|20)\d\d)-(?P<number>\d\d)-(?P<day>\d\d)",
        rf"{_DAY}(?: of)? {_MONTH},? {_YEAR}",
        rf"{_MONTH} {_DAY},? {_YEAR}",
        rf"{_MONTH},? {_YEAR}",
        rf"(?:{_DAY}(?: of)? {_MONTH}|{_MONTH.replace('month', 'month2')} {_DAY.replace('day', 'day2')})",
        rf"(?:in|of|during|since|last|this|by|until|early|mid|late) {_MONTH}",
        rf"(?:in|during|of|since|before|after|by|until|year|spring|summer|autumn|fall|winter) {_YEAR}",
    )
]
_RELATIVE = re.compile(
    r"\b(?:(?P<near>yesterday|tomorrow|last night|tonight)"
    r"|(?P<number>\d{1,3}|an?|one|two|three|four|five|six|seven|eight) (?P<unit>day|week|month|year)s? ago"
    rf"|(?P<which>last|this|next) (?P<what>week(?:end)?|month|year|{'|'.join(_WEEKDAYS)}))\b",
    re.IGNORECASE,
)
_HINT = re.compile(rf"(?:19|20)\d\d|{'|'.join(_MONTHS)}", re.IGNORECASE)
"""What any date has that is no distance; most questions have none."""

_NEAR = {"yesterday": -1, "last night": -1, "tonight": 0, "tomorrow": 1}


@dataclass(frozen=True, slots=True)
class Span:
    """Days from ``since`` to before ``until``."""

    since: date
    until: date

    def __str__(self) -> str:
        """Return it as people write it: a day, days, a month or a year."""
        last = self.until - timedelta(days=1)
        if last == self.since:
            return _say(last)
        if self.since.day == 1 and self.until.day == 1:
            if (self.until.year, self.until.month) == _later(self.since, 1):
                return f"{self.since:%B} {self.since.year}"
            if (self.since.month, self.until.month, self.until.year) == (1, 1, self.since.year + 1):
                return str(self.since.year)
        return f"{_say(self.since)} to {_say(last)}"


def meant(question: str, today: date) -> list[Span]:
    """Return the days that a question asks about, as seen from ``today``; what is still to come is none of them."""
    spans = []
    for pattern in _ABSOLUTE if _HINT.search(question) else ():
        spans += [span for found in pattern.finditer(question) for span in _named(found, today)]
        question = pattern.sub(" ", question)
    distant = (_distant(found, today) for found in _RELATIVE.finditer(question))
    return spans + [span for span in distant if span is not None and span.since < today]


def _named(found: re.Match[str], today: date) -> Iterator[Span]:
    """Yield the spans that a written date may mean; none for 31 February."""
    parts = {name.rstrip("2"): value for name, value in found.groupdict().items() if value is not None}
    years = [int(parts["year"])] if "year" in parts else range(today.year - YEARS_BACK, today.year + 1)
    month = int(parts["number"]) if "number" in parts else _MONTHS.get(parts.get("month", "").lower())
    for year in years:
        try:
            if month is None:
                yield Span(date(year, 1, 1), date(year + 1, 1, 1))
            elif "day" in parts:
                yield _day(date(year, month, int(parts["day"])))
            else:
                yield _month(date(year, month, 1))
        except ValueError:
            continue


def _distant(found: re.Match[str], today: date) -> Span | None:
    """Return the span that words for a distance mean; None where no calendar has it."""
    parts = {name: value.lower() for name, value in found.groupdict().items() if value is not None}
    try:
        if "near" in parts:
            return _day(today + timedelta(days=_NEAR[parts["near"]]))
        if "unit" in parts:
            count = _NUMBERS.get(parts["number"]) or int(parts["number"])
            return _units(today, parts["unit"], -count)
        return _which(today, parts["what"], {"last": -1, "this": 0, "next": 1}[parts["which"]])
    except (ValueError, OverflowError):
        return None


def _which(today: date, what: str, step: int) -> Span:
    """Return last, this or next week, weekend, month, year or day of the week."""
    if what == "weekend":
        saturday = today - timedelta(days=today.weekday()) + timedelta(days=5 + 7 * step)
        return Span(saturday, saturday + timedelta(days=2))
    if what in _WEEKDAYS:
        ahead = (_WEEKDAYS.index(what) - today.weekday()) % 7
        if step < 0 or (step > 0 and ahead == 0):
            ahead += 7 * step if ahead or step > 0 else -7
        return _day(today + timedelta(days=ahead))
    return _units(today, what, step)


def _units(today: date, unit: str, count: int) -> Span:
    """Return the day, week, month or year that lies ``count`` of them from today's."""
    if unit == "day":
        return _day(today + timedelta(days=count))
    if unit == "week":
        monday = today - timedelta(days=today.weekday()) + timedelta(weeks=count)
        return Span(monday, monday + timedelta(weeks=1))
    if unit == "month":
        return _month(date(*_later(today, count), 1))
    return Span(date(today.year + count, 1, 1), date(today.year + count + 1, 1, 1))


def _day(day: date) -> Span:
    return Span(day, day + timedelta(days=1))


def _month(first: date) -> Span:
    return Span(first, date(*_later(first, 1), 1))


def _later(day: date, months: int) -> tuple[int, int]:
    """Return the year and the month so many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return year, month + 1


def _say(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"
