"""Intervals by conversation: questions about one conversation are not independent of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

DRAWS = 10_000
SEED = 1


def interval(
    conversations: Sequence[str], scores: Sequence[float | None], others: Sequence[float | None] | None = None
) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over questions; of a mean difference, question by question, given ``others``.

    Conversations are drawn with replacement, each with all its questions. None where there are fewer than two: one
    conversation says nothing of the next. With four or ten, an interval is coarse, and rather too narrow.
    """
    rows = paired(conversations, scores, others)
    names = sorted({name for name, _ in rows})
    if len(names) < 2:
        return None
    sums = numpy.array([sum(value for name, value in rows if name == wanted) for wanted in names])
    counts = numpy.array([sum(name == wanted for name, _ in rows) for wanted in names])
    drawn = numpy.random.default_rng(SEED).integers(len(names), size=(DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = numpy.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def mean(scores: Sequence[float | None], others: Sequence[float | None] | None = None) -> float | None:
    """Return the mean over the questions that have a score; of the differences, given ``others``."""
    values = [value for _, value in paired([""] * len(scores), scores, others)]
    return sum(values) / len(values) if values else None


def paired(
    conversations: Sequence[str], scores: Sequence[float | None], others: Sequence[float | None] | None
) -> list[tuple[str, float]]:
    """Return conversation and value of each question that has a score, in ``others`` too."""
    if others is None:
        return [(name, a) for name, a in zip(conversations, scores, strict=True) if a is not None]
    rows = zip(conversations, scores, others, strict=True)
    return [(name, a - b) for name, a, b in rows if a is not None and b is not None]
