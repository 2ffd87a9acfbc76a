"""Which arm a subject falls to. Pure functions but for the salt, which is drawn once for each experiment.

A salted hash sorts the subjects into buckets. What an arm has ever had stays its own: ramped down, it gives back what
it got last; ramped up, it gets that again first, and then what no arm has had. So no change of any share moves a
subject that is in to another candidate, nor one that stays in anywhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

BUCKETS = 10_000
"""Into so many buckets a salted hash sorts the subjects; an arm has some of them."""

DRAWS = 20
"""So many salts are drawn for an experiment, and the one that splits the subjects most evenly is kept."""

Ranges = list[list[int]]
"""Pairs of a first bucket and the one after the last, in the order in which they were got."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What an arm has, and what it has given back, which it gets again first and no other arm ever does."""

    buckets: Ranges
    given_back: Ranges


def bucket_of(salt: str, subject_id: UUID) -> int:
    """Return the bucket that a subject falls into."""
    digest = hashlib.sha256(salt.encode() + subject_id.bytes).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def even_salt(subjects: Sequence[UUID]) -> str:
    """Return a random salt that sorts these subjects evenly: the best of :data:`DRAWS`, whatever the shares will be.

    One salt alone puts an arm of half of 10,000 subjects off by more than a point in one experiment of twenty. To draw
    again keeps the assignment random (K. L. Morgan and D. B. Rubin, Rerandomization to improve covariate balance in
    experiments, 2012).
    """
    salts = [secrets.token_hex(16) for _ in range(DRAWS)]
    return min(salts, key=lambda salt: unevenness(salt, subjects)) if subjects else salts[0]


def unevenness(salt: str, subjects: Sequence[UUID]) -> float:
    """Return how far the share of subjects below any bucket is from what it should be, at most (Kolmogorov–Smirnov)."""
    buckets = sorted(bucket_of(salt, subject) for subject in subjects)
    count = len(buckets)
    return max(
        max((place + 1) / count - bucket / BUCKETS, (bucket + 1) / BUCKETS - place / count)
        for place, bucket in enumerate(buckets)
    )


def sampled(salt: str, subject_id: UUID, sample: int) -> bool:
    """Say whether a subject is one of ``sample`` in :data:`BUCKETS`, whichever arm it falls to."""
    return bucket_of(f"{salt} sample", subject_id) < sample


def holds(ranges: Sequence[Sequence[int]], bucket: int) -> bool:
    """Say whether a bucket is among these."""
    return any(first <= bucket < end for first, end in ranges)


def size(ranges: Sequence[Sequence[int]]) -> int:
    """Return how many buckets these are."""
    return sum(end - first for first, end in ranges)


def available(others: Iterable[Holding]) -> int:
    """Return how many buckets an arm can have beside others."""
    return BUCKETS - sum(size(other.buckets) + size(other.given_back) for other in others)


def resized(own: Holding, others: Sequence[Holding], wanted: int) -> Holding:
    """Return an arm's holding with ``wanted`` buckets, at most those that are :func:`available`."""
    had = _joined([*own.buckets, *own.given_back])
    if wanted > size(had):
        elsewhere = [pair for other in others for pair in (*other.buckets, *other.given_back)]
        fresh, _ = _cut(_gaps([*had, *elsewhere]), wanted - size(had))
        had = _joined([*had, *fresh])
    return Holding(*_cut(had, wanted))


def _cut(ranges: Ranges, count: int) -> tuple[Ranges, Ranges]:
    """Return the first ``count`` buckets, and the others."""
    head: Ranges = []
    for place, (first, end) in enumerate(ranges):
        if count < end - first:
            middle = first + count
            return head + ([[first, middle]] if count else []), [[middle, end], *ranges[place + 1 :]]
        head.append([first, end])
        count -= end - first
    return head, []


def _joined(ranges: Ranges) -> Ranges:
    """Return the same buckets in the same order, with what follows upon each other as one pair."""
    joined: Ranges = []
    for first, end in ranges:
        if joined and joined[-1][1] == first:
            joined[-1] = [joined[-1][0], end]
        else:
            joined.append([first, end])
    return joined


def _gaps(taken: Ranges) -> Ranges:
    """Return the buckets that are in none of these, lowest first."""
    gaps: Ranges = []
    place = 0
    for first, end in sorted(taken):
        if place < first:
            gaps.append([place, first])
        place = end
    return gaps + ([[place, BUCKETS]] if place < BUCKETS else [])
