"""Passes per second and their cost, by how long the model takes, how many calls are in flight and how many drain."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.accounting import ACCOUNTING, WORKER, Accounts, tree_bytes, tree_seconds
from benchmarks.drain import work
from benchmarks.load import site
from benchmarks.load.site import Running
from honcho_site import processes

PEOPLE = 2_000
RAMP_SECONDS = 3.0
"""Until as many calls are in flight as may."""

PATIENCE = 60.0
CONNECTIONS = 4
"""Of one drainer, where no fewer calls are to be in flight."""

USUAL_CALLS = 64
"""In flight, as a drainer has them by default."""

_PUBLISHED = "SELECT count(*) FROM reasoning_pass WHERE outcome = 'published'"
_WORKERS = "SELECT count(*) FROM reasoning_worker"
_TROUBLE = "SELECT count(*) FROM reasoning_pass WHERE outcome IN ('failed', 'quarantined')"


def measure(
    place: Running,
    model: str,
    latencies: Sequence[float],
    in_flight: Sequence[int],
    drainers: Sequence[int],
    seconds: float,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Drain in each way for so many seconds; return what that took."""
    app = work.people(PEOPLE)
    found = []
    for latency, calls, count in itertools.product(latencies, in_flight, drainers):
        say(f"model {latency:g} s, {calls} calls in flight, drainers: {count} …")
        site.steer(model, latency)
        work.say(app, PEOPLE)
        with draining(place, count, calls // count) as pids:
            cell = _cell(place.accounts, pids, max(seconds, 2 * latency))
        say(f"  {cell['passes_per_second']:g} passes a second")
        peak = site.peak(model)
        found.append({"latency": latency, "in_flight": calls, "drainers": count, "peak": peak, **cell})
    return found


@contextmanager
def draining(place: Running, count: int, calls: int) -> Iterator[list[int]]:
    """Run so many drainers with so many calls in flight each; yield their process ids."""
    connections = min(CONNECTIONS, calls)
    environment = os.environ | {
        "PGAPPNAME": WORKER,
        "WORKER_CONCURRENCY": str(connections),
        "WORKER_CALLS_PER_CONNECTION": str(calls // connections),
    }
    command = [sys.executable, "manage.py", "reason", "--forever"]
    with (place.folder / "drainers.log").open("ab") as log:
        children = [processes.Child("drainer", command, environment, log) for _ in range(count)]
        with processes.Group(children, print):
            yield [child.process.pid for child in children]


def _cell(accounts: Accounts, pids: Sequence[int], seconds: float) -> dict[str, Any]:
    """Let drainers come to speed, and return what they do and take in so many seconds."""
    _wait_until_all_drain(accounts, len(pids))
    time.sleep(RAMP_SECONDS)
    before, began = _standing(accounts, pids), time.monotonic()
    time.sleep(seconds)
    after, took = _standing(accounts, pids), time.monotonic() - began
    passes, drainer, database = (new - old for new, old in zip(after, before, strict=True))
    return {
        "passes_per_second": round(passes / took, 2),
        "drainer_ms": round(1_000 * drainer / passes, 2) if passes else None,
        "database_ms": round(1_000 * database / passes, 2) if passes else None,
        "memory_mib": round(tree_bytes(pids) / 2**20 / len(pids)),
        "connections": len(accounts.backends(WORKER)),
        "trouble": accounts.value(_TROUBLE),
    }


def _wait_until_all_drain(accounts: Accounts, drainers: int) -> None:
    first = accounts.value(_PUBLISHED)
    give_up = time.monotonic() + PATIENCE
    while accounts.value(_PUBLISHED) == first or accounts.value(_WORKERS) < drainers:
        if time.monotonic() > give_up:
            raise SystemExit(f"No pass was published within {PATIENCE:g} s; drainers.log says why.")
        time.sleep(0.05)


def _standing(accounts: Accounts, pids: Sequence[int]) -> tuple[int, float, float]:
    """Return the passes published so far, the seconds of drainers, and those of the database."""
    database = tree_seconds(accounts.postmaster, without=accounts.backends(ACCOUNTING))
    return accounts.value(_PUBLISHED), sum(map(tree_seconds, pids)), database
