"""Figures with intervals: against published values, other formulas, and chance itself."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest

from reasoning.experiments.estimates import UNKNOWN, Z95, Z999, Estimate, Ratio, difference, wilson


def bounds(estimate: Estimate) -> tuple[float, float]:
    return round(estimate.low, 4), round(estimate.high, 4)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(successes, n, low, high):
    found = wilson(successes, n)
    assert found.value == successes / n
    assert bounds(found) == (low, high)
    assert found.n == n


def test_of_none_or_all_the_interval_ends_exactly_there():
    assert wilson(0, 192).low == 0
    assert wilson(192, 192).high == 1
    assert 0 < wilson(0, 192).high < 0.02


def test_the_interval_of_a_difference_of_shares_is_the_published_one():
    """Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: (a) 56/70 - 48/80, (d) 5/56 - 0/29."""
    assert bounds(difference(wilson(56, 70), wilson(48, 80))) == (0.0524, 0.3339)
    assert bounds(difference(wilson(5, 56), wilson(0, 29))) == (-0.0381, 0.1926)


def test_of_nothing_nothing_is_said():
    assert wilson(0, 0) == Ratio().estimate() == difference(UNKNOWN, wilson(1, 2)) == UNKNOWN
    one = Ratio()
    one.add(4, 2)
    assert one.estimate() == Estimate(0.5, None, None, 1)
    assert difference(one.estimate(), wilson(1, 4)) == Estimate(0.25, None, None, 1)


def test_a_ratio_of_sums_has_the_standard_error_of_its_residuals():
    x, y = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]
    ratio = Ratio()
    for each in zip(x, y, strict=True):
        ratio.add(*each)
    value = sum(y) / sum(x)
    residuals = [above - value * below for below, above in zip(x, y, strict=True)]
    error = stdev(residuals) / math.sqrt(len(x)) / fmean(x)  # the residuals' mean is 0
    found = ratio.estimate()
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(value - Z95 * error)
    assert found.high == pytest.approx(value + Z95 * error)


def test_where_each_subject_counts_once_a_ratio_is_a_mean():
    scores = [1, 0.5, -1, 0, 1, 1]
    ratio = Ratio()
    for score in scores:
        ratio.add(1, score)
    error = stdev(scores) / math.sqrt(len(scores))
    assert ratio.estimate().low == pytest.approx(fmean(scores) - Z95 * error)


def test_the_interval_holds_what_is_true_as_often_as_it_says():
    """Subjects that differ, with more passes of some than of others: 95 % of intervals, give or take three points."""
    chance = random.Random(7)
    held = 0
    for _ in range(1_000):
        ratio = Ratio()
        for _ in range(80):
            events = chance.randint(1, 30)
            ratio.add(events, events * chance.gauss(5, 2) + chance.gauss(0, 3))
        found = ratio.estimate()
        held += found.low <= 5 <= found.high
    assert 0.92 <= held / 1_000 <= 0.98


def test_passes_of_one_subject_are_not_counted_as_if_they_were_many_subjects():
    """Ten subjects with fifty equal passes each: as much as ten values, not five hundred."""
    chance = random.Random(3)
    clustered, apart = Ratio(), Ratio()
    for _ in range(10):
        tokens = chance.gauss(100, 20)
        clustered.add(50, 50 * tokens)
        for _ in range(50):
            apart.add(1, tokens)
    wide, narrow = clustered.estimate(), apart.estimate()
    assert wide.value == pytest.approx(narrow.value)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt(50), rel=0.06)


def test_a_greater_certainty_is_a_wider_interval():
    ratio = Ratio()
    for each in ((1, 2), (1, 5), (2, 3)):
        ratio.add(*each)
    for figure in (ratio.estimate, lambda z: wilson(4, 20, z)):
        near, far = figure(Z95), figure(Z999)
        assert far.low < near.low < near.value < near.high < far.high
