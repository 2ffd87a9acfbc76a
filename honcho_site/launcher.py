"""What ``manage.py run`` and ``manage.py demo`` share: prepare the site, start web and worker, wait for an answer."""

import contextlib
import fcntl
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from honcho_site import metrics, processes
from honcho_site.embedded_postgres.keeper import open_lock
from honcho_site.environment import kept_secret

START_SECONDS = 90.0
ADMIN = "admin"


@contextlib.contextmanager
def only_one_clears_metrics() -> Iterator[None]:
    """Forget the counts of ended processes, unless another web and worker run on the same data folder."""
    lock = open_lock(settings.HONCHO_DATA_DIR / "run.lock")
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            metrics.forget(Path(os.environ[metrics.VARIABLE]))
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def prepare() -> None:
    """Start or join the database, and bring its tables up to date.

    This process stays one of the database's users until it ends, so the database outlives its children.
    """
    connection.ensure_connection()
    call_command("migrate", verbosity=0, interactive=False)
    connection.close()


def ensure_admin() -> str | None:
    """Make the superuser ``admin`` where there is no superuser at all; returns the new password."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return None
    password = kept_secret(settings.HONCHO_DATA_DIR / "admin_password", lambda: secrets.token_urlsafe(12))
    users.create_superuser(ADMIN, "", password)
    connection.close()
    return password


def group(port: int, host: str, say: processes.Say, log: Path | None = None) -> processes.Group:
    """Web and worker, ready to be started; their output goes to ``log`` if it is given."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    if log is None and sys.stderr.isatty():
        environment.setdefault("LOG_FORMAT", "console")
    output = log.open("ab") if log else None
    commands = {"web server": processes.web(port, settings.WEB_WORKERS, host), "worker": processes.worker()}
    children = [processes.Child(name, command, environment, output) for name, command in commands.items()]
    return processes.Group(children, say)


def wait_until_answering(running: processes.Group, url: str) -> None:
    """Wait for the web server's first answer."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        code = running.mend()
        if code is not None:
            raise CommandError("The site did not start; what is above, or in its log, says why.", returncode=code)
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/healthz", timeout=5).status_code < 500:
                return
        if time.monotonic() > give_up:
            raise CommandError(f"{url}/healthz gave no answer within {START_SECONDS:g} s. Is the machine busy?")
        time.sleep(0.1)


def check_port(host: str, port: int) -> None:
    """Refuse a port that something else listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}). Choose another: PORT={port + 1} make run"
            ) from error


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
