"""Which arm a subject falls to: sticky under every change of shares, disjoint, and near the shares asked for."""

from __future__ import annotations

import hashlib
import random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning.experiments import split
from reasoning.experiments.split import BUCKETS, Holding

ARMS = 3
CHANCE = random.Random(1)
SUBJECTS = [UUID(int=CHANCE.getrandbits(128)) for _ in range(10_000)]

ramps = st.lists(st.tuples(st.integers(0, ARMS - 1), st.integers(0, BUCKETS)), min_size=1, max_size=30)


def buckets(holding: Holding) -> set[int]:
    return {bucket for first, end in holding.buckets for bucket in range(first, end)}


def ramped(arms: list[Holding], which: int, wanted: int) -> list[Holding]:
    """The arms after one of them was given as many buckets as it may have of ``wanted``."""
    others = [arm for place, arm in enumerate(arms) if place != which]
    held = split.resized(arms[which], others, min(wanted, split.available(others)))
    return [held if place == which else arm for place, arm in enumerate(arms)]


def owners(arms: list[Holding]) -> dict[int, int]:
    return {bucket: place for place, arm in enumerate(arms) for bucket in buckets(arm)}


@settings(deadline=None)
@given(ramps)
def test_ramping_in_any_order_moves_nobody_from_one_arm_to_another_and_keeps_who_stays_in(steps):
    arms = [Holding([], [])] * ARMS
    ever: dict[int, int] = {}
    for which, wanted in steps:
        before, had = owners(arms), len(buckets(arms[which]))
        arms = ramped(arms, which, wanted)
        now = owners(arms)
        assert len(now) == sum(split.size(arm.buckets) for arm in arms), "no bucket is two arms'"
        assert len(buckets(arms[which])) <= wanted
        if len(buckets(arms[which])) >= had:
            assert all(now[bucket] == place for bucket, place in before.items()), "who is in stays in"
        else:
            assert set(now) < set(before), "ramping down lets nobody in"
        assert all(now[bucket] == place for bucket, place in before.items() if place != which), "others stay"
        assert all(ever.get(bucket, place) == place for bucket, place in now.items()), "from one arm to another"
        ever |= now


@settings(deadline=None)
@given(ramps)
def test_an_arm_has_exactly_the_share_that_is_asked_for_where_so_much_is_left(steps):
    arms = [Holding([], [])] * ARMS
    for which, wanted in steps:
        left = split.available([arm for place, arm in enumerate(arms) if place != which])
        arms = ramped(arms, which, wanted)
        assert split.size(arms[which].buckets) == min(wanted, left)


@settings(deadline=None)
@given(st.lists(st.integers(0, BUCKETS), min_size=2, max_size=8))
def test_what_an_arm_got_last_it_gives_back_first_and_gets_again_first(sizes):
    arm, other = Holding([], []), Holding([[0, 1], [4, 6]], [[9, 10]])
    before: list[int] = []
    for wanted in sizes:
        arm = split.resized(arm, [other], min(wanted, split.available([other])))
        order = [bucket for first, end in arm.buckets for bucket in range(first, end)]
        shorter, longer = sorted((before, order), key=len)
        assert longer[: len(shorter)] == shorter
        before = order


def test_a_bucket_is_the_first_eight_bytes_of_a_salted_hash():
    subject = UUID("01936b5e-1c5f-7a3e-8a55-6d7d9f1b2c3d")
    digest = hashlib.sha256(b"a salt" + subject.bytes).hexdigest()
    assert split.bucket_of("a salt", subject) == int(digest[:16], 16) % 10_000
    assert split.bucket_of("a salt", subject) != split.bucket_of("another salt", subject)


def test_a_sample_is_drawn_from_every_arm_alike():
    def share(subjects: list[UUID]) -> float:
        return sum(split.sampled("salt", subject, 2_000) for subject in subjects) / len(subjects)

    for first in (0, 2_500, 5_000, 7_500):
        among = [
            subject for subject in SUBJECTS if split.holds([[first, first + 2_500]], split.bucket_of("salt", subject))
        ]
        assert abs(share(among) - 0.2) < 0.03


def test_of_ten_thousand_subjects_each_share_is_met_within_a_point():
    for salt in ("invoices", "tone", "shorter"):
        for share in (0.01, 0.1, 0.2, 0.5):
            arm = split.resized(Holding([], []), [], round(share * BUCKETS))
            falling = sum(split.holds(arm.buckets, split.bucket_of(salt, subject)) for subject in SUBJECTS)
            assert abs(falling / len(SUBJECTS) - share) < 0.01, (salt, share)


def test_a_subject_falls_evenly_over_the_buckets():
    """Pearson's chi-squared over a hundred groups of buckets: 99 degrees of freedom, 148 at one in a thousand."""
    groups = [0] * 100
    for subject in SUBJECTS:
        groups[split.bucket_of("evenly", subject) // 100] += 1
    assert sum((count - 100) ** 2 / 100 for count in groups) < 148


def test_the_salt_that_is_kept_splits_the_subjects_that_are_there_more_evenly_than_chance_does() -> None:
    subjects = [UUID(int=number * 2**64 + 7) for number in range(2_000)]
    kept = split.unevenness(split.even_salt(subjects), subjects)
    drawn = sorted(split.unevenness(f"salt {number}", subjects) for number in range(40))
    assert kept < drawn[20], "the best of twenty is worse than the median of others once in a million times"
    assert split.even_salt([]) != split.even_salt([])


def test_unevenness_is_the_largest_error_that_any_share_can_have() -> None:
    subjects = [UUID(int=number * 2**64 + 7) for number in range(500)]
    buckets = [split.bucket_of("salt", subject) for subject in subjects]
    errors = [abs(sum(bucket < end for bucket in buckets) / 500 - end / 10_000) for end in range(10_001)]
    assert split.unevenness("salt", subjects) == pytest.approx(max(errors), abs=2e-4)
