"""The clients as they were released, and a generator of others, downloaded once a data directory."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = ("0.0.8", "0.0.14", "0.0.15", "0.0.16", "0.0.17", "0.0.18", "0.0.19", "0.1.0", "0.2.0")
NPM = "0.2.0"

GENERATOR = "openapi-python-client==0.29.1"
"""What makes a client of the schema; what it needs itself is all that the client needs."""

NEEDED = ("httpx<0.28", "pydantic", "anyio", "distro", "sniffio", "typing-extensions")
"""What the Python releases stand on. httpx 0.28 took away what those before 0.1.0 call."""

_CLIENTS = Path(os.environ["HONCHO_DATA_DIR"]) / "clients"
_BIN = Path(sys.executable).parent


def python_path(release: str) -> str:
    """Return the PYTHONPATH on which a release of the Python client alone is found; download it where it is missing."""
    needed, package = _CLIENTS / "needed", _CLIENTS / f"python-{release}"
    with _alone():
        if not needed.exists():
            _pip(needed, *NEEDED)
        if not package.exists():
            _pip(package, "--no-deps", f"honcho-ai=={release}")
    return f"{package}{os.pathsep}{needed}"


def generator_path() -> str:
    """Return the PYTHONPATH on which the generator of clients is found; download it where it is missing."""
    directory = _CLIENTS / "generator"
    with _alone():
        if not directory.exists():
            _pip(directory, GENERATOR)
    return str(directory)


def node_modules() -> Path:
    """Return the directory in which Node finds the npm client; download it where it is missing."""
    directory = _CLIENTS / f"npm-{NPM}"
    with _alone():
        if not directory.exists():
            install = [str(_BIN / "npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
            _download(directory, [*install, "--prefix", "{}", f"honcho-ai@{NPM}"])
    return directory / "node_modules"


def node() -> str:
    """Return the program ``node``."""
    return str(_BIN / "node")


def _pip(directory: Path, *what: str) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _download(directory, [*install, "--target", "{}", *what])


def _download(directory: Path, command: Sequence[str]) -> None:
    """Run a command that fills a directory (``{}``), which is there only once it is whole."""
    filling = directory.with_name(f"{directory.name}.part-{os.getpid()}")
    filling.mkdir(parents=True)
    path = {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [part.format(filling) for part in command], capture_output=True, text=True, check=False, env=os.environ | path
    )
    assert done.returncode == 0, f"The client cannot be downloaded: {done.stderr[-1000:]}"
    filling.rename(directory)


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the run downloads at a time."""
    _CLIENTS.mkdir(parents=True, exist_ok=True)
    with (_CLIENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
