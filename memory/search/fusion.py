"""Making one ranking of several. What a ranking is made of is decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEXICAL = "lexical"
SEMANTIC = "semantic"

FLATTENING = 60
"""How little the first places differ: the constant of reciprocal rank fusion."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A passage, its score, and by which ranking it got which place, counted from 1."""

    passage: int
    score: float
    ranks: Mapping[str, int]


def fuse(rankings: Mapping[str, Sequence[int]]) -> list[Fused]:
    """Return the passages of all rankings, the best first: reciprocal ranks added up (Cormack et al., 2009)."""
    ranks: dict[int, dict[str, int]] = {}
    for name, ranking in rankings.items():
        for place, passage in enumerate(ranking, start=1):
            ranks.setdefault(passage, {})[name] = place
    found = [
        Fused(passage, sum(1 / (FLATTENING + place) for place in own.values()), own) for passage, own in ranks.items()
    ]
    return sorted(found, key=lambda item: (-item.score, -item.passage))
