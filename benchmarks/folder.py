"""A data folder of a benchmark's own, with the site's database in it: this process and its children use that alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.accounting import postmaster_of
from honcho_site.environment import VARIABLES

STOP_SECONDS = 60.0


@contextmanager
def own_folder(kept: Path | None, settings: str = "honcho_site.settings", **environment: str) -> Iterator[Path]:
    """Have Django set up on a data folder, the one to be ``kept`` or one that is gone afterwards; yield it.

    Of the variables that the site knows it gets those in ``environment`` alone, whatever this process was given.
    """
    folder = kept or Path(tempfile.mkdtemp(prefix="honcho-benchmark-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL is another user where this runs as root
    for name in [*VARIABLES, "PROMETHEUS_MULTIPROC_DIR"]:
        os.environ.pop(name, None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": settings,
        "HONCHO_DATA_DIR": str(folder),
        "HONCHO_ENV_FILE": os.devnull,
        **environment,
    }
    import django

    django.setup()
    from honcho_site import launcher

    launcher.prepare()
    try:
        yield folder
    finally:
        _let_go(folder / "postgres")
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _let_go(postgres: Path) -> None:
    """End this process's use of the database, and wait until its server has stopped."""
    from django.db import connections

    from honcho_site.embedded_postgres import server

    connections.close_all()
    held = server._held.pop(postgres, None)
    if held is not None:
        os.close(held)
    give_up = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(OSError):
        while psutil.pid_exists(postmaster_of(postgres)) and time.monotonic() < give_up:
            time.sleep(0.1)
