"""Chores: what has more to do is run again at once, what has none when its time comes."""

from __future__ import annotations

import pytest

from reasoning.chores import Chore, Chores

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_chore_that_goes_on_is_run_until_it_has_done_all():
    left = [True, True, False, True]
    chores = Chores([Chore(lambda: left.pop(0), every=3_600.0, goes_on=True)])
    assert [(chores.run(), chores.going_on) for _ in range(4)] == [
        (True, True), (True, True), (False, False), (False, False),
    ]  # fmt: skip
    assert left == [True]


def test_another_chore_waits_for_its_time_whatever_it_has_done():
    runs: list[int] = []
    chores = Chores([Chore(lambda: not runs.append(1), every=3_600.0)])
    assert [(chores.run(), chores.going_on) for _ in range(2)] == [(True, False), (False, False)]
    assert runs == [1]
