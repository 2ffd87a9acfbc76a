"""What happens when events have been appended: a metric, and a wake-up for whoever listens.

Both come after the commit. A wake-up that is lost (a process killed between the two) costs at most
``HONCHO["POLL_INTERVAL"]``: the durable state is the feed itself.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import connection, transaction

from reasoning import metrics

WAKE_CHANNEL = "honcho_wake"

WAKE_SPACING_SECONDS = 0.05
"""A process sends no two wake-ups closer than this; a drainer looks once more after it has been woken."""

_last_wake = 0.0


def on_events_appended(*, count: int, **kwargs: Any) -> None:
    """Count what was written and wake a drainer, once it is committed."""
    transaction.on_commit(lambda: _announce(count), robust=True)


def _announce(count: int) -> None:
    global _last_wake
    metrics.EVENTS_WRITTEN.inc(count)
    if time.monotonic() - _last_wake >= WAKE_SPACING_SECONDS:
        _last_wake = time.monotonic()
        wake()


def wake() -> None:
    """Tell every listening drainer that there may be work.

    Sent after the commit, in a transaction of its own: inside the writer's, the notification queue's lock would
    hold up the commits of all writers for one another.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {WAKE_CHANNEL}")
