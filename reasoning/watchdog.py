"""Ends a worker that hangs, so that who started it (systemd, a container's restart policy, ``run``) starts it again.

django-q2's processes share queues with locks in them. Kill one at the wrong moment and the others wait for its lock for
ever, while the cluster says that all is well. So the worker's main process watches what counts: does any drainer beat?
If none does for twice ``HONCHO["WORKER_SILENCE_SECONDS"]``, although the database answers, it ends with exit code 1,
and its processes with it. It nudges before it bites: there may only have been no drain to run.

Any drainer, not only one of its own: clusters share one queue, and one that got nothing from it is not ill.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from datetime import datetime
from multiprocessing.process import BaseProcess

import structlog
from django.db import DatabaseError, connection

from reasoning import wakeups
from reasoning.conf import ReasoningSettings
from reasoning.models import Worker

EXIT_CODE = 1
LOOK_SECONDS = 5.0
STOP_SLACK_SECONDS = 20.0
"""A stop may take this much longer than a model call."""

_PR_SET_PDEATHSIG = 1

log = structlog.get_logger("honcho.reasoning")


class Watchdog:
    """Watches whether the loop goes on, and whether a stop ends."""

    def __init__(self) -> None:
        settings = ReasoningSettings.load()
        self.patience = 2 * settings.worker_silence_seconds
        self.stop_patience = settings.model_timeout + STOP_SLACK_SECONDS
        self.period = min(LOOK_SECONDS, self.patience / 16)
        self.stopping = False
        self.silent = 0.0
        self.stopping_for = 0.0
        self._nudged_at = 0.0
        self._beats: set[tuple[str, datetime]] = set()

    def start(self, sentinel: BaseProcess) -> None:
        """Watch from a thread: the main one waits for the sentinel, and in a signal's handler may do so for ever."""
        tell_systemd("READY=1")
        threading.Thread(target=self._run, args=(sentinel,), name="honcho-watchdog", daemon=True).start()

    def _run(self, sentinel: BaseProcess) -> None:
        before = time.monotonic()
        while True:
            time.sleep(self.period)
            now = time.monotonic()
            # Looks are counted rather than time: who was suspended for an hour has not been silent for one.
            reason = self.look(min(now - before, 2 * self.period))
            before = now
            if reason:
                log.critical("worker_hangs", reason=reason, silent_seconds=round(self.silent, 1))
                end_family(sentinel)
            tell_systemd("WATCHDOG=1")

    def look(self, seconds: float) -> str:
        """Look again after ``seconds``; return why the worker must end, or nothing."""
        if self.stopping:
            self.stopping_for += seconds
            return "stop" if self.stopping_for > self.stop_patience else ""
        try:
            before, self._beats = self._beats, beats()
            if self._beats - before:
                self.silent = self._nudged_at = 0.0
                return ""
            self.silent += seconds
            if self.silent - self._nudged_at >= self.patience / 8 and self.silent >= self.patience / 2:
                self._nudged_at = self.silent
                wakeups.wake()
        except DatabaseError:
            self.silent = self._nudged_at = 0.0  # nobody can beat, and a new worker could not either
            return ""
        finally:
            connection.close()
        return "silence" if self.silent > self.patience else ""


def beats() -> set[tuple[str, datetime]]:
    """Return when each drainer was last seen alive. What is new among them counts, whatever the hosts' clocks say."""
    return set(Worker.objects.values_list("name", "beat_at"))


def end_family(sentinel: BaseProcess) -> None:
    """End this process and all that it has forked, whatever state they are in."""
    if sys.platform != "linux" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    if sentinel.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(sentinel.pid, signal.SIGKILL)
    os._exit(EXIT_CODE)


def bind_forks_to_their_parent() -> None:
    """Have each process that is forked from now on die with its parent: orphans would go on beside the next worker.

    Only Linux can do this. Elsewhere who starts the worker should end its whole process group.
    """
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    parent = 0

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(EXIT_CODE)

    os.register_at_fork(before=remember, after_in_child=bind)


def tell_systemd(state: str) -> None:
    """Tell the service manager how it is, if it has asked (``Type=notify``, ``WatchdogSec=``)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.settimeout(1.0)
        notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
