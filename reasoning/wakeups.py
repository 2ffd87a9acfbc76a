"""The only module that knows django-q2. Its tasks are wake-ups: they may be lost, doubled or late, and nothing changes.

A schedule starts a drain every minute; each drains for longer than that, so that one is always there. Another prunes
what is kept no longer, once a day.
"""

from __future__ import annotations

import asyncio
import os

from django.apps import apps
from django.db import connection, connections

from memory import idempotency, rate_limits, retention
from memory.webhooks import delivery
from reasoning.conf import ReasoningSettings

CLUSTER_VARIABLE = "HONCHO_CLUSTER"
"""What this process's cluster answers to when it is told to stop; set before django-q2 forks."""

SCHEDULE = "honcho: drain"
PRUNE_SCHEDULE = "honcho: prune"


def drain() -> None:
    """Drain the work rows for ``HONCHO["DRAIN_SECONDS"]``; a django-q2 task."""
    from reasoning.drainer import Drainer

    connections.close_all()
    drainer = Drainer(stop_word=os.environ.get(CLUSTER_VARIABLE, ""))
    asyncio.run(drainer.run(seconds=ReasoningSettings.load().drain_seconds))


def prune() -> None:
    """Delete what is kept no longer; a django-q2 task."""
    idempotency.prune()
    rate_limits.prune()
    delivery.prune()
    retention.prune()


def wake() -> None:
    """Queue a drain now, for a cluster that has just started: its schedule first ticks after half a minute."""
    from django_q.tasks import async_task

    async_task("reasoning.wakeups.drain", task_name=SCHEDULE)


def stop_cluster(word: str) -> None:
    """Tell the drainers of a cluster to claim no more."""
    from reasoning.drainer import STOP_CHANNEL

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [STOP_CHANNEL, word])


def ensure_schedules() -> None:
    """See that the schedules are there, if the site runs django-q2."""
    if not apps.is_installed("django_q"):
        return
    from django_q.models import Schedule

    Schedule.objects.get_or_create(
        name=SCHEDULE,
        defaults={"func": "reasoning.wakeups.drain", "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
    )
    Schedule.objects.get_or_create(
        name=PRUNE_SCHEDULE,
        defaults={"func": "reasoning.wakeups.prune", "schedule_type": Schedule.DAILY, "repeats": -1},
    )
