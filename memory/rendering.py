"""Turning a version into the text that an agent reads. Nothing else in the project writes this text.

A text is lines in order of importance; a budget in tokens takes lines from the top. Each line's tokens are counted
with its line break when the version is made, so that a read needs no tokenizer.

Whatever every line would repeat is left out, for it is paid for with what else the budget could hold: a line under a
heading is one entry, without a dash or a full stop, and one that begins with the person's name is told without it.
The heading has the name.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from memory import tokens
from memory.models import Subject
from memory.ordering import ordered

HEADING = "## "
_NAMED_BY_ITS_START = timedelta(days=31)
"""A time no longer than this is told by its first day or its month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A statement that stands in the version being rendered."""

    content: str
    importance: int
    pinned: bool = False
    held_from: date | None = None
    held_until: date | None = None
    latest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text and the tokens of each of its lines."""

    text: str
    line_tokens: list[int]


def render(
    *,
    kind: str,
    person: str = "",
    now: str = "",
    card: Sequence[str] = (),
    short_summary: str = "",
    long_summary: str = "",
    statements: Iterable[Standing] = (),
    budget: int,
) -> Rendered:
    """Return the text of a version in at most ``budget`` tokens, most important first.

    ``person`` is the name of whom it is about, where that is somebody. A statement that a paragraph above has word for
    word is not said again.
    """
    first, so_far = _paragraph(now) + _paragraph(short_summary), _paragraph(long_summary)
    told = "\n".join(first + so_far).casefold()
    lines = first + _section("Facts", map(_one_line, card))
    if so_far != _paragraph(short_summary):
        lines += _section("So far", so_far)
    title = "Said and decided" if kind == Subject.Kind.SESSION else "Known"
    title += f" of {_one_line(person)}" if person else ""
    shown = (item for item in ordered(statements) if not _is_told(item, told))
    lines += _section(title, (entry(item.content, item.held_from, item.held_until, person) for item in shown))
    return fit(lines, _count(lines), budget)


def fit(lines: Sequence[str], line_tokens: Sequence[int], budget: int) -> Rendered:
    """Return the lines that fit ``budget`` tokens, from the top; a line that does not fit is left out.

    A heading stays only with a line under it.
    """
    taken: list[tuple[str, int]] = []
    heading: tuple[str, int] | None = None
    left = budget
    for line, size in zip(lines, line_tokens, strict=True):
        if line.startswith(HEADING):
            heading = (line, size)
            continue
        needed = size + (heading[1] if heading else 0)
        if needed > left:
            continue
        if heading:
            taken.append(heading)
            heading = None
        taken.append((line, size))
        left -= needed
    return Rendered("\n".join(line for line, _ in taken), [size for _, size in taken])


def reworded(text: str, sentence: str, instead: str = "") -> str:
    """Return ``text`` with a sentence that it has word for word taken out, or another in its place."""
    said = re.escape(sentence.strip().rstrip(".!"))
    whole = re.compile(rf"(?:^|(?<=[.!?]\s)){said}(?:[.!]+(?=\s|$)|$)[ \t]*", re.IGNORECASE | re.MULTILINE)
    other = f"{instead.rstrip()} " if instead else ""
    return re.sub(r" +$", "", whole.sub(lambda _: other, text), flags=re.MULTILINE).strip()


def _count(lines: Sequence[str]) -> list[int]:
    """Return the tokens of each line with its line break, such that any lines have at most their sum together."""
    broken = tokens.count_each([f"{line}\n" for line in lines])
    last = tokens.count_each(lines)  # some lines cost more without a line break than with one
    # A slash goes with the line break and the punctuation before it, and leaves what it would have begun alone.
    return [max(sizes) + line.startswith("/") for line, *sizes in zip(lines, broken, last, strict=True)]


def size(line: str) -> int:
    """Return the tokens of a line, such that any lines have at most their sum together, breaks included."""
    return _count([line])[0]


def dated(content: str, held_from: date | None, held_until: date | None) -> str:
    """Return a statement as one line, with when it held where it does not say so itself."""
    if _says(content, held_from, held_until):
        return _one_line(content)
    return _one_line(content) + _held(held_from, held_until)


def entry(content: str, held_from: date | None, held_until: date | None, person: str = "") -> str:
    """Return the line of a statement in the text of a version about ``person``, or about nobody."""
    said = _without_name(_one_line(content), person)
    return dated(said if said.endswith("..") else said.removesuffix("."), held_from, held_until)


def _says(content: str, held_from: date | None, held_until: date | None) -> bool:
    """Whether a statement names the time that it held: "in May 2023", "in the week of 8 May 2023", "in 2022"."""
    start, end = held_from or held_until, held_until or held_from
    if start is None or end is None or (held_from is None and held_until is not None):
        return False
    whole_years = (start.month, start.day, end.month, end.day) == (1, 1, 12, 31)
    named = [start] if end - start <= _NAMED_BY_ITS_START else [start, end]
    return all(_names(content, day, whole_years) for day in named)


def _names(content: str, day: date, year_is_enough: bool) -> bool:
    if str(day.year) not in content:
        return False
    return year_is_enough or calendar.month_name[day.month] in content or f"{day:%Y-%m}" in content


def _paragraph(text: str) -> list[str]:
    return [line for line in map(_one_line, text.splitlines()) if line]


def _section(title: str, entries: Iterable[str]) -> list[str]:
    lines = [entry for entry in entries if entry]
    return [HEADING + title, *lines] if lines else []


def _one_line(text: str) -> str:
    """Fold white space, and keep derived text from looking like one of our headings."""
    folded = " ".join(text.split())
    return folded.lstrip("# ") if folded.startswith("#") else folded


def _is_told(item: Standing, told: str) -> bool:
    has_dates = _held(item.held_from, item.held_until) and not _says(item.content, item.held_from, item.held_until)
    return not has_dates and not item.pinned and _one_line(item.content).rstrip(".").casefold() in told


def _without_name(content: str, person: str) -> str:
    """Return a statement without the name that it begins with: "Ana sings" is "Sings".

    Not "Ana Lopes sings" nor "Ana and Ben sing": there the name is more, or not all, of whom it speaks.
    """
    rest = content.removeprefix(f"{person} ")
    if not person or rest == content or not rest[:1].islower() or rest.startswith(("and ", "or ")):
        return content
    return rest[0].upper() + rest[1:]


def _held(held_from: date | None, held_until: date | None) -> str:
    if held_from and held_until:
        return f" ({held_from})" if held_from == held_until else f" ({held_from} to {held_until})"
    if held_from:
        return f" (since {held_from})"
    return f" (until {held_until})" if held_until else ""
