"""Measures each path at each number of clients, in rounds that take turns: what disturbs one disturbs all alike."""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path as File
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.accounting import Accounts, Spent
from benchmarks.load import client, filling, floors
from benchmarks.load.client import Driven
from benchmarks.load.paths import PGBENCH, READ, WRITE, Path, all_of, targets_of_contexts
from benchmarks.load.site import Running, served

PGBENCH_TRANSACTIONS = 20_000
WARMING = 40
FEWEST = 6

Say = Callable[[str], None]


class Round:
    """What one path took at one number of clients, once."""

    def __init__(self, driven: Driven, spent: Spent) -> None:
        count = len(driven.seconds)
        self.driven = driven
        self.figures = {"requests_per_second": count / driven.elapsed, **spent.each(count)}
        self.figures["cpu_ms"] = self.figures["web_ms"] + self.figures["database_ms"]


def run(place: Running, clients: Sequence[int], requests: int, rounds: int, say: Say) -> dict[str, Any]:
    """Serve the app, measure everything; return the result as it is stored."""
    key = make_key()
    script = floors.make(filling.known(), place.folder)
    cells: dict[tuple[str, int], list[Round]] = defaultdict(list)
    with served(place):
        known = tags(place.port, key)
        paths = all_of(known)
        for kind in (READ, WRITE):  # what writes leave to be done would disturb the reads
            for path in (path for path in paths if path.kind == kind):
                drive(place.port, key, path, max(clients), WARMING, seed=0)
            for number in range(rounds):
                say(f"{kind}s, round {number + 1} of {rounds} …")
                known |= tags(place.port, key)  # a version may have come since
                for count in clients:
                    for path in (path for path in paths if path.kind == kind):
                        cells[path.name, count].append(
                            accounted(place.accounts, drive, place.port, key, path, count, requests, number + 1)
                        )
                    if kind == READ:
                        cells[PGBENCH, count].append(accounted(place.accounts, pgbench, place.address, script, count))
    counted = statements(paths, key)
    return {
        "benchmark": "load",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(place.accounts),
        "requests": requests,
        "rounds": rounds,
        "clients": list(clients),
        "paths": [_summary(path, clients, cells, counted) for path in paths] + [_pgbench_summary(clients, cells)],
    }


def make_key() -> str:
    """Return a new key of the app."""
    from memory import keys
    from memory.models import App

    _, key = keys.create("benchmark", "app", app=App.objects.get(name=filling.APP))
    return key


def accounted(accounts: Accounts, function: Callable[..., Driven], *arguments: Any) -> Round:
    """Return what a function drove, and what the processes spent meanwhile."""
    before = accounts.spent()
    driven = function(*arguments)
    return Round(driven, accounts.spent() - before)


def drive(port: int, key: str, path: Path, clients: int, requests: int, seed: int) -> Driven:
    """Ask for a path so many times (a part of it, where one takes long)."""
    dice = random.Random(f"{path.name} {clients} {seed}")
    count = max(round(requests * path.part), min(FEWEST, requests), clients)
    try:
        return client.drive(port, made(path, key, count, dice), clients)
    except client.Failed as error:
        raise SystemExit(f"{path.name}: {error}") from None


def made(path: Path, key: str, count: int, dice: random.Random) -> list[bytes]:
    """Return so many of a path's requests, as they are sent."""
    asked = [path.ask(dice) for _ in range(count)]
    key = "" if path.keyless else key
    return [client.request(path.method, each.target, key, each.body, each.headers) for each in asked]


def tags(port: int, key: str) -> dict[str, str]:
    """Return the ETag of each user's context."""
    import httpx

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as asking:
        return {target: asking.get(target).headers["ETag"] for target in targets_of_contexts()}


def pgbench(address: str, script: File, clients: int) -> Driven:
    """Read the floor's row by pgbench, with prepared statements."""
    from honcho_site.embedded_postgres import server

    each = -(-PGBENCH_TRANSACTIONS // clients)
    with TemporaryDirectory() as logs:
        command = [
            str(server.binary("pgbench")), "-n", "-M", "prepared", "-f", str(script), "-c", str(clients),
            "-j", str(min(clients, 2)), "-t", str(each), "-l", "--log-prefix", f"{logs}/log", address,
        ]  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        elapsed = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"pgbench failed: {done.stderr[-500:]}")
        lines = [line for file in File(logs).iterdir() for line in file.read_text().splitlines()]
    seconds = [int(line.split()[2]) / 1e6 for line in lines]
    return Driven(seconds, elapsed)


def statements(paths: Iterable[Path], key: str) -> dict[str, int]:
    """Return the number of SQL statements of each path once the key is known, in this process."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    settings.ALLOWED_HOSTS.append("testserver")
    found, dice = {}, random.Random(1)
    for path in paths:
        asking = Client(headers={} if path.keyless else {"Authorization": f"Bearer {key}"})
        for _ in range(2):
            asked = path.ask(dice)
            with CaptureQueriesContext(connection) as captured:
                asking.generic(
                    path.method, asked.target, client.body_of(asked.body), "application/json", headers=asked.headers
                )
            found[path.name] = len(captured)
    return found


def machine(accounts: Accounts) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "postgres": str(accounts.value("SHOW server_version")).split()[0],
    }


def _summary(
    path: Path, clients: Sequence[int], cells: Mapping[tuple[str, int], list[Round]], counted: Mapping[str, int]
) -> dict[str, Any]:
    floor = None if path.name == path.floor else path.floor
    return {
        "name": path.name,
        "kind": path.kind,
        "budget_ms": path.budget,
        "floor": floor,
        "statements": counted[path.name],
        "bytes": max(each.driven.size for count in clients for each in cells[path.name, count]),
        "by_clients": {
            str(count): figures(cells[path.name, count], cells[floor, count] if floor else ()) for count in clients
        },
    }


def _pgbench_summary(clients: Sequence[int], cells: Mapping[tuple[str, int], list[Round]]) -> dict[str, Any]:
    return {
        "name": PGBENCH,
        "kind": READ,
        "budget_ms": None,
        "floor": None,
        "statements": 1,
        "bytes": None,
        "by_clients": {str(count): figures(cells[PGBENCH, count]) for count in clients},
    }


def figures(rounds: Sequence[Round], floor: Sequence[Round] = ()) -> dict[str, float]:
    """Return the medians of what rounds took, the percentiles of all their times, and the ratio to a floor's rounds."""
    found = {name: statistics.median(each.figures[name] for each in rounds) for name in rounds[0].figures}
    seconds = [taken for each in rounds for taken in each.driven.seconds]
    found |= percentiles(seconds)
    if floor:
        ratios = [own.figures["cpu_ms"] / bare.figures["cpu_ms"] for own, bare in zip(rounds, floor, strict=True)]
        found["ratio"] = statistics.median(ratios)
    return {name: round(value, 4) for name, value in found.items()}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the 50th, 95th and 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    return {f"p{share}_ms": 1_000 * cuts[share - 1] for share in (50, 95, 99)}
