"""What a word is in the inverted index: its stems in the configured languages, each as a number of 32 bits.

Stop words have none. PostgreSQL makes the stems.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from memory.search.remembered import Languages, OfWords
from memory.statements import rows

_APART = 0x2545F491
_STEMS = """
SELECT word, tsvector_to_array({vectors}) FROM unnest(%s::text[]) AS asked(word)
"""


def lexemes(words: Collection[str]) -> Mapping[str, tuple[int, ...]]:
    """Return the lexemes of each word, none for a stop word. One statement, and none for words met before."""
    return _stems.get(words)


def number(lexeme: str) -> int:
    """Return a lexeme as the index names it. Two that are rarely one cost a needless candidate, nothing else."""
    return zlib.crc32(lexeme.encode()) - 2**31


def of_statements(lexeme: int) -> int:
    """Return the lexeme under which statements are found: they are listed apart from events."""
    return lexeme ^ _APART


def _make_stems(languages: Languages, words: Collection[str]) -> dict[str, tuple[int, ...]]:
    vectors = " || ".join(f"to_tsvector('{name}', word)" for name in languages or ("simple",))
    stems_of = rows(_STEMS.format(vectors=vectors), [list(words)])
    return {word: tuple(map(number, stems)) for word, stems in stems_of}


_stems = OfWords(_make_stems)
