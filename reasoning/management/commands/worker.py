"""``manage.py worker``: a django-q2 cluster that drains at once and, told to stop, does not wait for a drain's end.

Should the cluster hang or lose its head, the command ends with exit code 1 and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from types import FrameType
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django_q.cluster import Cluster
from django_q.management.commands.qcluster import Command as ClusterCommand

from reasoning import wakeups
from reasoning.watchdog import Watchdog, bind_forks_to_their_parent, tell_systemd

DATABASE_SECONDS = 2.0
"""How long to wait between two looks for a database that is away."""


class Command(ClusterCommand):  # type: ignore[misc]  # django-q2 has no types
    """Start the worker."""

    help = "Start the background worker (a django-q2 cluster that drains the reasoning queue)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue a first drain, then be the cluster, and see that it does not hang."""
        word = uuid4().hex
        os.environ[wakeups.CLUSTER_VARIABLE] = word
        self._queue_first_drain()
        connections.close_all()  # no connection may cross a fork
        watchdog = Watchdog()
        _stop_drainers_on_signal(word, watchdog)
        bind_forks_to_their_parent()
        super().handle(*args, **options)
        for sentinel in multiprocessing.active_children():
            watchdog.start(sentinel)
            sentinel.join()
        if not watchdog.stopping and not options.get("run_once"):
            raise CommandError("The cluster's sentinel has died.")

    def _queue_first_drain(self) -> None:
        """Queue a drain, when there is a database to queue it in: a machine's services start in any order."""
        while True:
            try:
                wakeups.wake()
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"The database cannot be reached ({type(error).__name__}); trying again.")
                connections.close_all()
                time.sleep(DATABASE_SECONDS)
            else:
                return


def _stop_drainers_on_signal(word: str, watchdog: Watchdog) -> None:
    """django-q2 does not tell its tasks that it stops; without this, a stop would wait for the drain's end."""
    stop = Cluster.sig_handler

    def sig_handler(self: Cluster, signum: int, frame: FrameType | None) -> None:
        watchdog.stopping = True
        tell_systemd("STOPPING=1")
        with contextlib.suppress(DatabaseError):  # then the drain ends by itself, a little later
            wakeups.stop_cluster(word)
        stop(self, signum, frame)

    Cluster.sig_handler = sig_handler
