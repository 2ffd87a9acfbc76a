"""This checkout's server and worker, run as in production: ``manage.py run`` on a database and a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.recall.systems.base import Unavailable
from honcho_site.environment import VARIABLES
from honcho_site.launcher import free_port

CHECKOUT = Path(__file__).resolve().parents[3]
START_SECONDS = 180.0
STOP_SECONDS = 60.0


class Site:
    """Runs between enter and exit; ``url`` and ``key`` (an operator's) open it. Its folder is gone afterwards.

    Of the variables that the site knows it gets ``settings`` alone, whatever the environment has.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        inherited.pop("PROMETHEUS_MULTIPROC_DIR", None)
        # Not in a folder that other users may not enter: PostgreSQL is one where this runs as root.
        self._folder = Path(tempfile.mkdtemp(prefix="honcho-recall-"))
        self._folder.chmod(0o755)
        self._environment = inherited | {
            "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
            "HONCHO_DATA_DIR": str(self._folder / "data"),
            "HONCHO_ENV_FILE": os.devnull,
            **settings,
        }
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.key = ""

    def __enter__(self) -> Self:
        """Start it and make a key. Raises Unavailable with the end of its log where it does not start."""
        try:
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            self._process = self._start("run", "--port", str(port))
            self._wait_until_ready(self._process)
            self.key = self._make_key()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
        give_up = time.monotonic() + STOP_SECONDS
        while self._postmaster() and time.monotonic() < give_up:  # PostgreSQL ends once nobody uses it
            time.sleep(0.1)
        shutil.rmtree(self._folder, ignore_errors=True)

    def processor_seconds(self) -> float:
        """Return what all its processes have used so far, those that have ended and those of PostgreSQL too."""
        roots = [self._process.pid] if self._process else []
        return sum(used(root) for root in [*roots, *self._postmaster()])

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=CHECKOUT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5).is_success:
                    return
            time.sleep(0.2)
        lines = self._log.read_text(errors="replace").splitlines()
        told = "\n".join(line for line in lines if "GET /readyz" not in line)
        raise Unavailable(f"The site did not start:\n{told[-2_000:]}")

    def _make_key(self) -> str:
        command = ["create_api_key", "benchmark", "--scope", "operator"]
        made = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=CHECKOUT, env=self._environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return made.stdout.split()[-1]

    def _postmaster(self) -> list[int]:
        """Return the process id of its PostgreSQL, if it runs."""
        try:
            pid = int((self._folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return []
        return [pid] if psutil.pid_exists(pid) else []


def used(root: int) -> float:
    """Return the seconds of a process, its children, and all that those have waited for."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(each.cpu_times()[:4])  # user and system, of itself and of children that have ended
    return total
