"""Cutting text into the words that search compares. What is indexed and what is asked for go through here alike.

A word is a run of letters, digits and the marks on them, whatever the script, in folded case. Scripts that put no
spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, are cut into overlapping pairs of
characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 100
"""Longer runs are no words (keys, encoded files); they are left out."""

_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_MARKS = "".join(chr(code) for code in range(0x300, 0x1D00) if unicodedata.category(chr(code)).startswith("M"))
_RUN = re.compile(rf"[{_NO_SPACES}]+|(?:(?![{_NO_SPACES}_])[\w{_MARKS}])+")
_ASCII_RUN = re.compile("[a-z0-9]+")
_WITHOUT_SPACES = re.compile(rf"[{_NO_SPACES}]")


class Word(NamedTuple):  # many at once: a data class takes five times as long to make
    """A word as it is compared, and where it stands in the text."""

    text: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """Yield the words of a text in order."""
    if text.isascii():  # the same in less
        for run in _ASCII_RUN.finditer(text.lower()):
            start, end = run.span()
            if end - start <= LONGEST:
                yield Word(run[0], start, end)
        return
    for run in _RUN.finditer(text):
        start, end = run.span()
        if _WITHOUT_SPACES.match(run[0]):
            for place in range(start, max(end - 1, start + 1)):
                last = min(place + 2, end)
                yield Word(_fold(text[place:last]), place, last)
        elif end - start <= LONGEST:
            yield Word(_fold(run[0]), start, end)


def texts(text: str) -> list[str]:
    """Return the words of a text as they are compared, in order."""
    if text.isascii():  # the same in a tenth of the time
        runs = _ASCII_RUN.findall(text.lower())
        if len(text) > LONGEST and max(map(len, runs), default=0) > LONGEST:
            return [run for run in runs if len(run) <= LONGEST]
        return runs
    return [word.text for word in words(text)]


def folded(text: str) -> tuple[str, int]:
    """Return the words of a text with spaces between them, as PostgreSQL gets them, and how many they are."""
    found = texts(text)
    return " ".join(found), len(found)


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
