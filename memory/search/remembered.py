"""What PostgreSQL makes of words in the configured languages; a process remembers it of the words that it met."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from memory.conf import MemorySettings

MOST = 20_000

Made = TypeVar("Made")
Languages = tuple[str, ...]


class OfWords(Generic[Made]):
    """What ``make`` makes of words in languages, one statement for all that are new."""

    def __init__(self, make: Callable[[Languages, Collection[str]], Mapping[str, Made]]) -> None:
        self._make = make
        self._known: dict[tuple[Languages, str], Made] = {}

    def get(self, words: Collection[str]) -> dict[str, Made]:
        """Return what is made of each word, in their order. One statement, and none for words met before."""
        languages = tuple(MemorySettings.load().search_languages)
        found = {word: made for word in words if (made := self._known.get((languages, word))) is not None}
        new = [word for word in words if word not in found]
        if not new:
            return found
        found |= self._make(languages, new)
        if len(self._known) > MOST:
            self._known.clear()
        self._known.update({(languages, word): found[word] for word in new})
        return {word: found[word] for word in words}
