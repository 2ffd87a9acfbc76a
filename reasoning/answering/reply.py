"""What a model's text says: the answer, the sources that it names, or what it wants looked up.

A source is named by a marker, such as [3]. Markers are read and taken out; a number that was not shown counts for
nothing. The text is read from its beginning each time, so that what is whole and what is still coming is read alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reasoning.providers.openai import without_thoughts

NOT_KNOWN = "NOT KNOWN"
SEARCH = "SEARCH:"
MOST_SEARCHES = 3

_MARKER = re.compile(r"\s*\[\s*(\d{1,6}(?:\s*[,;]\s*\d{1,6})*)\s*\]")
_UNFINISHED = re.compile(r"(?:\s*\[[\d\s,;]*|\s+)\Z")
"""What may still become a marker, or be the white space before one."""

_THINKS = re.compile(r"\s*<(?:think|thinking|reasoning)>")
_MOST_QUERY = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What has been said so far. ``cited`` are numbers of what was shown, in the order of their first mention."""

    text: str = ""
    cited: tuple[int, ...] = ()
    searches: tuple[str, ...] = ()
    marked: str = ""
    """The text with its markers."""

    @property
    def known(self) -> bool:
        """Whether it is an answer that rests on something."""
        return bool(self.text and self.cited)


def read(said: str, shown: int, *, whole: bool = True) -> Reply:
    """Read what a model said of ``shown`` numbered items.

    Where that is not ``whole`` yet, its end may be missing from the text: what could still turn into a marker.
    """
    said = without_thoughts(said)
    if _THINKS.match(said):  # and has not done yet
        return Reply()
    head = said.lstrip("*_\"' \n").upper()
    if head.startswith(NOT_KNOWN):
        return Reply()
    if head.startswith(SEARCH):
        return Reply(searches=_searches(said) if whole else ())
    if not whole:
        said = _UNFINISHED.sub("", said)
    numbers = [int(number) for marker in _MARKER.finditer(said) for number in re.findall(r"\d+", marker[1])]
    cited = dict.fromkeys(number for number in numbers if 1 <= number <= shown)
    return Reply(_MARKER.sub("", said).strip(), tuple(cited), marked=said.strip())


def _searches(said: str) -> tuple[str, ...]:
    """Return what is to be looked for, one query a line."""
    lines = [line.strip().lstrip("*-_ ") for line in said.splitlines()]
    wanted = [line[len(SEARCH) :].strip()[:_MOST_QUERY] for line in lines if line.upper().startswith(SEARCH)]
    return tuple(dict.fromkeys(query for query in wanted if query))[:MOST_SEARCHES]
