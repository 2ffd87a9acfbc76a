"""After an erasure the dead rows go too: from tables, from indexes and, once all is written anew, from every page."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction

from memory.erasure import act, vacuum
from memory.errors import Conflict
from memory.models import Erasure, User
from memory.search import index
from tests.erasure.helpers import MARK, scalar
from tests.loop.helpers import AT_ONCE, FakeProvider, drain
from tests.store.helpers import say, together, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def erased(settings) -> Erasure:
    settings.HONCHO = AT_ONCE
    say(f"I am {MARK}.", user=MARK)
    say("I am Ben.", user="ben")
    drain(FakeProvider())
    return act.erase(User.objects.get(name=MARK))


def test_the_chore_vacuums_once(erased):
    until(vacuum.vacuum_erased, "it vacuums, once no autovacuum is older")
    erased.refresh_from_db()
    assert erased.vacuumed_at is not None
    assert erased.vacuum_note == ""
    assert not vacuum.vacuum_erased()


def test_no_index_keeps_a_word_that_only_what_is_erased_had(settings):
    say(f"I am called {MARK} now.", user="ben")
    index.work()
    assert holding("passage_words"), "it looks where words are"
    act.erase(User.objects.get(name="ben"))
    until(vacuum.vacuum_erased, "it vacuums, once no autovacuum is older")
    assert not holding("passage_words")


def holding(relation: str) -> bool:
    """Say whether an index holds the marker, on disk."""
    if not scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        pytest.skip("only a superuser may look into a file")
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_read_binary_file(pg_relation_filepath(%s))", [relation])
        return MARK.lower().encode() in bytes(cursor.fetchone()[0])


def test_it_waits_for_transactions_that_may_still_see_it(erased):
    seen, done = threading.Event(), threading.Event()

    def reader() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM memory_event")
            seen.set()
            assert done.wait(20)

    def erase_and_vacuum() -> None:
        assert seen.wait(20)
        try:
            act.erase(User.objects.get(name="ben"))
            assert not vacuum.vacuum_erased()
        finally:
            done.set()

    together(reader, erase_and_vacuum)
    until(vacuum.vacuum_erased, "it vacuums, once no autovacuum is older")
    assert not Erasure.objects.filter(vacuumed_at=None).exists()


def test_what_the_role_may_not_vacuum_is_said(erased, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE honcho_guest")
        cursor.execute("GRANT USAGE ON SCHEMA public TO honcho_guest")
        cursor.execute("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO honcho_guest")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE honcho_guest")
        until(vacuum.vacuum_erased, "it vacuums, once no autovacuum is older")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY honcho_guest")
            cursor.execute("DROP ROLE honcho_guest")
    erased.refresh_from_db()
    assert "Not the owner of" in erased.vacuum_note


def test_nothing_is_written_anew_while_a_transaction_of_any_database_may_still_see_it():
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    parameters.pop("cursor_factory", None)
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_current_xact_id()")
        act.erase(User.objects.get(name="ben"))
        with pytest.raises(Conflict, match="Nothing was written"):
            vacuum.rewrite_all(patience=0)
    assert vacuum.rewrite_all() == []


def test_once_every_table_is_written_anew_no_file_holds_it(erased):
    if not scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        pytest.skip("only a superuser is told where the files are")
    call_command("erase", rewrite=True, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SHOW data_directory")
        root = Path(cursor.fetchone()[0])
        cursor.execute(
            "SELECT relname, pg_relation_filepath(oid) FROM pg_class"
            " WHERE pg_relation_filepath(oid) IS NOT NULL AND relnamespace <> 'pg_catalog'::regnamespace"
        )
        files = [(name, root / path) for name, path in cursor.fetchall()]
    if not any(path.exists() for _, path in files):
        pytest.skip("the server's files are not here")
    holds = {name for name, path in files if path.exists() and MARK.encode() in path.read_bytes()}
    assert holds == set()
    assert any(b"I am Ben" in path.read_bytes() for _, path in files if path.exists()), "it looks where texts are"
