"""What an event and an entry of a feed name is there, is of the same app, and stays."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction

from memory import log, tenants
from memory.errors import Conflict
from memory.models import Event, FeedEntry, Project, Session, Subject, User
from tests.store.helpers import is_waited_for, refused, said, together, until

# Everything else that names the row, so that nothing but the log stands in the way.
CLEARED = {
    Session: ("memory_participant", "memory_feedentry", "memory_subject"),
    User: ("memory_participant", "memory_feedentry", "memory_subject"),
    Project: ("memory_feedentry", "memory_subject"),
    Subject: ("memory_line",),
}


@pytest.fixture
def written(transactional_db):
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    project, _ = tenants.make_project(app, "spring")
    log.append(app, [log.NewEvent(content="hello")], project=project)
    log.append(app, [log.NewEvent(content="hello", author="ben")], session="everybody's")
    log.append(app, [log.NewEvent(content="hello")], user=ana)


def delete_refused(model: type[Session | User | Project | Subject], those: str = "true") -> str:
    """Try to delete rows of a table that only the log names, and return what the database said."""
    tables = [*(f"{table} WHERE true" for table in CLEARED[model]), f"{model._meta.db_table} WHERE {those}"]
    return refused(";".join(f"DELETE FROM {each}" for each in tables))


@pytest.mark.parametrize(
    ("model", "named_by"),
    [
        (Session, "memory_event_session_id"),
        (User, "memory_event_user_id"),
        (Project, "memory_event_project_id"),
        (Subject, "memory_feedentry_subject_id"),
    ],
)
def test_what_is_named_cannot_be_deleted(written, model, named_by):
    before = model.objects.count()
    assert f'("{named_by}") still' in delete_refused(model)
    assert model.objects.count() == before


def test_an_author_cannot_be_deleted_who_is_only_that(written):
    assert '("memory_event_author_id") still' in delete_refused(User, "name = 'ben'")


@pytest.mark.parametrize("model", CLEARED)
def test_a_transaction_that_does_not_see_what_others_have_committed_may_not_delete(written, model):
    delete = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; DELETE FROM {model._meta.db_table} WHERE false"
    assert "in a transaction that is READ COMMITTED" in refused(delete)


@pytest.mark.parametrize("model", CLEARED)
def test_a_key_that_is_named_stays_what_it_is(written, model):
    assert "stays what it is" in refused(f"UPDATE {model._meta.db_table} SET id = %s", [uuid4()])


@pytest.mark.django_db
def test_an_entry_names_a_subject_that_is_there_and_keeps_to_it():
    [event] = said("hello")
    entry = "INSERT INTO memory_feedentry (event_id, subject_id) VALUES (%s, %s)"
    assert "names a subject that is not there" in refused(entry, [event, uuid4()])
    assert "UPDATE of a row of memory_feedentry is refused" in refused(
        "UPDATE memory_feedentry SET subject_id = %s", [uuid4()]
    )


def test_who_deletes_waits_for_who_writes_and_is_then_refused(written):
    written_to, deleting = threading.Event(), threading.Event()

    def write():
        with transaction.atomic():
            log.append("harbour", [log.NewEvent(content="again")], session="everybody's")
            written_to.set()
            until(is_waited_for, "the other waits")
        deleting.wait(30)

    def delete():
        written_to.wait(30)
        try:
            return delete_refused(Session)
        finally:
            deleting.set()

    _, told = together(write, delete)
    assert "are named by rows of" in told
    assert Event.objects.filter(session__isnull=False).count() == 2


def test_who_writes_waits_for_who_deletes_and_is_then_told(written):
    deleted = threading.Event()
    empty, _ = tenants.make_session(
        tenants.find_app("harbour"), tenants.make_user(tenants.find_app("harbour"), "cy")[0], "empty"
    )

    def delete():
        with transaction.atomic(), connection.cursor() as cursor:
            for table in ("memory_participant", "memory_subject"):
                cursor.execute(f"DELETE FROM {table} WHERE session_id = %s", [empty.pk])
            cursor.execute("DELETE FROM memory_session WHERE id = %s", [empty.pk])
            deleted.set()
            until(is_waited_for, "the other waits")

    def write():
        deleted.wait(30)
        with pytest.raises(Conflict, match="erased meanwhile"):
            log.append("harbour", [log.NewEvent(content="too late")], session=empty)

    together(delete, write)
    assert not Event.objects.filter(content="too late").exists()
    assert not FeedEntry.objects.exclude(subject__in=Subject.objects.all()).exists()
