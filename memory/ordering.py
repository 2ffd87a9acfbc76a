"""In which order the statements of a version are shown, so that what fits a budget says as much as it can.

Pinned statements come first, then the more important ones: who gave the importance, a human or a model, is believed.
Among equally important ones the order by time alone would repeat itself: who talks of a trip for a week has ten
statements of it. So each next one is the statement that adds most to those before it: the weight of the words that
none of them has, for each word and sign it takes, and up to a quarter as much again for what is recent. Rare words
weigh more; what stands in every fifth statement, as small words and names do in any language, weighs nothing.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Protocol, TypeVar

HALF_LIFE = 60.0
"""After so many days a statement is half as recent."""

EVERYDAY = 1.5
"""A word in more than exp(-1.5), or 22 per cent, of the statements is an everyday one and adds nothing."""

_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"\w+|[^\w\s]")
_ENDING = re.compile(r"(?<=...)(?:ing|ies|ed|es|s)$")


class Shown(Protocol):
    """What decides where a statement is shown."""

    @property
    def content(self) -> str: ...
    @property
    def importance(self) -> int: ...
    @property
    def pinned(self) -> bool: ...
    @property
    def latest(self) -> datetime | None: ...


T = TypeVar("T", bound=Shown)


def ordered(statements: Iterable[T]) -> list[T]:
    """Return statements as they are shown; the same ones always in the same order."""
    by_class = sorted(statements, key=_rank)
    words = [_words(item.content) for item in by_class]
    weights = _weights(words)
    newest = max((item.latest for item in by_class if item.latest), default=None)
    told: set[str] = set()
    found: list[T] = []
    for _, same in groupby(enumerate(by_class), key=lambda pair: (pair[1].pinned, pair[1].importance)):
        numbers = [number for number, _ in same]
        worth = [_recency(by_class[number].latest, newest) / _length(by_class[number].content) for number in numbers]
        for place in _by_cover([words[number] for number in numbers], worth, weights, told):
            found.append(by_class[numbers[place]])
    return found


def _rank(item: Shown) -> tuple[bool, int, float, str]:
    return not item.pinned, -item.importance, -(item.latest.timestamp() if item.latest else 0.0), item.content


def _words(text: str) -> frozenset[str]:
    """Return the words of a text, without the commonest endings."""
    return frozenset(_ENDING.sub("", word) for word in _WORD.findall(text.casefold()))


def _length(text: str) -> int:
    """Return how many words and signs a text has: commas and quotation marks take of a budget too."""
    return len(_PIECE.findall(text)) or 1


def _weights(words: Sequence[frozenset[str]]) -> dict[str, float]:
    counts = Counter(word for each in words for word in each)
    return {word: max(0.0, math.log(len(words) / count) - EVERYDAY) for word, count in counts.items()}


def _recency(latest: datetime | None, newest: datetime | None) -> float:
    """Return 1.25 for the newest, near 1 for what is long ago or has no time."""
    if latest is None or newest is None:
        return 1.0
    days = (newest - latest).total_seconds() / 86_400
    return 1.0 + 0.25 * math.pow(0.5, days / HALF_LIFE)


def _by_cover(
    words: Sequence[frozenset[str]], worth: Sequence[float], weights: dict[str, float], told: set[str]
) -> list[int]:
    """Return places in the order in which each adds most to what is ``told``, which grows.

    What a statement adds only ever shrinks, so one whose value was counted anew and is still the largest is next.
    """

    def value(place: int) -> float:
        return -worth[place] * sum(weights[word] for word in sorted(words[place] - told))

    heap = [(value(place), place) for place in range(len(words))]
    heapq.heapify(heap)
    order: list[int] = []
    while heap:
        _, place = heap[0]
        now = value(place)
        if now > heap[0][0]:
            heapq.heapreplace(heap, (now, place))
            continue
        heapq.heappop(heap)
        told |= words[place]
        order.append(place)
    return order
