"""Reads from a replica: a real standby of the tests' server, whose replay is stopped where a test wants it behind."""

from __future__ import annotations

import contextlib
import contextvars
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from honcho_site.embedded_postgres import server
from honcho_site.embedded_postgres.keeper import PORT
from memory import reading, replica
from memory.api import positions
from tests import databases, shared
from tests.api.conftest import Agent, path_of, publish, refused
from tests.factories import EventFactory
from tests.store.helpers import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not databases.is_ours(), reason="makes a standby of the embedded PostgreSQL"),
]

HEADER = positions.HEADER
ANY = "0/0"


class Standby:
    """The second server, and the site's connection to it."""

    def __init__(self, folder: Path) -> None:
        self.where = f"host={folder} port={PORT} user={server.SUPERUSER} dbname=postgres"
        connections[replica.ALIAS].connect()  # by now, for tests may not open what the site's settings do not have

    def run(self, sql: LiteralString) -> Any:
        with psycopg.connect(self.where) as beside:
            return beside.execute(sql).fetchone()

    def disconnect(self) -> None:
        """End the site's connection, as a server does that goes away."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_honcho_%'")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What is committed meanwhile is not seen there."""
        self.run("SELECT pg_wal_replay_pause()")
        until(lambda: self.run("SELECT pg_get_wal_replay_pause_state()") == ("paused",), "it stops replaying")
        try:
            yield
        finally:
            self.run("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until it has all that is committed."""
        goal = number(replica.position())
        with replica.reading():
            until(lambda: number(replica.position()) >= goal, "the replica catches up")


def number(position: str) -> int:
    found = replica.number(position)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def standby_folder(django_db_setup: None, django_db_blocker: Any) -> Iterator[Path]:
    """A standby of the tests' server: the folder of its socket."""
    with django_db_blocker.unblock():
        primary = Path(connection.get_connection_params()["host"])
    folder = shared.temporary("standby")
    shutil.chown(folder, primary.stat().st_uid, primary.stat().st_gid)
    data = folder / "data"
    told = dict(server.SERVER_SETTINGS) | {
        "listen_addresses": "''",
        "unix_socket_directories": str(folder),
        "fsync": "off",
    }
    options = " ".join(f"-c {name}={value}" for name, value in told.items())
    copy = ["pg_basebackup", "-h", str(primary), "-U", server.SUPERUSER, "-D", str(data), "-R", "-c", "fast", "-N"]
    try:
        server._run(copy, folder)
        server._run(["pg_ctl", "start", "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options], folder)
        yield folder
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server._run(["pg_ctl", "stop", "-w", "-D", str(data), "-m", "immediate"], folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def standby(standby_folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """A site whose replica can be stopped."""
    settings.DATABASE_ROUTERS = ["memory.replica.Router"]
    monkeypatch.setattr(positions, "_away_until", 0.0)
    connections.settings[replica.ALIAS] = connection.settings_dict | {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": str(standby_folder),
        "USER": server.SUPERUSER,
        "PORT": PORT,
        "CONN_HEALTH_CHECKS": False,
    }
    yield Standby(standby_folder)
    connections[replica.ALIAS].close()
    del connections[replica.ALIAS]
    del connections.settings[replica.ALIAS]


@pytest.fixture
def talk() -> Any:
    """A session of a user of whom something is known."""
    event = EventFactory(content="I write Python.")
    publish(event.user, ["Prefers Python."], [event], card=["Name: Ann"])
    publish(event.session, ["Asked about Stripe."], [event])
    return event.session


def test_what_is_read_from_the_replica_is_what_the_database_says(operator: Agent, talk: Any, standby: Standby) -> None:
    standby.catch_up()
    for address in ("context?include=conclusions,summary,card,pending", "context?tokens=20", "representation"):
        path = f"{path_of(talk)}/{address}"
        expected, _ = operator.get(path), operator.get(path)
        with CaptureQueriesContext(connection) as here, CaptureQueriesContext(connections[replica.ALIAS]) as there:
            answered = operator.send("GET", path, **{HEADER: ANY})
        assert without_seconds(answered.json()) == without_seconds(expected)
        assert answered[HEADER]
        assert (len(here), len(there) > 0) == (0, True), "the database itself is asked nothing"


def without_seconds(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"behind": body["behind"]["events"]}


def test_who_sends_back_the_position_of_a_write_reads_it(operator: Agent, talk: Any, standby: Standby) -> None:
    standby.catch_up()
    context = f"{path_of(talk)}/context"
    with standby.stopped():
        written = operator.send("POST", f"{path_of(talk)}/messages", {"content": "And Rust.", "is_user": True})
        later = operator.send("GET", context, **{HEADER: written[HEADER]})
        anytime = operator.send("GET", context, **{HEADER: ANY})
        unasked = operator.send("GET", context)
    assert [each.json()["behind"]["events"] for each in (later, anytime, unasked)] == [1, 0, 1]
    assert number(anytime[HEADER]) < number(written[HEADER]) <= number(later[HEADER])
    assert HEADER not in unasked


def test_the_replica_answers_once_it_has_come_so_far(operator: Agent, talk: Any, standby: Standby) -> None:
    written = operator.send("POST", f"{path_of(talk)}/messages", {"content": "And Rust.", "is_user": True})
    standby.catch_up()
    with CaptureQueriesContext(connections[replica.ALIAS]) as there:
        answered = operator.send("GET", f"{path_of(talk)}/context", **{HEADER: written[HEADER]})
    assert answered.json()["behind"]["events"] == 1
    assert len(there) == 3  # how far it is, the read, and how far it is now


def test_a_version_that_was_published_after_the_position_replaces_the_older_one_and_its_tag(
    operator: Agent, talk: Any, standby: Standby
) -> None:
    standby.catch_up()
    context = f"{path_of(talk)}/context"
    with standby.stopped():
        tag = operator.send("GET", context, **{HEADER: ANY})["ETag"]
        publish(talk, short_summary="Newer.")
        seen = operator.send("GET", context)
        assert seen["ETag"] != tag
        assert operator.send("GET", context, **{HEADER: ANY, "If_None_Match": tag}).status_code == 304
        newest = replica.position()
        assert operator.send("GET", context, **{HEADER: newest, "If_None_Match": tag}).status_code == 200


def test_who_waits_for_reasoning_reads_from_the_database_itself(operator: Agent, talk: Any, standby: Standby) -> None:
    with CaptureQueriesContext(connections[replica.ALIAS]) as there:
        operator.get(f"{path_of(talk)}/context?wait=0.1", **{HEADER: ANY})
    assert len(there) == 0


def test_a_replica_that_has_gone_away_is_not_missed(operator: Agent, talk: Any, standby: Standby) -> None:
    with standby.stopped():
        publish(talk, short_summary="Newer.")
        standby.disconnect()
        answered = operator.send("GET", f"{path_of(talk)}/context?include=summary", **{HEADER: ANY})
    assert answered.json()["summary"]["short"] == "Newer."
    assert positions._away_until > 0


def test_one_request_alone_finds_out_whether_a_replica_is_back(
    operator: Agent, talk: Any, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby.catch_up()
    context, position = f"{path_of(talk)}/context", replica.position
    monkeypatch.setattr(positions, "_away_until", time.monotonic() - 1)
    asked: list[int] = []

    def slow() -> str:
        if replica.connection().alias == replica.ALIAS:
            asked.append(1)
            if len(asked) == 1:  # meanwhile another comes
                beside = contextvars.Context().run(operator.send, "GET", context, **{HEADER: ANY})
                assert beside.status_code == 200
                assert len(asked) == 1, "who comes meanwhile does not ask it too"
        return position()

    monkeypatch.setattr(replica, "position", slow)
    assert operator.send("GET", context, **{HEADER: ANY}).status_code == 200
    assert asked
    assert positions._away_until == 0, "it is back"


def test_a_replica_that_has_not_replayed_a_migration_is_not_missed(
    operator: Agent, talk: Any, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby.catch_up()
    monkeypatch.setattr(reading, "_READ", reading._READ.replace("memory_read", "memory_read_anew"))
    with standby.stopped(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('memory_read'::regproc)")
        cursor.execute(cursor.fetchone()[0].replace("memory_read", "memory_read_anew"))
        answered = operator.send("GET", f"{path_of(talk)}/context", **{HEADER: ANY})
        cursor.execute("DROP FUNCTION memory_read_anew")
    assert answered.status_code == 200


def test_a_position_that_is_none_is_refused(operator: Agent, talk: Any, standby: Standby) -> None:
    [problem] = refused(operator.send("GET", f"{path_of(talk)}/context", **{HEADER: "yesterday"}), 422, "invalid")
    assert problem["loc"] == ["header", HEADER]
    assert "0/0" in problem["msg"]


def test_without_a_replica_nothing_is_said_of_positions(operator: Agent, talk: Any) -> None:
    written = operator.send("POST", f"{path_of(talk)}/messages", {"content": "And Rust.", "is_user": True})
    read = operator.send("GET", f"{path_of(talk)}/context", **{HEADER: "whatever"})
    assert (written.status_code, read.status_code) == (200, 200)
    assert HEADER not in written
    assert HEADER not in read


def test_nothing_is_migrated_on_the_replica() -> None:
    assert replica.Router().allow_migrate(replica.ALIAS, "memory") is False
    assert replica.Router().allow_migrate("default", "memory") is None
