"""What one of each thing costs, measured on a site with one web server and one drainer: what a plan is made from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.accounting import postmaster_of, tree_seconds
from benchmarks.scaling import drainers
from benchmarks.scaling.servers import Postgres, Servers, Web, until
from benchmarks.scaling.web import place, say
from benchmarks.tables import markdown

REQUESTS = 600
TEXT = "I have been thinking about the garden again, and the beans should go in before the end of May. " * 3
TELLS = {
    "read_web_ms": "CPU of the web for a context read (ms)",
    "read_database_ms": "CPU of PostgreSQL for it (ms)",
    "write_web_ms": "CPU of the web for one message (ms)",
    "write_database_ms": "CPU of PostgreSQL for it (ms)",
    "pass_worker_ms": "CPU of a drainer for a pass, with the taking in (ms)",
    "pass_database_ms": "CPU of PostgreSQL for it (ms)",
    "event_bytes": "disk for an event of 290 characters, all indexes with it (bytes)",
    "version_bytes": "disk for a version with one new statement, search with it (bytes)",
    "event_wal_bytes": "write-ahead log for an event (bytes)",
    "version_wal_bytes": "write-ahead log for a version (bytes)",
}


def measure(made: Servers, key: str) -> dict[str, float]:
    """Return the constants by name."""
    postmaster = postmaster_of(made.base / "postgres")
    path, found = place("constants"), {}
    with made.webs(1, key) as [web]:
        say(web, path, TEXT)
        for name, ask in (("read", lambda: web.get(f"{path}/context")), ("write", lambda: say(web, path, TEXT))):
            for _ in range(50):
                ask()
            before = web.cpu_seconds(), tree_seconds(postmaster)
            for _ in range(REQUESTS):
                ask()
            found[f"{name}_web_ms"] = (web.cpu_seconds() - before[0]) * 1000 / REQUESTS
            found[f"{name}_database_ms"] = (tree_seconds(postmaster) - before[1]) * 1000 / REQUESTS
        found |= _passes(made, web, postmaster)
        found |= _stored(made.postgres, web, path)  # what nobody reads any more
    return {name: round(value, 3) for name, value in found.items()}


def _size(database: Postgres) -> tuple[int, int]:
    """Return the bytes of the database and of its log so far."""
    database.ask("VACUUM")
    sizes = database.ask("SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn")
    return int(sizes[0][0]), int(sizes[0][1])


def _stored(database: Postgres, web: Web, path: str) -> dict[str, float]:
    """Return what an event takes on disk, of a batch large enough that pages are full."""
    events, batches = 1_000, 20
    before = _size(database)
    for _ in range(batches):
        web.post(f"{path}/events", json=[{"content": TEXT, "kind": "message"}] * events).raise_for_status()
    after = _size(database)
    disk, log = ((now - then) / (events * batches) for then, now in zip(before, after, strict=True))
    return {"event_bytes": disk, "event_wal_bytes": log}


def _passes(made: Servers, web: Web, postmaster: int) -> dict[str, float]:
    """Return what a pass takes: of users with one event each, so that each is a call, a version and a statement."""
    app, users = "constants-passes", 400
    drainers.fill(web, app, users)
    with made.drainers(1) as [drainer]:
        until(lambda: drainers.waiting(made, "constants") == 0, "what was written before is read", patience=300)
        until(lambda: drainers.waiting(made, app) == 0, "a first event of each is read", patience=300)
        with _still(drainer.pid):
            drainers.fill(web, app, users)
            stored = _size(made.postgres)
            before = tree_seconds(drainer.pid), tree_seconds(postmaster)
        until(lambda: drainers.waiting(made, app) == 0, "all is read again", patience=300, every=0.5)
        used = tree_seconds(drainer.pid) - before[0], tree_seconds(postmaster) - before[1]
        after = _size(made.postgres)
    return {
        "pass_worker_ms": used[0] * 1000 / users,
        "pass_database_ms": used[1] * 1000 / users,
        "version_bytes": (after[0] - stored[0]) / users,
        "version_wal_bytes": (after[1] - stored[1]) / users,
    }


@contextmanager
def _still(pid: int) -> Iterator[None]:
    """Let a process stand still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def table(found: dict[str, Any]) -> str:
    """Return the constants as a table in Markdown."""
    return markdown(["constant", ""], [(TELLS[name], f"{value:,.2f}") for name, value in found.items()])
