"""The site on a data folder of its own: web and worker as in production, beside a model that is a process too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.accounting import WORKER, Accounts, postmaster_of
from benchmarks.folder import own_folder

SETTINGS = "benchmarks.load.settings"
WEB = "web"
"""What its connections are called."""

DAY = "86400"
"""Seconds between two passes over one subject: while paths are measured, the loop takes in what is written, no more."""

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def model() -> Iterator[str]:
    """A model server (``tests.loopback``) in a process of its own, which answers at once; yield its URL."""
    command = [sys.executable, "-m", "tests.loopback.server"]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def steer(model: str, latency: float) -> None:
    """Have the model at a URL take so many seconds, and forget what was asked so far."""
    httpx.post(_control(model), json={"reset": True, "latency": latency}).raise_for_status()


def peak(model: str) -> int:
    """Return how many calls the model at a URL has had in flight at most."""
    return int(httpx.get(_control(model)).json()["peak"])


def _control(model: str) -> str:
    return f"{model.removesuffix('/v1')}/control"


@dataclass
class Running:
    """A site that runs, and what it costs."""

    folder: Path
    port: int
    accounts: Accounts
    address: str
    """Of the database, as libpq takes it."""


@contextmanager
def running(kept: Path | None, model_url: str, **environment: str) -> Iterator[Running]:
    """Run the site on a kept folder, or on one that is gone afterwards, with this process's Django on it too."""
    environment = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": model_url, "REASONING_INTERVAL": DAY} | environment
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(kept, SETTINGS, **environment))
        address, accounts = accounts_of(folder)
        stack.enter_context(accounts)
        yield Running(folder, 0, accounts, address)


def accounts_of(folder: Path) -> tuple[str, Accounts]:
    """Return where the database is, and its accounts."""
    from django.db import connection

    known = connection.get_connection_params()
    address = f"host={known['host']} port={known['port']} user={known['user']} dbname={known['dbname']}"
    return address, Accounts(address, postmaster_of(folder / "postgres"))


@contextmanager
def served(place: Running, workers: int = 1) -> Iterator[None]:
    """Start the web server and so many workers (``manage.py worker``), until the block ends."""
    from django.conf import settings

    from honcho_site import launcher, processes

    place.port = launcher.free_port()
    log = (place.folder / "benchmark.log").open("ab")

    def child(name: str, command: list[str]) -> processes.Child:
        return processes.Child(name, command, os.environ | {"PGAPPNAME": name}, log)

    web = child(WEB, processes.web(place.port, settings.WEB_WORKERS, "127.0.0.1"))
    others = [child(WORKER, processes.worker()) for _ in range(workers)]
    with log, processes.Group([web, *others], print) as group:
        launcher.wait_until_answering(group, f"http://127.0.0.1:{place.port}")
        place.accounts.web = [web.process.pid]
        place.accounts.worker = [each.process.pid for each in others]
        yield
        ended = [each.name for each in (web, *others) if not psutil.pid_exists(each.process.pid)]
        if ended:
            raise SystemExit(f"The {' and the '.join(ended)} ended; {log.name} says why.")
