"""``manage.py run`` for real: web, worker and database from one command, on a data folder of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from honcho_site import environment
from honcho_site.embedded_postgres import server
from tests import shared

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90


def until(condition: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"waited {PATIENCE} s in vain: {what}"
        time.sleep(0.1)


class Site:
    """A site that runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in environment.VARIABLES},
            "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
            "HONCHO_ENV_FILE": os.devnull,
            "HONCHO_DATA_DIR": str(folder),
            "PORT": str(self.port),
        }
        for name in ("DATABASE_URL", "PROMETHEUS_MULTIPROC_DIR"):
            self.environment.pop(name, None)
        self.log = (folder.parent / "log").open("w+")

    def start(self) -> None:
        before = len(self.said())
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until(
            lambda: "Honcho is running" in self.said()[before:] or self.process.poll() is not None,
            "the site should start",
        )
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return Path(self.log.name).read_text()

    def manage(self, *arguments: str) -> str:
        found = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    def children(self, word: str) -> list[psutil.Process]:
        """The children of the launcher with a word in their command: none while one is being started."""
        found = []
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if word in process.cmdline():
                    found.append(process)
        return found

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def stop_as_a_whole(self, signum: signal.Signals) -> None:
        tree = psutil.Process(self.process.pid).children(recursive=True)
        began = time.monotonic()
        self.process.send_signal(signum)
        assert self.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 20
        assert not [left for left in tree if left.is_running() and left.status() != psutil.STATUS_ZOMBIE]
        until(lambda: not server._orphans(self.folder / "postgres"), "the database should stop")


@pytest.fixture(scope="module")
def site():
    base = shared.temporary("test")
    running = Site(base / "data")
    try:
        running.start()
        yield running
        running.stop_as_a_whole(signal.SIGTERM)
        counted = "from django.contrib.auth.models import User; print(User.objects.count())"
        assert running.manage("shell", "-v", "0", "-c", counted).split()[-1] == "1"
    finally:
        if running.process.poll() is None:
            running.process.kill()
        until(lambda: not server._orphans(running.folder / "postgres"), "the database should stop")
        running.log.close()
        shutil.rmtree(base)


def test_it_says_where_everything_is_and_becomes_ready(site):
    for text in (f"http://localhost:{site.port}/", str(site.folder), "create_api_key NAME --scope operator"):
        assert text in site.said()
    until(site.ready, "web and worker should be ready")
    assert "healthy" in site.manage("healthy")
    assert "healthy" in site.manage("healthy", "--worker")


def test_the_admin_login_that_it_made_opens_the_admin(site):
    (password,) = re.findall(r"user admin, password (\S+) ", site.said())
    kept = site.folder / "admin_password"
    assert kept.read_text() == password
    assert kept.stat().st_mode & 0o077 == 0
    with httpx.Client(base_url=site.url, follow_redirects=True) as browser:
        form = browser.get("/admin/login/")
        answer = browser.post(
            "/admin/login/?next=/admin/",
            data={
                "username": "admin",
                "password": password,
                "csrfmiddlewaretoken": form.cookies["csrftoken"],
            },
        )
    assert answer.status_code == 200
    assert answer.url.path == "/admin/"


def test_a_conversation_goes_in_is_reasoned_over_and_comes_back(site):
    key = site.manage("create_api_key", "tests", "--scope", "operator").splitlines()[-1]
    file = CHECKOUT / "honcho_site" / "demo" / "conversation.jsonl"
    assert "16 messages of Ines are in app played" in site.manage("play", str(file), "--key", key, "--app", "played")
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}) as api:
        address = "/v1/apps/played/users/Ines/sessions/moving/context"

        def reasoned() -> bool:
            context = api.get(address).json()
            return context["version"] and not context["behind"]["events"]

        until(reasoned, "the worker should reason over it")
        assert "Lisbon" in api.get(address).json()["context"]
        # Played again, it changes nothing: every line has an id.
        site.manage("play", str(file), "--key", key, "--app", "played")
        assert len(api.get("/v1/apps/played/users/Ines/sessions/moving/events?limit=100").json()["items"]) == 6


def test_a_worker_that_was_killed_is_started_again(site):
    (killed,) = site.children("worker")
    killed.kill()
    until(lambda: "The worker ended with signal SIGKILL; it is started again." in site.said(), "it should be noticed")
    until(lambda: [p.pid for p in site.children("worker")] not in ([], [killed.pid]), "another should be started")
    assert httpx.get(f"{site.url}/healthz").status_code == 200


def test_a_second_one_on_the_same_port_is_refused_with_another_port(site):
    found = subprocess.run(
        [sys.executable, "manage.py", "run"], cwd=CHECKOUT, env=site.environment, capture_output=True, text=True
    )
    assert found.returncode == 1
    assert f"Port {site.port} cannot be used" in found.stderr
    assert f"PORT={site.port + 1} make run" in found.stderr


def test_it_stops_as_a_whole_and_its_data_are_there_at_the_next_start(site):
    """By SIGINT; the end of all these tests is one by SIGTERM."""
    key = site.manage("create_api_key", "kept", "--scope", "operator").splitlines()[-1]
    site.stop_as_a_whole(signal.SIGINT)
    site.start()
    answer = httpx.post(f"{site.url}/v1/apps/list", json={}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
