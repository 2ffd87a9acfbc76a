"""How long an event waits until readers get a version that covers it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from benchmarks.load.measuring import percentiles

IDLE_APP, BUSY_APP = "lag-idle", "lag-busy"
PATIENCE = 120.0
_LOOK_SECONDS = 0.005

_COVERED = """
SELECT coalesce(version.covers_to >= entry.position, false)
  FROM memory_feedentry entry JOIN memory_subject subject ON subject.id = entry.subject_id
  LEFT JOIN memory_representation version ON version.id = subject.current_id
 WHERE entry.event_id = %s
"""

# Of each event: how long after it was recorded the first version was made that covers it; NULL where none does.
_LAGS = """
SELECT extract(epoch FROM version.created_at - event.recorded_at)::float
  FROM memory_event event JOIN memory_feedentry entry ON entry.event_id = event.id
  LEFT JOIN LATERAL (SELECT min(created_at) AS created_at FROM memory_representation
                      WHERE subject_id = entry.subject_id AND status = 'published' AND covers_to >= entry.position
                    ) version ON TRUE
 WHERE event.app_id = %s
"""


def idle(samples: int, latency: float) -> dict[str, Any]:
    """Write an event for one new user after the other; return how long each took to be in what readers get.

    What the model takes, ``latency`` seconds, is taken off.
    """
    return {"samples": samples, "latency": latency, **percentiles([_one(place) - latency for place in range(samples)])}


def _one(place: int) -> float:
    from memory import log

    [event] = log.append(IDLE_APP, [log.NewEvent(content="I moved to Lisbon in May.")], user=f"user-{place}")
    began = time.monotonic()
    while not _covered(event.id):
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"An event was not reasoned over within {PATIENCE:g} s; benchmark.log says why.")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - began


def _covered(event: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_COVERED, [event])
        row = cursor.fetchone()
    return row is not None and row[0]


def busy(rate: float, users: int, seconds: float) -> dict[str, Any]:
    """Write so many events a second for so many users; return how long they took to be covered by a version."""
    from memory.models import App

    begun = time.monotonic()
    written = _write(rate, users, seconds)
    wrote = time.monotonic() - begun
    app = App.objects.get(name=BUSY_APP).pk
    lags = _lags(app)
    while None in lags and time.monotonic() - begun < wrote + PATIENCE:
        time.sleep(1.0)
        lags = _lags(app)
    found = [lag for lag in lags if lag is not None]
    return {
        "wanted_per_second": rate,
        "written_per_second": round(written / wrote, 1),
        "users": users,
        "events": written,
        "lost": written - len(found),
        "drained_after_seconds": round(time.monotonic() - begun - wrote, 1),
        **percentiles(found),
    }


def _write(rate: float, users: int, seconds: float) -> int:
    """Append events at an even pace, users in turn; return how many."""
    from memory import log

    began = time.monotonic()
    for number in itertools.count():
        due = began + number / rate
        if due > began + seconds:
            return number
        time.sleep(max(due - time.monotonic(), 0.0))
        event = log.NewEvent(content=f"I have moved meeting {number} about the garden to the afternoon.")
        log.append(BUSY_APP, [event], user=f"user-{number % users}")
        if time.monotonic() > began + seconds:  # it cannot write so many
            return number + 1
    raise AssertionError("a count has no end")


def _lags(app: UUID) -> Sequence[float | None]:
    with connection.cursor() as cursor:
        cursor.execute(_LAGS, [app])
        return [lag for (lag,) in cursor.fetchall()]
