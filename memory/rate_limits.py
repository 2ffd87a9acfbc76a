"""How many requests a key may make a minute, counted in the database: one count for all processes and machines.

A minute begins with the first request after the last minute has ended. A key without a limit costs nothing; a limited
one costs one statement a request, which writes no log and waits for no disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from memory import clock
from memory.conf import MemorySettings
from memory.keys import Grant
from memory.models import RateWindow

SECONDS = 60

_KEPT = timedelta(hours=1)

_TAKE = f"""
INSERT INTO memory_ratewindow AS win (key_id, began, used) VALUES (%(key)s, clock_timestamp(), 1)
ON CONFLICT (key_id) DO UPDATE SET
    began = CASE WHEN win.began > clock_timestamp() - interval '{SECONDS} s' THEN win.began ELSE clock_timestamp() END,
    used = CASE WHEN win.began > clock_timestamp() - interval '{SECONDS} s' THEN least(win.used, %(limit)s) + 1
                ELSE 1 END
RETURNING used, extract(epoch FROM began - clock_timestamp()) + {SECONDS}
"""  # noqa: S608 - nothing of it comes from outside


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands with its limit after a request: how many it made in this minute, which ends in ``seconds``."""

    limit: int
    used: int
    seconds: int

    @property
    def exceeded(self) -> bool:
        """Whether the request was one too many."""
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        """How many more requests the minute has."""
        return max(self.limit - self.used, 0)


def limit_of(grant: Grant) -> int | None:
    """Return how many requests a minute a grant has, None for as many as it likes."""
    if grant.key_id is None:
        return None
    return grant.rate_per_minute or MemorySettings.load().rate_per_minute


def take(key_id: UUID, limit: int) -> Standing:
    """Count a request of a key and return how it stands. One statement; call it outside any transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"key": key_id, "limit": limit})
        used, seconds = cursor.fetchone()
    return Standing(limit, used, max(-int(-seconds // 1), 1))


def prune() -> int:
    """Delete the counts of keys that have made no request for long, and return how many they were."""
    return RateWindow.objects.filter(began__lt=clock.now() - _KEPT).delete()[0]
