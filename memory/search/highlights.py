"""Showing where a text has the words that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from memory.search.words import Word, words

FRAGMENT = 160
"""About how many characters a fragment has."""

MOST = 3
SHORTEST_STEM = 4


@dataclass(frozen=True, slots=True)
class Highlight:
    """A fragment of a text, and where in it the words are: pairs of first and last character, the last excluded."""

    text: str
    marks: tuple[tuple[int, int], ...]


def highlights(text: str, asked: Collection[str]) -> list[Highlight]:
    """Return up to ``MOST`` fragments that have the most of the words, in the order of the text."""
    alike: dict[str, list[str]] = {}
    for other in asked:
        alike.setdefault(other[:SHORTEST_STEM], []).append(other)
    hits = []
    for word in words(text):
        others = alike.get(word.text[:SHORTEST_STEM])
        if others and any(_same(word.text, other) for other in others):
            hits.append(word)
    groups: list[list[Word]] = []
    for hit in hits:
        if groups and hit.end - groups[-1][0].start <= FRAGMENT:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    best = sorted(groups, key=lambda group: -len({word.text for word in group}))[:MOST]
    return [_fragment(text, group) for group in sorted(best, key=lambda group: group[0].start)]


def _same(word: str, other: str) -> bool:
    """Say whether two words are forms of one, as far as their beginnings tell. Only for show."""
    if word == other:
        return True
    shorter = min(len(word), len(other))
    common = next((i for i in range(shorter) if word[i] != other[i]), shorter)
    return common >= SHORTEST_STEM and max(len(word), len(other)) - common <= 3


def _fragment(text: str, hits: list[Word]) -> Highlight:
    """Cut a text around words, between words where that is near."""
    spare = max(FRAGMENT - (hits[-1].end - hits[0].start), 0) // 2
    start, end = max(hits[0].start - spare, 0), min(hits[-1].end + spare, len(text))
    if start > 0:
        gap = text.find(" ", start, hits[0].start)
        start = gap + 1 if gap >= 0 else start
    if end < len(text):
        gap = text.rfind(" ", hits[-1].end, end)
        end = gap if gap >= 0 else end
    return Highlight(text[start:end], tuple(_joined([(hit.start - start, hit.end - start) for hit in hits])))


def _joined(marks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return marks with those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, end in marks:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
