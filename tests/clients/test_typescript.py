"""The TypeScript client: it builds, passes its own tests, and does all it can against a running server, keys on."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.db import connections

from memory import keys, tenants
from memory.models import Event
from reasoning import labels, prompt_versions
from tests.clients import bad_day
from tests.factories import ApiKeyFactory
from tests.loop.helpers import AT_ONCE, drain
from tests.store.helpers import person, say

SOURCES = Path(__file__).resolve().parents[2] / "sdks" / "typescript"
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
def package() -> Path:
    """The built package, made once for each state of its sources."""
    files = sorted(path for pattern in BUILT_FROM for path in SOURCES.glob(pattern))
    digest = hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()[:16]
    home = Path(site.HONCHO_DATA_DIR) / "clients"
    home.mkdir(parents=True, exist_ok=True)
    built = home / f"typescript-{digest}"
    with (home / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this run may be at it
        if not built.exists():
            making = home / "typescript-making"
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(SOURCES, making, ignore=shutil.ignore_patterns("node_modules", "dist", "build"))
            downloaded = finished(making, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            if downloaded.returncode:
                pytest.skip(f"The TypeScript compiler cannot be downloaded here: {downloaded.stderr[-500:]}")
            run(making, "npm", "run", "build:all")
            making.rename(built)
    return built


@pytest.fixture(autouse=True)
def _each_request_gives_its_connection_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
    keys.forget()
    yield
    keys.forget()


def node(package: Path, script: str, url: str) -> None:
    """Run a script of the tests against a server, with an operator's key."""
    key = ApiKeyFactory().key
    run(package, "node", "--test", f"build/{script}.js", HONCHO_BASE_URL=url, HONCHO_API_KEY=key)


def test_it_passes_its_own_tests(package: Path) -> None:
    run(package, "sh", "-c", "node --test build/*.test.js")


@pytest.fixture
def harbour(settings: Any) -> None:
    """Ana of the app harbour, whose second version is by the second prompt, which is live."""
    settings.HONCHO = AT_ONCE
    person()
    app = tenants.find_app("harbour")
    for number in (1, 2):
        version = prompt_versions.create("user", f"Know {{subject}}, {number}.", message="Next", app=app)
        labels.move("live", version, reason="Next")
        say(f"line {number}")
        drain()


@pytest.mark.django_db(transaction=True)
def test_everything_that_it_can_ask_is_answered(package: Path, harbour: None, live_server: Any) -> None:
    node(package, "live", live_server.url)


@pytest.mark.django_db(transaction=True)
def test_where_replies_are_lost_no_event_is_missing_and_none_is_there_twice(package: Path, live_server: Any) -> None:
    with bad_day.dropping(live_server.url) as dropping:
        node(package, "dropped", dropping.url)
    assert set(dropping.met) == set(bad_day.BAD_DAY)
    said = Event.objects.order_by("pk").values_list("session__name", "content")
    for session, count in (("created", 20), ("first", 60), ("second", 60)):
        assert [content for name, content in said if name == session] == [f"{session} {n}" for n in range(count)]
    assert len(said) == 140
