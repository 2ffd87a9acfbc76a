"""What one machine can run of many: a database, web servers, drainers, and what stands between them, on loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg

from benchmarks.accounting import tree_seconds
from honcho_site import processes
from honcho_site.embedded_postgres import server
from honcho_site.embedded_postgres.keeper import PORT
from honcho_site.environment import VARIABLES
from honcho_site.launcher import free_port

PATIENCE = 60.0


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE, every: float = 0.02) -> Any:
    """Wait until ``condition`` gives something true, and return that. Raises ``TimeoutError`` with ``what``."""
    give_up = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited {patience:g} s in vain: {what}")
        time.sleep(every)
    return found


class Postgres:
    """A PostgreSQL on a socket in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, **options: str) -> str:
        """Return the ``DATABASE_URL`` that leads there."""
        asked = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgres://{server.SUPERUSER}@/{server.DATABASE}?host={self.folder}" + (f"&{asked}" if asked else "")

    def ask(self, sql: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return what a statement answers, by a connection of its own."""
        where = f"host={self.folder} port={PORT} user={server.SUPERUSER} dbname={server.DATABASE}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, sql: LiteralString, *parameters: Any) -> Any:
        """Return the one value that a statement answers."""
        return self.ask(sql, *parameters)[0][0]


class Servers:
    """Processes of one site. Everything is gone when the ``with`` block ends."""

    def __init__(self, base: Path, model_url: str) -> None:
        self.base = base
        self.environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | {
            "DJANGO_SETTINGS_MODULE": "benchmarks.scaling.settings",
            "HONCHO_DATA_DIR": str(base / "site"),
            "HONCHO_ENV_FILE": os.devnull,
            "PROMETHEUS_MULTIPROC_DIR": str(base / "metrics"),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": model_url,
        }
        address = server.ensure_running(base / "postgres")
        self.postgres = Postgres(Path(address.host))
        self.environment["DATABASE_URL"] = self.postgres.url()
        self._started: list[subprocess.Popen[bytes]] = []
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *words: str) -> str:
        """Run a management command to its end and return what it prints."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command, cwd=processes.CHECKOUT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}"[-4000:])
        return done.stdout

    def key(self, *words: str) -> str:
        """Return a new key; without words an operator's."""
        printed = self.manage("create_api_key", "scaling", *(words or ("--scope", "operator")))
        return next(line for line in printed.splitlines() if line.startswith("hk_"))

    def start(self, command: list[str], name: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start a program of the site, with more in its environment."""
        with (self.base / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command, cwd=processes.CHECKOUT, env={**self.environment, **extra},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._started.append(started)
        return started

    def log(self, name: str) -> str:
        """Return what the programs of that name have written."""
        path = self.base / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self, *ended: subprocess.Popen[bytes], kill: bool = False) -> None:
        """Stop programs (or kill them, with all that they have forked) and wait for their end."""
        for each in ended:
            with suppress(ProcessLookupError):
                if kill:
                    os.killpg(each.pid, signal.SIGKILL)
                else:
                    each.terminate()
        for each in ended:
            try:
                each.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(each.pid, signal.SIGKILL)
                each.wait()
            self._started.remove(each)

    def clear(self) -> None:
        """Kill what is left and let the database go."""
        self.end(*self._started, kill=True)
        held = server._held.pop(self.base / "postgres", None)
        if held is not None:
            os.close(held)

    @contextmanager
    def webs(self, count: int, key: str, **extra: str) -> Iterator[list[Web]]:
        """``count`` web servers of one process each, each asked by a client of its own."""
        with ExitStack() as clients:
            started = []
            for _ in range(count):
                port = free_port()
                process = self.start(processes.web(port, 1, "127.0.0.1"), "web", **extra)
                client = clients.enter_context(Web(f"http://127.0.0.1:{port}", key, process))
                started.append(client)
            for web in started:
                until(web.answers, f"{web.base_url} answers; see {self.base}/web.log", every=0.1)
            try:
                yield started
            finally:
                self.end(*(web.process for web in started))

    @contextmanager
    def drainers(self, count: int, **extra: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        """``count`` drainers (``manage.py reason --forever``) that have said that they live."""
        before = self.beating()
        started = [
            self.start([sys.executable, "manage.py", "reason", "--forever"], "drainer", **extra) for _ in range(count)
        ]
        until(lambda: self.beating() >= before + count, "the drainers beat")
        try:
            yield started
        finally:
            self.end(*(each for each in started if each in self._started))

    def beating(self) -> int:
        """Return how many workers are there."""
        return int(self.postgres.one("SELECT count(*) FROM reasoning_worker"))


class Web(httpx.Client):
    """A client of one web server, with a key."""

    def __init__(self, url: str, key: str, process: subprocess.Popen[bytes]) -> None:
        super().__init__(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.process = process

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return self.get("/healthz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the server and its workers have used."""
        return tree_seconds(self.process.pid)


@contextmanager
def servers(model_url: str) -> Iterator[Servers]:
    """A migrated site with nothing running but its database; gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="honcho-scaling-"))
    base.chmod(0o755)
    made = None
    try:
        made = Servers(base, model_url)
        yield made
    finally:
        if made is not None:
            made.clear()
        shutil.rmtree(base, ignore_errors=True)


def owned(folder: Path, like: Path) -> dict[str, int]:
    """Make a folder that belongs to the database's user, and return how a program is run as that user."""
    owner = like.stat()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(folder, owner.st_uid, owner.st_gid)
    return {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}


@contextmanager
def replica(made: Servers) -> Iterator[Postgres]:
    """A streaming replica of the site's database."""
    folder = made.base / "replica"
    owned(folder, made.postgres.folder)
    data = folder / "data"
    told = dict(server.SERVER_SETTINGS) | {"listen_addresses": "''", "unix_socket_directories": str(folder)}
    options = " ".join(f"-c {name}={value}" for name, value in told.items())
    copy = ["pg_basebackup", "-h", str(made.postgres.folder), "-U", server.SUPERUSER, "-D", str(data), "-R"]
    server._run([*copy, "-c", "fast"], folder)
    server._run(["pg_ctl", "start", "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options], folder)
    try:
        yield Postgres(folder)
    finally:
        server._run(["pg_ctl", "stop", "-w", "-D", str(data), "-m", "immediate"], folder)


POOLER = """
[databases]
{database} = host={host} port={port} user={user}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {port}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
auth_type = any
ignore_startup_parameters = extra_float_digits,options
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pooler(made: Servers, size: int) -> Iterator[Postgres]:
    """A PgBouncer that pools by transaction, with ``size`` connections to the database."""
    folder = made.base / "pooler"
    user = owned(folder, made.postgres.folder)
    settings: Mapping[str, object] = {
        "database": server.DATABASE, "host": made.postgres.folder, "port": PORT, "user": server.SUPERUSER,
        "folder": folder, "size": size,
    }  # fmt: skip
    (folder / "ini").write_text(POOLER.format(**settings))
    program = shutil.which("pgbouncer") or ""
    started = subprocess.Popen([program, "-q", str(folder / "ini")], extra_groups=[] if user else None, **user)  # type: ignore[call-overload]
    pool = Postgres(folder)
    try:
        until((folder / f".s.PGSQL.{PORT}").exists, "PgBouncer listens")
        yield pool
    finally:
        started.kill()
        started.wait()


@contextmanager
def redis(made: Servers) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis that keeps nothing: its URL and its process."""
    port = free_port()
    command = [shutil.which("redis-server") or "", "--port", str(port), "--save", "", "--appendonly", "no"]
    started = made.start(command, "redis")
    until(lambda: "Ready to accept connections" in made.log("redis"), "Redis listens")
    try:
        yield f"redis://127.0.0.1:{port}/0", started
    finally:
        if started.poll() is None:
            made.end(started)
