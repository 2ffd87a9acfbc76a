"""The embedded PostgreSQL, with real processes that start, join, end and are killed."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psutil  # type: ignore[import-untyped]
import pytest
from django.core.exceptions import ImproperlyConfigured

from honcho_site.embedded_postgres import server
from honcho_site.embedded_postgres.keeper import lock_file

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60

#: A process that uses the database: it runs each line of SQL that it is sent and answers with the first
#: value, or with the error. "fork" makes a child that lives until the file named after it appears.
CHILD = """
import os, sys, time
from django.conf import settings
settings.configure(DATABASES={"default": {
    "ENGINE": "honcho_site.embedded_postgres", "NAME": "honcho", "DATA_DIR": sys.argv[1],
    "SERVER_SETTINGS": {"fsync": "off"},
}})
import django
django.setup()
from django.db import connection
for line in sys.stdin:
    line = line.strip()
    if line.startswith("fork "):
        if os.fork() == 0:
            while not os.path.exists(line[5:]):
                time.sleep(0.05)
            os._exit(0)
        answer = "forked"
    else:
        try:
            with connection.cursor() as cursor:
                cursor.execute(line)
                answer = str(cursor.fetchone()[0]) if cursor.description else "done"
        except Exception as error:
            connection.close()
            answer = f"error: {type(error).__name__}"
            print(error, file=sys.stderr)
    print(answer, flush=True)
"""


class User:
    """A process that uses the database in a folder."""

    started: ClassVar[list["User"]] = []

    def __init__(self, folder: Path, **options):
        self.started.append(self)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            **options,
        )

    def ask(self, line: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return str(self.process.stdout.readline()).strip()

    def end(self) -> str:
        """End it in good order, and give what it said to stderr."""
        _, said = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        return str(said)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until ``condition`` holds, and fail after a while."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"waited {PATIENCE} s in vain: {what}"
        time.sleep(0.05)


def postmaster(folder: Path) -> int | None:
    """The pid of the server of ``folder``, if it is up."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None
    return pid if server._is_postgres(pid) else None


def until_stopped(folder: Path) -> None:
    until(lambda: not server._orphans(folder), "the server should stop")
    assert not (folder / "postmaster.pid").exists()


def keeper_at_work(folder: Path) -> bool:
    """Say whether a keeper holds its lock."""
    with lock_file(folder, "keeper").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def data_folder(name: str = "data") -> Iterator[Path]:
    """A place for a database; whatever still uses it at the end is killed."""
    # Not in pytest's own folder, which other users may not enter: PostgreSQL is one where the tests run as
    # root.
    base = Path(tempfile.mkdtemp(prefix="honcho-test-"))
    base.chmod(0o755)
    folder = base / name / "postgres"
    try:
        yield folder
        for user in User.started:
            if user.process.poll() is None:  # a test that failed half-way left it
                user.kill()
        User.started.clear()
        until_stopped(folder)
    finally:
        for process in psutil.process_iter(["name", "cmdline"]):
            if str(base) in " ".join(process.info["cmdline"] or []):
                process.kill()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def folder():
    with data_folder() as path:
        yield path


def test_two_processes_share_one_server_and_the_last_one_out_stops_it(folder):
    first = User(folder)
    assert first.ask("SELECT 'hello'") == "hello"
    pid = postmaster(folder)
    second = User(folder)
    assert second.ask("SELECT 'hello'") == "hello"
    assert postmaster(folder) == pid

    assert f"PostgreSQL runs with its data in {folder}" in first.end()
    assert second.ask("SELECT 'still here'") == "still here"
    assert postmaster(folder) == pid

    assert second.end() == ""  # who joins does not repeat where the data are
    until_stopped(folder)


def test_many_processes_that_come_at_once_start_one_server(folder):
    users = [User(folder) for _ in range(6)]
    for user in users:
        assert user.process.stdin
        user.process.stdin.write("SELECT pg_postmaster_start_time()\n")
        user.process.stdin.flush()
    answers = [user.process.stdout.readline() for user in users if user.process.stdout]
    said = "".join(user.end() for user in users)

    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert "-" in answers[0]  # a date, not an error
    assert said.count("PostgreSQL runs with its data in") == 1


def test_a_killed_process_does_not_keep_the_server_up(folder):
    first, second = User(folder), User(folder)
    assert first.ask("SELECT 1") == second.ask("SELECT 1") == "1"
    first.kill()
    assert second.ask("SELECT 2") == "2"
    second.end()
    until_stopped(folder)


def test_the_server_stops_although_all_of_its_processes_were_killed(folder):
    users = [User(folder), User(folder)]
    assert [user.ask("SELECT 1") for user in users] == ["1", "1"]
    for user in users:
        user.kill()
    until_stopped(folder)


def test_a_forked_child_keeps_the_server_up_after_its_parent(folder):
    user = User(folder)
    assert user.ask("SELECT 1") == "1"
    leave = folder.parent / "leave"
    assert user.ask(f"fork {leave}") == "forked"
    pid = postmaster(folder)
    assert user.process.stdin
    user.process.stdin.close()
    user.process.wait(PATIENCE)

    other = User(folder)
    assert other.ask("SELECT 1") == "1"
    other.end()
    time.sleep(0.5)  # time enough for a keeper that counts wrong
    assert postmaster(folder) == pid

    leave.touch()
    until_stopped(folder)
    for stream in (user.process.stdout, user.process.stderr):
        assert stream
        stream.close()


def test_what_was_written_is_there_at_the_next_start(folder):
    user = User(folder)
    assert user.ask("CREATE TABLE kept AS SELECT 'a fact' AS fact") == "done"
    user.end()
    until_stopped(folder)
    user = User(folder)
    assert user.ask("SELECT fact FROM kept") == "a fact"
    user.end()


def test_a_server_that_was_killed_is_brought_back_by_the_next_connection(folder):
    user, other = User(folder), User(folder)
    assert user.ask("CREATE TABLE kept AS SELECT 'a fact' AS fact") == "done"
    assert other.ask("SELECT 1") == "1"
    killed = postmaster(folder)
    assert killed
    os.kill(killed, signal.SIGKILL)
    until(lambda: not server._is_postgres(killed), "the server should die")

    assert user.ask("SELECT fact FROM kept") == "error: OperationalError"  # its connection died with the server
    assert user.ask("SELECT fact FROM kept") == "a fact"
    assert postmaster(folder) not in (None, killed)
    other.ask("SELECT fact FROM kept")
    assert other.ask("SELECT fact FROM kept") == "a fact"
    user.end()
    other.end()


def test_a_connection_waits_while_the_server_recovers_from_the_crash_of_a_backend(folder):
    user = User(folder)
    backend = int(user.ask("SELECT pg_backend_pid()"))
    pid = postmaster(folder)
    os.kill(backend, signal.SIGKILL)
    assert user.ask("SELECT 1") == "error: OperationalError"
    assert user.ask("SELECT 'back'") == "back"
    assert postmaster(folder) == pid
    user.end()


def test_a_killed_keeper_is_replaced_by_the_next_process(folder):
    first = User(folder)
    assert first.ask("SELECT 1") == "1"
    keepers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in (process.info["cmdline"] or []) and "keeper.py" in " ".join(process.info["cmdline"])
    ]
    assert len(keepers) == 1
    keepers[0].kill()
    until(lambda: not keeper_at_work(folder), "the keeper should die")

    second = User(folder)
    assert second.ask("SELECT 1") == "1"
    until(lambda: keeper_at_work(folder), "another keeper should take its place")
    first.end()
    second.end()
    until_stopped(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_runs_it_without_help_from_root(folder):
    nobody = pwd.getpwnam("nobody")
    as_nobody: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        subprocess.run([sys.executable, "-c", ""], cwd="/", capture_output=True, check=True, **as_nobody)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"only root can run {sys.executable}")
    folder.parent.mkdir()
    os.chown(folder.parent, nobody.pw_uid, nobody.pw_gid)
    user = User(folder, **as_nobody)
    assert user.ask("SELECT 'hello'") == "hello"
    assert folder.stat().st_uid == nobody.pw_uid
    joined_by_root = User(folder)
    assert joined_by_root.ask("SELECT 'hello'") == "hello"
    user.end()
    joined_by_root.end()
    until_stopped(folder)
    started_by_root = User(folder)
    assert started_by_root.ask("SELECT 'hello'") == "hello"
    pid = postmaster(folder)
    assert pid
    assert psutil.Process(pid).uids().real == nobody.pw_uid
    started_by_root.end()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 60 + "/" + "y" * 60, id="longer than a socket's path may be"),
        "with a space and an ' too",
    ],
)
def test_any_folder_will_do(name):
    with data_folder(name) as folder:
        user = User(folder)
        assert user.ask("SELECT current_setting('data_directory')") == str(folder)
        user.end()


def test_durability_is_on_unless_told(folder):
    settings = "SELECT current_setting('fsync') || current_setting('synchronous_commit')"
    code = CHILD.replace('"SERVER_SETTINGS": {"fsync": "off"},', "")
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=settings,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "onon", found.stderr


def test_variables_of_other_postgres_programs_change_nothing(folder):
    foreign = {
        "PGPORT": "1",
        "PGHOST": "elsewhere",
        "PGDATA": "/nowhere",
        "PGDATABASE": "other",
        "PGUSER": "nobody",
    }
    user = User(folder, env={**os.environ, **foreign})
    assert user.ask("SELECT current_database() || ' ' || current_user") == "honcho postgres"
    user.end()


def test_the_server_listens_on_no_network_and_lets_no_other_user_in(folder):
    user = User(folder)
    assert user.ask("SELECT current_setting('listen_addresses')") == ""
    assert folder.stat().st_mode & 0o077 == 0
    user.end()


def test_an_interrupted_first_start_is_made_good(folder):
    unfinished = folder.with_name("postgres.new")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    user = User(folder)
    assert user.ask("SELECT 1") == "1"
    assert not unfinished.exists()
    user.end()


def test_vectors_are_at_hand(folder):
    user = User(folder)
    assert user.ask("CREATE EXTENSION vector") == "done"
    assert user.ask("SELECT '[1,2]'::vector <-> '[1,3]'::vector") == "1.0"
    user.end()


def test_a_folder_of_another_version_is_refused_with_what_to_do(folder):
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("14\n")
    with pytest.raises(ImproperlyConfigured, match=r"made by PostgreSQL 14.*pg_dumpall"):
        server.ensure_running(folder)
    release(folder)


def test_a_folder_of_other_files_is_left_alone(folder):
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("the only copy")
    with pytest.raises(ImproperlyConfigured, match="holds files but no PostgreSQL"):
        server.ensure_running(folder)
    assert (folder / "thesis.txt").read_text() == "the only copy"
    release(folder)


def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(folder):
    folder.parent.parent.joinpath("data").write_text("a file where the folder should be")
    with pytest.raises(ImproperlyConfigured, match=r"cannot be used.*HONCHO_DATA_DIR"):
        server.ensure_running(folder)


def release(folder: Path) -> None:
    """Let this process be no user any more."""
    os.close(server._held.pop(folder))
    assert lock_file(folder, "users").exists()


def test_importing_the_settings_starts_nothing(tmp_path):
    code = "import django; django.setup(); from django.conf import settings; print(settings.DATABASES)"
    environment = {
        **os.environ,
        "HONCHO_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
    }
    for name in ("DATABASE_URL", "SECRET_KEY"):
        environment.pop(name, None)
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "honcho_site.embedded_postgres" in found.stdout
    assert not list(tmp_path.glob("postgres*"))


def test_dbshell_opens_the_servers_own_psql():
    with data_folder() as folder:
        environment = {
            **os.environ,
            "HONCHO_DATA_DIR": str(folder.parent),
            "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
        }
        environment.pop("DATABASE_URL", None)
        found = subprocess.run(
            [sys.executable, "manage.py", "dbshell", "--", "-Atc", "SELECT current_database()"],
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
        )
        assert (found.stdout, found.returncode) == ("honcho\n", 0), found.stderr
