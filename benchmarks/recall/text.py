"""How texts are counted and compared: tokens, words, stems, and what is prose."""

from __future__ import annotations

import re
from functools import lru_cache

from benchmarks.recall.porter import stem

SHORT = 12
"""Words. Of so few, none need be a stop word."""

PROSE = 0.2
"""Least share of stop words. Turns of real talk have it (all but 2 of 5,882), lists of keywords have none."""

TOKEN = re.compile(r"\w+|[^\w\s]")
"""A word or a sign. Over English talk the count is within 0.5 % of the cl100k tokenizer's, and needs no package."""

CACHED = 20_000
"""Texts of which is kept what was found: the same turns are handed over for many questions."""


@lru_cache(maxsize=CACHED)
def count_tokens(text: str) -> int:
    """Return how many tokens a text has."""
    return len(TOKEN.findall(text))


def truncate(text: str, tokens: int) -> str:
    """Return the beginning of a text that has at most so many tokens."""
    if count_tokens(text) <= tokens:
        return text
    for number, match in enumerate(TOKEN.finditer(text)):
        if number == tokens:
            return text[: match.start()].rstrip()
    return text


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


STOP_WORDS = frozenset(
    words(
        "a about above after again against all am an and any are as at be because been before being below between both "
        "but by can could did do does doing down during each few for from further had has have having he her here hers "
        "herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off "
        "on once only or other our ours ourselves out over own same she should so some such than that the their theirs "
        "them themselves then there these they this those through to too under until up very was we were what when "
        "where which while who whom why will with would you your yours yourself yourselves s t d m ll re ve don didn "
        "doesn isn wasn weren aren couldn wouldn shouldn hasn haven hadn won ain"
    )
)

_MONTHS = words("january february march april may june july august september october november december")
_NUMBERS = words("zero one two three four five six seven eight nine ten eleven twelve")
_SAME = (
    {month[:3]: month for month in _MONTHS}
    | {word: str(number) for number, word in enumerate(_NUMBERS)}
    | {"sept": "september", "fifteen": "15", "twenty": "20", "thirty": "30", "once": "1", "twice": "2"}
    | {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5"}
)
_ISO_DATE = re.compile(r"\b(\d{4})-(0\d|1[0-2])-(\d\d)\b")
_ORDINAL = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
_LEADING_ZEROS = re.compile(r"\b0+(?=\d)")


@lru_cache(maxsize=CACHED)
def stems(text: str) -> frozenset[str]:
    """Return the stems of a text's words, stop words left out; dates and numbers are brought to one spelling."""
    text = _ISO_DATE.sub(lambda date: f"{date[3]} {_MONTHS[int(date[2]) - 1]} {date[1]}", text.lower())
    text = _LEADING_ZEROS.sub("", _ORDINAL.sub(r"\1", text))
    return frozenset(stem(_SAME.get(word, word)) for word in words(text) if word not in STOP_WORDS)


@lru_cache(maxsize=CACHED)
def count_stop_words(text: str) -> tuple[int, int]:
    """Return how many stop words and how many words a text has; dates and numbers are left out."""
    found = [word for word in words(text) if not (word.isdigit() or word in _MONTHS)]
    return sum(word in STOP_WORDS for word in found), len(found)


def is_short(text: str) -> bool:
    """Return whether a text has too few words to tell whether it is prose."""
    return count_stop_words(text)[1] <= SHORT


def is_prose(text: str) -> bool:
    """Return whether a text has as many stop words as talk has."""
    stop_words, all_words = count_stop_words(text)
    return stop_words >= PROSE * all_words
