"""How many requests a key may make a minute: one count for all, and none for who has no limit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from memory import clock, keys, rate_limits
from memory.models import RateWindow
from tests.store.helpers import together


def limited(rate: int | None = 5) -> keys.Grant:
    grant = keys.verify(keys.create("bot", "operator", rate_per_minute=rate)[1])
    assert grant is not None
    return grant


def grow_older(seconds: float) -> None:
    RateWindow.objects.update(began=clock.now() - timedelta(seconds=seconds))


@pytest.mark.django_db
def test_a_minute_begins_with_a_request_and_has_as_many_as_were_allowed():
    key = limited().key_id
    standings = [rate_limits.take(key, 3) for _ in range(5)]
    assert [(each.used, each.remaining, each.exceeded) for each in standings] == [
        (1, 2, False), (2, 1, False), (3, 0, False), (4, 0, True), (4, 0, True),
    ]  # fmt: skip
    assert all(1 <= each.seconds <= 60 for each in standings)
    grow_older(59)
    assert rate_limits.take(key, 3).exceeded
    assert rate_limits.take(key, 3).seconds == 1
    grow_older(60.1)
    assert rate_limits.take(key, 3).used == 1


@pytest.mark.django_db
def test_a_limit_that_is_raised_holds_at_once():
    key = limited().key_id
    assert [rate_limits.take(key, 2).exceeded for _ in range(4)] == [False, False, True, True]
    assert not rate_limits.take(key, 10).exceeded


@pytest.mark.django_db
def test_keys_are_counted_apart():
    one, other = limited().key_id, limited().key_id
    assert [rate_limits.take(key, 9).used for key in (one, one, other)] == [1, 2, 1]


@pytest.mark.django_db
def test_the_sites_limit_is_for_keys_that_say_nothing(settings):
    settings.HONCHO = {}
    assert rate_limits.limit_of(limited(None)) is None
    settings.HONCHO = {"RATE_PER_MINUTE": 7}
    assert rate_limits.limit_of(limited(None)) == 7
    assert rate_limits.limit_of(limited(100)) == 100
    assert rate_limits.limit_of(keys.EVERYTHING) is None


@pytest.mark.django_db(transaction=True)
def test_processes_that_count_at_once_count_each_request_once():
    key = limited().key_id
    taken = together(*[lambda: [rate_limits.take(key, 50) for _ in range(20)]] * 4)
    standings = [each for some in taken for each in some]
    assert sum(not each.exceeded for each in standings) == 50
    assert sorted(each.used for each in standings)[:50] == list(range(1, 51))


@pytest.mark.django_db
def test_the_counts_write_no_log_and_old_ones_go():
    rate_limits.take(limited().key_id, 5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'memory_ratewindow'")
        assert cursor.fetchone() == ("u",)
    assert rate_limits.prune() == 0
    grow_older(3_700)
    assert rate_limits.prune() == 1
