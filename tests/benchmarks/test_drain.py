"""The drain benchmark: its users have work that is done, its lags are of every event, its tables say what was found."""

import pytest

from benchmarks.drain import lag, report, work
from memory import log
from memory.models import App, Representation
from reasoning.models import Pass, Work
from tests.loop.helpers import AT_ONCE, drain

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_user_has_something_to_be_read_each_time_they_speak(settings):
    settings.HONCHO = settings.HONCHO | AT_ONCE
    app = work.people(3)
    for number in (1, 2):
        work.say(app, 3)
        drain()
        assert Pass.objects.filter(outcome="published").count() == 3 * number
    assert Work.objects.filter(state="idle").count() == 3


def test_an_events_lag_ends_with_the_first_version_that_covers_it_and_a_lost_one_has_none(settings):
    settings.HONCHO = settings.HONCHO | AT_ONCE
    for text in ("I row.", "I swim."):
        [event] = log.append(lag.BUSY_APP, [log.NewEvent(content=text)], user="ana")
        drain()
        assert lag._covered(event.id)
    [unread] = log.append(lag.BUSY_APP, [log.NewEvent(content="I sail.")], user="ana")
    assert not lag._covered(unread.id)
    first, second, lost = lag._lags(App.objects.get().pk)
    versions = Representation.objects.order_by("number")
    told = [event.recorded_at for event in App.objects.get().events.order_by("id")]
    assert [first, second] == pytest.approx(
        [(version.created_at - at).total_seconds() for version, at in zip(versions, told, strict=False)]
    )
    assert lost is None


def test_the_tables_say_what_share_of_the_models_pace_was_reached():
    cell = {
        "latency": 0.5, "in_flight": 8, "drainers": 1, "peak": 8, "passes_per_second": 12.0, "drainer_ms": 20.0,
        "database_ms": None, "memory_mib": 90, "connections": 7, "trouble": 0,
    }  # fmt: skip
    machine = {"processors": 2, "memory_gib": 4, "load": 0.5, "python": "3.12", "postgres": "18.1"}
    lags = {"p50_ms": 1_500.0, "p95_ms": 2_500.0, "p99_ms": 2_600.0}
    told = report.tables({
        "at": "2026-01-02T03:04:05+00:00", "machine": machine, "cells": [cell, cell | {"latency": 0}],
        "idle": {"samples": 20, "latency": 0.3, **lags},
        "busy": {"wanted_per_second": 200, "written_per_second": 180.5, "users": 1_000, "events": 900, "lost": 0,
                 "drained_after_seconds": 3.0, **lags},
    })  # fmt: skip
    assert "| 0.5 | 8 | 1 | 12.0 | 75 % of 16 | 8 | 20.0 |  | 90 | 7 | 0 |" in told
    assert "| 0 | 8 | 1 | 12.0 |  | 8 |" in told
    assert "p50 1.50 s, p95 2.50 s, beside the model's 0.3 s" in told
    assert "lost: 0" in told
