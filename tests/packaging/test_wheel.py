"""The distribution in somebody else's site: built, installed, and used there, by HTTP and in process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

CHECKOUT = Path(__file__).resolve().parent.parent.parent

SETTINGS = """
INSTALLED_APPS += ["rest_framework", "django_q", "memory", "reasoning"]
HONCHO = {{"PROVIDER": "local"}}
Q_CLUSTER = {{"name": "host", "orm": "default", "workers": 1, "timeout": 240, "retry": 900, "catch_up": False}}
DATABASES = {{"default": {database}}}
"""

URLS = """
from django.urls import include, path

urlpatterns += [path("", include("memory.api.urls")), path("", include("reasoning.urls"))]
"""

IN_PROCESS = """
from memory import log, reading

said = log.NewEvent(content="I moved to Lisbon and I work as a nurse.")
[event] = log.append("shop", [said], user="ana", session="s1")
assert event.created
before = reading.context("shop", "ana", "s1")
assert before.behind_events == 1, before
"""

READ_BACK = """
import json
from memory import reading

context = reading.context("shop", "ana", "s1")
print(json.dumps({"text": context.text, "behind": context.behind_events, "version": context.version}))
"""


class Site:
    """A site made by ``startproject`` in an environment of its own, with the wheel in it."""

    def __init__(self, folder: Path, database: dict[str, object]) -> None:
        self.folder = folder / "checkout"
        self.environment = folder / "environment"
        self.python = self.environment / "bin" / "python"
        wheels = folder / "wheels"
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, CHECKOUT)
        run(sys.executable, "-m", "venv", "--without-pip", self.environment)
        packages = next(self.environment.glob("lib/python*/site-packages"))
        # The dependencies are the ones that this test runs with; the apps come from the wheel alone.
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        [wheel] = wheels.glob("*.whl")
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", packages, wheel)
        self.folder.mkdir()
        run(self.python, "-m", "django", "startproject", "host", self.folder, cwd=folder)
        append(self.folder / "host" / "settings.py", SETTINGS.format(database=database))
        append(self.folder / "host" / "urls.py", URLS)

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a management command there and return what it prints."""
        return run(self.python, "manage.py", *arguments, cwd=self.folder, stdin=stdin)


def append(path: Path, text: str) -> None:
    """Add lines to a file."""
    path.write_text(path.read_text() + textwrap.dedent(text))


def own_environment() -> dict[str, str]:
    """Return this process's environment without this project's settings or import path."""
    return {key: value for key, value in os.environ.items() if key not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}}


def run(*command: object, cwd: Path | None = None, stdin: str | None = None) -> str:
    """Run a command without this project's settings or import path; fail with what it said."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=own_environment(), input=stdin, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def site(tmp_path, transactional_db):
    """A host site with a database of its own on the server of the tests."""
    name = f"{connection.settings_dict['NAME']}_host"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    info = connection.connection.info
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": info.user,
        "PASSWORD": info.password,
        "HOST": info.host,
        "PORT": str(info.port),
    }
    yield Site(tmp_path, database)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_a_site_made_by_startproject_appends_reasons_and_reads_with_the_wheel_alone(site):
    assert "no issues" in site.manage("check")
    assert "No changes detected" in site.manage("makemigrations", "--check", "--dry-run")
    site.manage("migrate", "--verbosity", "0")
    where = site.manage("shell", "-v", "0", "-c", "import memory, reasoning; print(memory, reasoning)")
    assert str(CHECKOUT / "memory") not in where

    site.manage("shell", "-v", "0", stdin=IN_PROCESS)
    site.manage("reason", "--once")
    read = json.loads(site.manage("shell", "-v", "0", "-c", READ_BACK).strip().splitlines()[-1])
    assert read["behind"] == 0
    assert read["version"] == 1
    assert "Lisbon" in read["text"]
    assert "nurse" in read["text"]

    key = site.manage("create_api_key", "agent", "--scope", "app", "--app", "shop").splitlines()[-1]
    address = f"127.0.0.1:{free_port()}"
    log = site.folder / "server.log"
    words = [str(site.python), "manage.py", "runserver", "--noreload", address]
    with log.open("w") as output:
        server = subprocess.Popen(words, cwd=site.folder, env=own_environment(), stdout=output, stderr=output)
    try:
        wait_for(f"http://{address}/healthz", log)
        base = f"http://{address}/v1/apps/shop/users/ana/sessions/s1"
        written = call(f"{base}/messages", key, {"content": "My dog is called Rex.", "is_user": True})
        assert written["content"] == "My dog is called Rex."
        site.manage("reason", "--once")
        context = call(f"{base}/context", key)
        assert "Rex" in context["context"]
        assert context["behind"]["events"] == 0
    finally:
        server.terminate()
        server.wait(timeout=10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, log: Path, seconds: float = 30.0) -> None:
    """Return when ``url`` answers; fail after ``seconds`` with what the server said."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer:\n{log.read_text()}"
            time.sleep(0.1)


def call(url: str, key: str, body: object = None) -> dict[str, Any]:
    """Send a request of the agent API and return the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered
