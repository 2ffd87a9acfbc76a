"""Reading a question: whose words it asks for, of which days, and what to look for in texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memory.search.ranking import dating
from memory.search.ranking.dating import Span
from memory.search.words import Word, words

SHORTEST_NAME = 3
"""A shorter first part of a name names nobody: too many words are like them."""

_YOU = re.compile(
    r"\b(?:(?:did|have|had|were) you|you(?:'ve| have)? "
    r"(?:advised?|answered|explained?|gave|given|mentioned|proposed|recommend(?:ed)?|said|suggest(?:ed)?|told|wrote))\b",
    re.IGNORECASE,
)
"""Who is asked is to tell what they said themselves."""

_POSSESSIVE = re.compile("['\u2019]s\\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for."""

    terms: Sequence[str]
    """Its words in folded case, each once, without the names of authors."""

    authors: frozenset[int]
    """Whose words are asked for, as places in the authors; empty where anybody's are."""

    spans: Sequence[Span]
    """The days it asks about; empty where it names none."""


def read(text: str, authors: Sequence[str], *, own: int | None = None, today: date) -> Question:
    """Return what a question asks for, of those who wrote anything where it is asked.

    ``own`` is the author whose memory is asked, a place in ``authors``: theirs are the words meant where the question
    names nobody. A question that names all authors, or asks what "you" said, prefers none.
    """
    found = list(words(text))
    named, parts = _named(found, authors)
    if not named and own is not None and not _YOU.search(text):
        named = {own}
    meant = frozenset(named) if len(named) < len(authors) else frozenset()
    terms = dict.fromkeys(word.text for place, word in enumerate(found) if place not in parts)
    return Question(list(terms), meant, dating.meant(text, today))


def without_names(text: str, authors: Sequence[str]) -> str:
    """Return a question without the names of authors: what its meaning is compared by, as theirs are not in texts."""
    found = list(words(text))
    kept, place = [], 0
    for part in sorted(_named(found, authors)[1]):
        kept.append(text[place : found[part].start])
        place = found[part].end
        possessive = _POSSESSIVE.match(text, place)
        place = possessive.end() if possessive else place
    return " ".join("".join([*kept, text[place:]]).split())


def _named(found: Sequence[Word], authors: Sequence[str]) -> tuple[set[int], set[int]]:
    """Return the authors that words name, and which of the words do it: a whole name, or the first part of one."""
    texts = [word.text for word in found]
    named: set[int] = set()
    places: set[int] = set()
    for author, name in enumerate(authors):
        parts = [word.text for word in words(name)]
        for start in [place for place, text in enumerate(texts) if parts and text == parts[0]]:
            whole = texts[start : start + len(parts)] == parts
            if whole or len(parts[0]) >= SHORTEST_NAME:
                named.add(author)
                places.update(range(start, start + (len(parts) if whole else 1)))
    return named, places
