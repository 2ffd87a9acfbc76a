"""What all processes of a run of the tests share: what takes long to make is made once a run."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

FOLDER = "HONCHO_TEST_FOLDER"
"""The variable that tells the processes of a run its folder: they inherit it from the one that starts them."""


def temporary(name: str) -> Path:
    """Return a new folder that other users may enter: PostgreSQL is one where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"honcho-{name}-"))
    folder.chmod(0o755)
    return folder


def folder() -> Path:
    """Return the folder of this run. The process that asks for it first makes it, and takes it along when it ends."""
    if FOLDER not in os.environ:
        made = temporary("run")
        os.environ[FOLDER] = str(made)
        atexit.register(_remove, made, os.getpid())
    return Path(os.environ[FOLDER])


def once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the path of that name in this run's folder, which ``make`` fills if no process has done so yet."""
    path = folder() / name
    done = path.with_name(f"{name}.made")
    with path.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(path)
            done.touch()
    return path


def _remove(made: Path, pid: int) -> None:
    if os.getpid() == pid:  # not a child that was forked
        shutil.rmtree(made, ignore_errors=True)
