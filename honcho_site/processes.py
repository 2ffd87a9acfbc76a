"""Web server and worker as child processes: started, watched, started again when they die, stopped together.

Each child leads a session of its own, so that Ctrl-C in the terminal reaches only us and a stop goes to the
child's main process alone (django-q2 hangs when its forked processes are signalled beside it). A child that
dies is started again; one that dies too often within a minute ends the whole, with its exit code.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 15.0
TOO_OFTEN = 5  # deaths within a minute
PR_SET_PDEATHSIG = 1
SLOTS = 12
"""How many requests of one process of the web server work at a time (``memory.slots``)."""
THREADS = SLOTS + 256
"""Of one process of the web server: beside those that work, each request that waits has one."""
CONNECTIONS = 1_024
"""Of one process of the web server, those of clients that ask nothing at the moment among them. Left out, granian would
divide so many by the processes: of many, each would be filled by a few who wait."""

Say = Callable[[str], None]


@dataclass
class Child:
    """One program that is kept running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: IO[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, in a session of its own."""
        self.process = subprocess.Popen(  # noqa: S603
            self.command,
            cwd=CHECKOUT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )

    def exit_code(self) -> int | None:
        """The exit code, if it has ended."""
        return self.process.poll() if self.process else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the main process."""
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def kill_rest(self) -> None:
        """Kill whatever of it is left."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Stopped(Exception):
    """Somebody asked us to stop."""


class Group:
    """Several children that live and end together."""

    def __init__(self, children: Sequence[Child], say: Say) -> None:
        self.children = children
        self.say = say

    def __enter__(self) -> "Group":
        """Start all; from here on SIGTERM and SIGINT raise ``Stopped``."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, _raise_stopped)
        try:
            for child in self.children:
                child.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all."""
        self.stop()

    def watch(self) -> int:
        """Keep all running; returns the exit code of a child that cannot be."""
        while True:
            code = self.mend()
            if code is not None:
                return code
            time.sleep(0.25)

    def mend(self) -> int | None:
        """Start again what has died; returns its exit code instead where it dies too often."""
        for child in self.children:
            code = child.exit_code()
            if code is None:
                continue
            now = time.monotonic()
            child.deaths = [moment for moment in child.deaths if now - moment < 60] + [now]
            child.kill_rest()
            if len(child.deaths) >= TOO_OFTEN:
                self.say(f"The {child.name} ended {TOO_OFTEN} times within a minute, the last time with {_told(code)}.")
                return code if code > 0 else 128 - code or 1
            self.say(f"The {child.name} ended with {_told(code)}; it is started again.")
            time.sleep(min(len(child.deaths), 3) - 1)
            child.start()
        return None

    def stop(self) -> None:
        """Ask all to stop, wait a little, and kill what is left."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        for child in self.children:
            child.ask_to_stop()
        give_up = time.monotonic() + STOP_SECONDS
        for child in self.children:
            if child.process:
                try:
                    child.process.wait(max(give_up - time.monotonic(), 0.01))
                except subprocess.TimeoutExpired:
                    self.say(f"The {child.name} did not stop within {STOP_SECONDS:g} s; it is killed.")
                child.kill_rest()


def _raise_stopped(signum: int, frame: object) -> None:
    raise Stopped(signal.Signals(signum).name)


def _told(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _end_with_parent() -> None:
    """In the child: end when the launcher ends, however it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


_libc = ctypes.CDLL(None)


def web(port: int, workers: int, host: str) -> list[str]:
    """The command of the web server."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port),
        "--workers", str(workers), "--blocking-threads", str(THREADS), "--backpressure", str(CONNECTIONS),
        "--workers-kill-timeout", "5", "--respawn-failed-workers", "--no-ws", "--log-level", "warning",
        "honcho_site.wsgi:application",
    ]  # fmt: skip


def worker() -> list[str]:
    """The command of the background worker."""
    return [sys.executable, "manage.py", "worker"]
