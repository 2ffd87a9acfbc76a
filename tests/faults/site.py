"""The whole site as real processes on a PostgreSQL of their own, started again whenever they end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.core.exceptions import ImproperlyConfigured

from honcho_site import processes
from honcho_site.embedded_postgres import server
from tests import shared
from tests.crash.site import CHECKOUT, PATIENCE, Site, copy_migrated

RESTART_SECONDS = 0.3
"""How long the supervisor waits before it starts again what has ended, as systemd's ``RestartSec``."""

LOOK_SECONDS = 0.1
ROLES = ("queue worker 1", "queue worker 2", "queue worker 3", "monitor", "pusher")
"""The children of django-q2's sentinel, in the order in which it starts them."""

PREPARE = """
import sys
import django
django.setup()
from django.core.management import call_command
for app in sys.argv[1:]:
    call_command("create_api_key", "faults", scope="app", app=app)
from reasoning.models import Budget
Budget.objects.create(period="total", tokens=10**12)  # wide enough for all, so that each call is charged to it
"""

OPERATE = """
import django
django.setup()
from reasoning import circuit, disposition
from reasoning.models import ProviderState, Work
resumed = sum(circuit.resume(state.pk) for state in ProviderState.objects.filter(needs_operator=True))
print(resumed, disposition.retry(Work.objects.filter(state="parked")))
"""


@dataclass
class Service:
    """A program that is kept running. ``extra`` is added to the environment at its next start."""

    name: str
    command: list[str]
    log: Path
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    held_until: float = 0.0
    due_at: float = 0.0
    ends: Counter[int] = field(default_factory=Counter)

    @property
    def pid(self) -> int | None:
        """The id of its main process, if that runs."""
        return None if self.process is None or self.process.poll() is not None else self.process.pid


class Supervisor:
    """Starts services, starts again what has ended, and knows which process of django-q2's is which."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.services: dict[str, Service] = {}
        self._roles: dict[str, int] = {}
        self._sentinel: int | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.failure: BaseException | None = None

    def add(self, name: str, command: list[str], log: Path) -> Service:
        """Declare a service; it is started with the others."""
        service = self.services[name] = Service(name, command, log)
        return service

    def start(self) -> None:
        """Start all, and keep them running."""
        self._thread.start()

    def stop(self) -> None:
        """Kill all."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        for service in self.services.values():
            if service.process is not None:
                _kill_group(service.process.pid)
                service.process.wait(PATIENCE)

    def sentinel(self) -> int | None:
        """The process id of django-q2's sentinel."""
        pid = self.services["worker"].pid
        return next(iter(children(pid)), None) if pid else None

    def role(self, name: str) -> int | None:
        """The process id of one of the sentinel's children, by its role."""
        return self._roles.get(name)

    def _run(self) -> None:
        """Whoever starts a process must live as long as it (``bound``): so this one thread starts them all."""
        try:
            while not self._stopped.wait(LOOK_SECONDS):
                for service in self.services.values():
                    self._mend(service)
                self._look_at_family()
        except BaseException as error:
            self.failure = error

    def _mend(self, service: Service) -> None:
        now = time.monotonic()
        if service.process is not None:
            code = service.process.poll()
            if code is None:
                return
            _kill_group(service.process.pid)  # what its main process has left behind, as systemd does
            service.ends[code] += 1
            service.process, service.due_at = None, now + RESTART_SECONDS
        if now >= max(service.due_at, service.held_until):
            with service.log.open("ab") as log:
                service.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(CHECKOUT / "tests/faults/bound.py"), *service.command],
                    cwd=CHECKOUT,
                    env={**self.environment, **service.extra},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def _look_at_family(self) -> None:
        """Remember who is who among the sentinel's children: those that take a dead one's place come in its order."""
        sentinel = self.sentinel()
        if sentinel != self._sentinel:
            self._sentinel, self._roles = sentinel, {}
        if sentinel is None:
            return
        alive = children(sentinel)
        self._roles = {role: pid for role, pid in self._roles.items() if pid in alive}
        fresh = sorted(set(alive) - set(self._roles.values()), key=_started)
        missing = [role for role in ROLES if role not in self._roles]
        self._roles |= dict(zip(missing, fresh, strict=False))


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children; cheaper than asking for all processes of the machine."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(word) for word in path.read_text().split()]
    return [child for child in found if _alive(child)]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _started(pid: int) -> tuple[float, int]:
    try:
        return psutil.Process(pid).create_time(), pid
    except psutil.NoSuchProcess:
        return float("inf"), pid


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FaultSite(Site):
    """Web, worker and a second drainer. The database is the embedded one, which they start again themselves, or one
    beside them that somebody else looks after (``outside``): then it is away until the harness starts it.
    """

    def __init__(
        self, base: Path, model_url: str, *, outside: bool = False, pass_events: int = 20, lease: float = 3.0
    ) -> None:
        super().__init__(base, model_url)
        self.base, self.outside, self.lease = base, outside, lease
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_LEASE_SECONDS": str(lease),
            "REASONING_BATCH_SIZE": str(pass_events),
            "SECRET_KEY": "a key that signs nothing but tests",
            "PYTHONUNBUFFERED": "1",
        }
        self.down = False
        self.supervisor = Supervisor(self.environment)

    def begin(self) -> None:
        """Start the database and the services."""
        address = server.ensure_running(self.folder)
        self.where = f"host={address.host} port={address.port} user={address.user} dbname=honcho"
        if self.outside:
            # Not a host of the URL: that would be made lower case.
            self.environment["DATABASE_URL"] = f"postgres://{address.user}@/honcho?host={address.host}"
        manage = [sys.executable, "manage.py"]
        commands = {
            "web": processes.web(self.port, 2, "127.0.0.1"),
            "worker": [*manage, "worker"],
            "reason": [*manage, "reason", "--forever"],
        }
        for name, command in commands.items():
            self.supervisor.add(name, command, self.base / f"{name}.log")
        self.supervisor.start()

    @property
    def services(self) -> dict[str, Service]:
        """The services by name."""
        return self.supervisor.services

    def connect(self) -> psycopg.Connection[Any]:
        """Connect to the database, which need not be there."""
        return psycopg.connect(self.where, autocommit=True, connect_timeout=5)

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database, as soon as it can be reached."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                with self.connect() as connection:
                    cursor = connection.execute(sql, parameters or None)  # type: ignore[arg-type]
                    return cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > give_up:
                    raise
                if not self.down:
                    self.start_postgres()
                time.sleep(0.1)

    def start_postgres(self) -> None:
        """Start the database where nobody has, however long its recovery takes."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                server.ensure_running(self.folder, verify=True)
                self.connect().close()
                break
            except (psycopg.OperationalError, ImproperlyConfigured):
                time.sleep(0.1)  # somebody else is starting it, or it has not quite ended
        self.down = False

    def stop_postgres(self, mode: str) -> None:
        """``pg_ctl stop``: ``fast`` disconnects everybody, ``immediate`` leaves a crash to recover from."""
        with contextlib.suppress(subprocess.CalledProcessError, ImproperlyConfigured):  # it is just being started
            server._run(["pg_ctl", "stop", "-D", str(self.folder), "-m", mode, "-W"], self.folder)

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code under the site's settings, without a skewed clock, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{done.stdout}\n{done.stderr}"[-4000:])
        return done.stdout

    def operate(self) -> tuple[int, int]:
        """Do what an operator would: resume providers, let parked work be tried again; return how many of each."""
        resumed, retried = self.run(OPERATE).split()[-2:]
        return int(resumed), int(retried)

    def manage_now(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def tails(self, lines: int = 40) -> str:
        """Return the ends of all logs."""
        logs = [*(service.log for service in self.services.values()), self.folder / "server.log"]
        found = [
            "\n".join([f"--- {log.name}", *[line for line in _lines(log) if not _is_routine(line)][-lines:]])
            for log in logs
        ]
        return "\n".join(found)

    def clear(self) -> None:
        """Kill whatever is left and let the database go."""
        self.supervisor.stop()
        super().clear()

    def orphans(self) -> list[str]:
        """Return the processes that still work on this site's data."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HONCHO_DATA_DIR") == str(self.base / "data"):
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
        return found


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()
    except OSError:
        return []


ROUTINE = (
    '"code": 200',
    '"code": 503',
    '"django-q", "level": "info"',
    '"pass_ended"',
    "FATAL:  the database system is",
    "FATAL:  terminating connection",
)


def _is_routine(line: str) -> bool:
    return any(part in line for part in ROUTINE)


@dataclass(frozen=True)
class Template:
    """A data folder with a database that was migrated, to copy; and keys of apps in it."""

    data: Path
    keys: dict[str, str]


@contextmanager
def template(apps: tuple[str, ...]) -> Iterator[Template]:
    """A migrated database, made once for many runs."""
    base = shared.temporary("faults")
    site = FaultSite(base, "http://127.0.0.1:9/v1")
    try:
        try:
            copy_migrated(base)
            server.ensure_running(site.folder, settings={"fsync": "on"})
            keys = [line for line in site.run(PREPARE, *apps).splitlines() if line.startswith("hk_")]
        finally:
            site.clear()
        yield Template(base / "data", dict(zip(apps, keys, strict=True)))
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def site(made: Template, model_url: str, **options: Any) -> Iterator[FaultSite]:
    """A running site on a copy of a template; gone afterwards."""
    base = shared.temporary("faults")
    place = FaultSite(base, model_url, **options)
    try:
        subprocess.run(["cp", "-a", str(made.data), str(base / "data")], check=True)
        place.begin()
        yield place
    finally:
        place.clear()
        shutil.rmtree(base, ignore_errors=True)


def wait_for(condition: Callable[[], Any], patience: float, every: float = 0.1) -> bool:
    """Wait until ``condition`` holds; say whether it came to that."""
    give_up = time.monotonic() + patience
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(every)
    return True
