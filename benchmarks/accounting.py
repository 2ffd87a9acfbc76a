"""The processor time of processes, as the operating system accounts for it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

WORKER, ACCOUNTING = "worker", "accounting"
"""Application names: of workers' connections, and of those that only look."""

_WHOLE_PROCESS = 2
"""Linux: the clock of all that a process's threads have had (``CPUCLOCK_SCHED``)."""


def processor_seconds(pid: int) -> float:
    """Return the seconds of a process, of its threads that have ended too; 0 where it is gone.

    They are exact on Linux; elsewhere they are what psutil knows, often hundredths of a second.
    """
    try:
        return time.clock_gettime(~pid << 3 | _WHOLE_PROCESS)
    except (OSError, OverflowError):
        return _known_to_psutil(pid)


def _known_to_psutil(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def tree_seconds(root: int, without: Collection[int] = ()) -> float:
    """Return the seconds of a process and its descendants, of those that have ended too, but for those of ``without``.

    A root that is gone has none.
    """
    try:
        process = psutil.Process(root)
        ended = process.cpu_times()
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    living = sum(processor_seconds(each.pid) for each in family if each.pid not in without)
    return living + float(getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0))


def tree_bytes(roots: Iterable[int]) -> int:
    """Return the memory of processes and their descendants, pages that they share once (PSS) where that is told."""
    total = 0
    for root in roots:
        try:
            process = psutil.Process(root)
            for each in (process, *process.children(recursive=True)):
                memory = each.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
        except psutil.NoSuchProcess:
            continue
    return total


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor by who used them."""

    web: float = 0.0
    database: float = 0.0
    worker: float = 0.0

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.web - before.web, self.database - before.database, self.worker - before.worker)

    def each(self, count: int) -> dict[str, float]:
        """Return the milliseconds of one of ``count`` requests (or passes), by who used them."""
        ms = 1_000 / count
        return {"web_ms": self.web * ms, "database_ms": self.database * ms, "worker_ms": self.worker * ms}


@dataclass
class Accounts:
    """What web, worker and PostgreSQL have used.

    The server processes that serve the worker count as the worker's, and the one that serves this object as nobody's:
    connections say who opened them by their application name.
    """

    address: str
    """Of the database, as libpq takes it."""

    postmaster: int
    web: list[int] = field(default_factory=list)
    """The main processes of the web server."""

    worker: list[int] = field(default_factory=list)
    """The main processes of workers."""

    _served: dict[int, float] = field(default_factory=dict)
    """By server process that has served a worker: what it had spent when it was last looked at."""

    def __enter__(self) -> Self:
        self._connection = psycopg.connect(self.address, autocommit=True, application_name=ACCOUNTING)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def spent(self) -> Spent:
        """Return what was used so far."""
        own = tree_seconds(self.postmaster, without=self.backends(ACCOUNTING))
        for_worker = self._for_worker()
        return Spent(
            web=sum(map(tree_seconds, self.web)),
            database=own - for_worker,
            worker=sum(map(tree_seconds, self.worker)) + for_worker,
        )

    def _for_worker(self) -> float:
        """Return what server processes have spent for workers, those that have ended too."""
        self._served |= {pid: processor_seconds(pid) for pid in self.backends(WORKER)}
        return sum(self._served.values())

    def backends(self, name: str) -> list[int]:
        """Return the server processes that serve connections of an application name."""
        rows = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name])
        return [pid for (pid,) in rows]

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        row = self._connection.execute(query).fetchone()  # type: ignore[call-overload]
        return None if row is None else row[0]


def postmaster_of(folder: Path) -> int:
    """Return the process id of the PostgreSQL in a folder. Raises ``OSError`` where none runs."""
    return int((folder / "postmaster.pid").read_text().split()[0])
