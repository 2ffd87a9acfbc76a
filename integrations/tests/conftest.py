"""The real packages, in a virtualenv of their own: what they need contradicts what the site needs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory import keys
from tests.factories import ApiKeyFactory

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PACKAGES = ["langchain-core==1.7.2", "langgraph==1.2.22", "openai-agents==0.24.0", "httpx"]
SOURCES = [
    CHECKOUT / "sdks/python/src",
    CHECKOUT / "integrations/langchain",
    CHECKOUT / "integrations/langchain/examples",
    CHECKOUT / "integrations/openai_agents",
    CHECKOUT / "integrations/plain_tools",
]

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_remembered_keys() -> Iterator[None]:
    keys.forget()
    yield
    keys.forget()


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of a virtualenv with the packages, made once for a data directory whichever process comes first."""
    folder = Path(os.environ["HONCHO_DATA_DIR"]) / "integrations"
    folder.mkdir(parents=True, exist_ok=True)
    found, done = folder / "venv" / "bin" / "python", folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != repr(PACKAGES):
            # Neither a pip of its own nor modules compiled that nothing imports: both take longer than the tests.
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder / "venv")], check=True)
            pip = [sys.executable, "-m", "pip", "--python", str(found), "install", "--quiet", "--no-compile"]
            install = [*pip, "--disable-pip-version-check", *PACKAGES]
            made = subprocess.run(install, capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.fail(f"The packages cannot be downloaded here: {made.stderr[-500:]}")
            done.write_text(repr(PACKAGES))
    return found


@pytest.fixture
def url(transactional_db: None, live_server: object) -> str:
    """The address of the site."""
    return str(live_server.url)  # type: ignore[attr-defined]


@pytest.fixture
def run(python: Path, url: str) -> Run:
    """A function that runs a program with the packages against the site, and returns what it says."""
    key = ApiKeyFactory().key

    def start(program: Path, *arguments: str, **variables: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, SOURCES)),
            "HONCHO_BASE_URL": url,
            "HONCHO_API_KEY": key,
            "LANGSMITH_TRACING": "false",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            **variables,
        }
        done = subprocess.run(
            [str(python), str(program), *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start
