"""What the read and write paths cost, and how soon a message is reasoned over on an idle server.

    python -m benchmarks.paths [--requests 300]

Starts web (granian) and worker as ``make run`` does, with keys and metrics on, and drives them over HTTP from this
process. CPU is the operating system's own accounting of the web's processes and of PostgreSQL's, per request. The bare
rows are floors of the same run: a view without a database, and a view with one primary-key query by a plain cursor.
Needs the embedded PostgreSQL (no DATABASE_URL), whose processes it can see.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes and their descendants have used, the ended ones included."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            try:
                used = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += used.user + used.system
    return total


def measure(call: Callable[[int], httpx.Response], requests: int, web: psutil.Process, database: psutil.Process) -> str:
    """Return a row of figures for ``requests`` calls, one at a time."""
    for index in range(10):
        call(index)
    before, took = (cpu_seconds([web]), cpu_seconds([database])), []
    for index in range(requests):
        began = time.perf_counter()
        response = call(index)
        took.append(time.perf_counter() - began)
        if response.status_code >= 400:
            raise SystemExit(f"{response.request.url}: {response.status_code} {response.text[:300]}")
    after = cpu_seconds([web]), cpu_seconds([database])
    python, postgres = ((b - a) * 1000 / requests for a, b in zip(before, after, strict=True))
    p50, p99 = statistics.median(took) * 1000, statistics.quantiles(took, n=100)[98] * 1000
    return f"{python:>10.2f}{postgres:>12.2f}{p50:>10.2f}{p99:>10.2f}"


def lag(client: httpx.Client, app: str, samples: int) -> list[float]:
    """Return the seconds from sending a message to reading the version that covers it, each of a new user."""
    found = []
    for index in range(samples):
        place = f"/v1/apps/{app}/users/lag-{time.time_ns()}-{index}/sessions/s"
        began = time.perf_counter()
        client.post(f"{place}/messages", json={"content": "I moved to Lisbon in May.", "is_user": True})
        while True:
            context = client.get(f"{place}/context").json()
            if context["version"] and not context["behind"]["events"]:
                break
            time.sleep(0.01)
        found.append(time.perf_counter() - began)
    return found


def statements(paths: dict[str, tuple[str, str, Any]], key: str) -> dict[str, int]:
    """Return the number of SQL statements of each path once the key is known, in this process."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"Authorization": f"Bearer {key}"})
    found = {}
    for name, (method, path, body) in paths.items():
        for _ in range(2):
            with CaptureQueriesContext(connection) as captured:
                if method == "GET":
                    client.get(path, headers=body or {})
                else:
                    client.post(path, body, content_type="application/json")
            found[name] = len(captured)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from honcho_site import launcher, processes
    from memory import keys

    settings.ALLOWED_HOSTS.append("testserver")
    launcher.prepare()
    _, key = keys.create("benchmark", "operator")
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        pid = int(Path(cursor.fetchone()[0], "postmaster.pid").read_text().split()[0])
    database, port, app = psutil.Process(pid), launcher.free_port(), f"bench-{time.time_ns()}"
    log = settings.HONCHO_DATA_DIR / "benchmark.log"
    place = f"/v1/apps/{app}/users/ana/sessions/s1"
    text = "I have been thinking about the garden again, and the beans should go in before the end of May. " * 5
    message = {"content": text, "is_user": True}
    event = {"content": text, "kind": "message"}
    commands = {"web server": processes.web(port, 1, "127.0.0.1"), "worker": processes.worker()}
    children = [processes.Child(name, words, os.environ, log.open("ab")) for name, words in commands.items()]
    with processes.Group(children, print) as running:
        url = f"http://127.0.0.1:{port}"
        launcher.wait_until_answering(running, url)
        web = psutil.Process(running.children[0].process.pid)
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        client.post(f"{place}/messages", json=message).raise_for_status()
        while client.get(f"{place}/context").json()["behind"]["events"]:
            time.sleep(0.1)
        tag = client.get(f"{place}/context").headers["ETag"]
        paths: dict[str, tuple[str, str, Any]] = {
            "no database (/healthz)": ("GET", "/healthz", None),
            "context": ("GET", f"{place}/context", None),
            "context, tokens=500": ("GET", f"{place}/context?tokens=500", None),
            "context, 304": ("GET", f"{place}/context", {"If-None-Match": tag}),
            "one message": ("POST", f"{place}/messages", message),
            "one event": ("POST", f"{place}/events", event),
            "100 events": ("POST", f"{place}/events", [event] * 100),
            "1,000 events": ("POST", f"{place}/events", [event] * 1_000),
        }
        lags = sorted(lag(client, app, 20))
        figures = {}
        for name, (method, path, body) in paths.items():
            if method == "POST" and running.children[1].exit_code() is None:
                running.children[1].ask_to_stop()  # what it would do with the writes is not the writes' cost
                running.children[1].process.wait()
            count = max(options.requests // 10, 20) if isinstance(body, list) else options.requests

            def call(_: int, method: str = method, path: str = path, body: Any = body) -> httpx.Response:
                if method == "GET":
                    return client.get(path, headers=body or {})
                return client.post(path, json=body)

            figures[name] = measure(call, count, web, database)
        logging.disable()
        counted = statements(paths, key)
    print(f"{options.requests} requests each (a tenth for batches), one client; CPU and times in ms")
    print(f"{'path':<26}{'statements':>11}{'web CPU':>10}{'pg CPU':>12}{'p50':>10}{'p99':>10}")
    for name, row in figures.items():
        print(f"{name:<26}{counted[name]:>11}{row}")
    print(f"lag on an idle server, local reasoner, {len(lags)} new users, one message each (seconds):")
    print(f"p50 {statistics.median(lags):.2f}, p95 {lags[int(len(lags) * 0.95) - 1]:.2f}, max {lags[-1]:.2f}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    main()
