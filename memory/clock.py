"""What time it is, for every process alike: the database's clock.

Machines disagree about the time and clocks jump. Whatever one process writes and another compares (leases, due times,
pauses, heartbeats) is told by the one clock that all share.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Return the time of the database, aware, in UTC. One statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
