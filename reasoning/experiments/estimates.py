"""Figures with their uncertainty. Pure functions.

Intervals are for 95 % unless another ``z`` is asked for. What is counted per pass has Wilson's interval. What is one
sum over another (tokens per event) varies from subject to subject, and a subject's own passes are alike: so its
variance is that of a ratio of sums over subjects, as clusters (Cochran, Sampling Techniques, 3rd ed. 1977, 2.11 and
6.3; the delta method). Differences combine the two intervals (Newcombe, Statistics in Medicine 17, 1998: method 10;
for symmetric intervals the square root of the sum of squares).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964
Z999 = 3.290527


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, within which bounds it lies, and the number of things that it rests on. None: it cannot be said."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def times(self, factor: float) -> Estimate:
        """Return it multiplied by a factor of 0 or more."""
        value, low, high = (None if part is None else part * factor for part in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.n)


UNKNOWN = Estimate(None, None, None, 0)


def wilson(successes: float, n: int, z: float = Z95) -> Estimate:
    """Return a share of ``n`` with Wilson's score interval. ``successes`` may count halves."""
    if n == 0:
        return UNKNOWN
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = middle - half, middle + half
    return Estimate(share, low if successes else 0.0, high if successes < n else 1.0, n)  # exactly, there


@dataclass(slots=True)
class Ratio:
    """One sum over another, added up subject by subject: six numbers, however many subjects there are."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def add(self, x: float, y: float) -> None:
        """Count one subject, which has ``y`` per ``x``."""
        self.n += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.xy += x * y
        self.yy += y * y

    def estimate(self, z: float = Z95) -> Estimate:
        """Return the sum of y over the sum of x; with fewer than two subjects, without bounds."""
        if self.x <= 0:
            return UNKNOWN
        ratio = self.y / self.x
        if self.n < 2:
            return Estimate(ratio, None, None, self.n)
        squares = max(self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx, 0.0)
        half = z * math.sqrt(self.n / (self.n - 1) * squares) / self.x
        return Estimate(ratio, ratio - half, ratio + half, self.n)


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return how much more ``one`` is than ``other``, which rests on other things than the first."""
    if one.value is None or other.value is None:
        return UNKNOWN
    value, n = one.value - other.value, min(one.n, other.n)
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Estimate(value, None, None, n)
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - below, value + above, n)
