"""What tests of clients stand on: a server with keys on, and the TypeScript client, built from its sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as site
from django.db import connections

from memory import keys

TYPESCRIPT = Path(__file__).resolve().parents[2] / "sdks" / "typescript"
BUILT_FROM = ("package.json", "package-lock.json", "tsconfig*.json", "src/**/*.ts", "test/**/*.ts")


def finished(directory: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the Node.js that came with the development tools."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HONCHO_")}
    ours["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return subprocess.run(
        command, cwd=directory, env=ours | environment, capture_output=True, text=True, timeout=120, check=False
    )


def run(directory: Path, *command: str, **environment: str) -> None:
    """Run a program that must succeed."""
    done = finished(directory, *command, **environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def typescript() -> Path:
    """The built package, made once for each state of its sources."""
    files = sorted(path for pattern in BUILT_FROM for path in TYPESCRIPT.glob(pattern))
    digest = hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()[:16]
    home = Path(site.HONCHO_DATA_DIR) / "clients"
    home.mkdir(parents=True, exist_ok=True)
    built = home / f"typescript-{digest}"
    with (home / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this run may be at it
        if not built.exists():
            making = home / "typescript-making"
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(TYPESCRIPT, making, ignore=shutil.ignore_patterns("node_modules", "dist", "build"))
            downloaded = finished(making, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            if downloaded.returncode:
                pytest.fail(f"The TypeScript compiler cannot be downloaded here: {downloaded.stderr[-500:]}")
            run(making, "npm", "run", "build:all")
            shutil.rmtree(making / "node_modules")  # it needs nothing at run time
            making.rename(built)
    return built


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a running server, with the settings as they are when it is asked for."""
    # Each request gives its connection back, so that none is open when the database is dropped.
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
    keys.forget()
    yield request.getfixturevalue("live_server").url
    keys.forget()
