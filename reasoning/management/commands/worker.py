"""``manage.py worker``: a django-q2 cluster that drains at once and, told to stop, does not wait for a drain's end."""

from __future__ import annotations

import contextlib
import os
from types import FrameType
from typing import Any
from uuid import uuid4

from django.db import DatabaseError, connections
from django_q.cluster import Cluster
from django_q.management.commands.qcluster import Command as ClusterCommand

from reasoning import wakeups


class Command(ClusterCommand):  # type: ignore[misc]  # django-q2 has no types
    """Start the worker."""

    help = "Start the background worker (a django-q2 cluster that drains the reasoning queue)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue a first drain, then be the cluster."""
        word = uuid4().hex
        os.environ[wakeups.CLUSTER_VARIABLE] = word
        wakeups.wake()
        connections.close_all()  # no connection may cross a fork
        _stop_drainers_on_signal(word)
        super().handle(*args, **options)


def _stop_drainers_on_signal(word: str) -> None:
    """django-q2 does not tell its tasks that it stops; without this, a stop would wait for the drain's end."""
    stop = Cluster.sig_handler

    def sig_handler(self: Cluster, signum: int, frame: FrameType | None) -> None:
        with contextlib.suppress(DatabaseError):  # then the drain ends by itself, a little later
            wakeups.stop_cluster(word)
        stop(self, signum, frame)

    Cluster.sig_handler = sig_handler
