"""What a word is in the inverted index: its stems in the configured languages, each as a number of 32 bits.

Stop words have none. PostgreSQL makes the stems; a process remembers those of the words that it met.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from memory.conf import MemorySettings
from memory.statements import rows

MOST_REMEMBERED = 20_000

_APART = 0x2545F491
_STEMS = """
SELECT word, tsvector_to_array({vectors}) FROM unnest(%s::text[]) AS asked(word)
"""

_remembered: dict[tuple[tuple[str, ...], str], tuple[int, ...]] = {}


def lexemes(words: Collection[str]) -> Mapping[str, tuple[int, ...]]:
    """Return the lexemes of each word, none for a stop word. One statement, and none for words met before."""
    languages = tuple(MemorySettings.load().search_languages)
    found = {word: _remembered.get((languages, word)) for word in words}
    new = [word for word, stems in found.items() if stems is None]
    if new:
        found |= _stems(languages, new)
    return found  # type: ignore[return-value]  # each is there now


def number(lexeme: str) -> int:
    """Return a lexeme as the index names it. Two that are rarely one cost a needless candidate, nothing else."""
    return zlib.crc32(lexeme.encode()) - 2**31


def of_statements(lexeme: int) -> int:
    """Return the lexeme under which statements are found: they are listed apart from events."""
    return lexeme ^ _APART


def _stems(languages: tuple[str, ...], words: Collection[str]) -> dict[str, tuple[int, ...]]:
    vectors = " || ".join(f"to_tsvector('{name}', word)" for name in languages or ("simple",))
    stems_of = rows(_STEMS.format(vectors=vectors), [list(words)])
    found = {word: tuple(map(number, stems)) for word, stems in stems_of}
    if len(_remembered) > MOST_REMEMBERED:
        _remembered.clear()
    _remembered.update({(languages, word): stems for word, stems in found.items()})
    return found
