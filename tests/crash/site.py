"""A site of its own for tests that kill: data folder, database, worker and writer are real and nobody else's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from honcho_site.embedded_postgres import server
from tests import shared

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0

WRITER = """
import sys, time
import django
django.setup()
from django.db import DatabaseError, connection
from memory import log

app, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    event = log.NewEvent(content=f"This is line {number}.", client_id=f"m{number}")
    while True:
        try:
            log.append(app, [event], user=f"user-{number % 2}", session=f"s{number % 4}")
            break
        except DatabaseError:  # whether it was committed or not: the same again
            connection.close()
            time.sleep(0.1)
    time.sleep(0.03)
"""


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    """Wait until ``condition`` holds, and fail after a while."""
    give_up = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < give_up, f"waited {patience} s in vain: {what}"
        time.sleep(0.05)


class Site:
    """Processes on one database of their own."""

    def __init__(self, base: Path, model_url: str) -> None:
        self.folder = base / "data" / "postgres"
        self.log = base / "log"
        self.environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
            "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
            "HONCHO_DATA_DIR": str(base / "data"),
            "HONCHO_ENV_FILE": os.devnull,
            "PROMETHEUS_MULTIPROC_DIR": str(base / "data" / "metrics"),
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": model_url,
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python program in a process group of its own."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def manage(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start("manage.py", *arguments)

    def write(self, app: str, count: int) -> subprocess.Popen[bytes]:
        """Start a process that appends ``count`` events, one at a time."""
        return self.start("-c", WRITER, app, str(count))

    def finish(self, process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
        """Wait for a program that must end well."""
        assert process.wait(patience) == 0, self.log.read_text(errors="replace")[-4000:]

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database; a server that was killed is started again for it, as for any of the site's processes."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                address = server.ensure_running(self.folder, verify=True)
                where = f"host={address.host} port={address.port} user={address.user} dbname=honcho"
                with psycopg.connect(where, autocommit=True) as connection:
                    return connection.execute(sql, parameters or None).fetchall()  # type: ignore[arg-type]
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)

    def kill_group(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 of a program and of all that it has forked."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def kill_postgres(self) -> None:
        """kill -9 of every process of the database, the postmaster first."""
        postmaster = int((self.folder / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(postmaster)
        family = [process, *process.children(recursive=True)]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)

    def clear(self) -> None:
        """Kill whatever is left and let the database go."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        held = server._held.pop(self.folder, None)
        if held is not None:
            os.close(held)
        until(lambda: not server._orphans(self.folder), "the server should stop when nobody uses it")


def migrated() -> Path:
    """A data folder to copy, whose database was migrated; made once a run of the tests."""
    return shared.once("migrated", _migrate) / "data"


def _migrate(base: Path) -> None:
    base.mkdir()
    made = Site(base, "http://127.0.0.1:9/v1")
    try:
        server.ensure_running(made.folder, settings={"fsync": "on"})
        made.finish(made.manage("migrate", "--verbosity", "0"))
    finally:
        made.clear()


def copy_migrated(base: Path) -> None:
    """Give a site its data folder, with a database that was migrated."""
    subprocess.run(["cp", "-a", str(migrated()), str(base / "data")], check=True)


@contextmanager
def site(model_url: str) -> Iterator[Site]:
    """A site that has been migrated, and is gone afterwards."""
    base = shared.temporary("crash")
    made = Site(base, model_url)
    try:
        copy_migrated(base)
        server.ensure_running(made.folder, settings={"fsync": "on"})
        yield made
    finally:
        made.clear()
        shutil.rmtree(base, ignore_errors=True)
