"""What the database itself refuses, whoever asks it: changes of what is kept, and rows across tenants."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import connection

from memory import corrections, keys, log, publishing, quarantine, tenants
from memory.models import Conclusion, Event, Evidence, Representation, Subject
from tests.store.helpers import concluded, draft_on, person, refused, said


@pytest.fixture
def kept(db):
    subject = person()
    [event] = said("I moved to Lisbon.")
    line = publishing.open_line(subject, "recipe")
    version = concluded(line, "Ana lives in Lisbon.", evidence=[event])
    quarantine.discard(publishing.quarantine(line.pk, draft_on(line), "bad"), reason="It is bad.", by="olga")
    conclusion = Conclusion.objects.get()
    corrections.retract(subject, conclusion.pk, by="olga")
    corrections.pin(subject, conclusion.pk, by="olga")
    return SimpleNamespace(event=event, version=version.pk, conclusion=conclusion.pk)


CHANGES = {
    "memory_event": (
        "id", "app_id", "session_id", "user_id", "project_id", "author_id", "origin", "kind", "content", "data",
        "client_id", "occurred_at", "recorded_at", "tokens", "copied_from_id",
    ),
    "memory_representation": (
        "id", "created_at", "subject_id", "line_id", "number", "parent_id", "status", "text", "line_tokens", "card",
        "now", "short_summary", "long_summary", "covers_from", "covers_to", "as_of", "made_by", "reason",
        "gate", "draft", "restores_id", "thinned",
    ),
    "memory_serving": ("subject_id", "since", "representation_id", "reason", "by"),
    "memory_ruling": ("id", "created_at", "representation_id", "decision", "made_id", "by", "reason"),
    "memory_conclusion": (
        "id", "created_at", "subject_id", "content", "fingerprint", "level", "about_id", "held_from", "held_until",
    ),
    "memory_correction": (
        "id", "created_at", "subject_id", "event_id", "representation_id", "act", "conclusion_id", "replaced_by_id",
        "by", "reason",
    ),
    "memory_evidence": ("conclusion_id", "event_id", "representation_id"),
}  # fmt: skip

OTHER = {
    "uuid": "gen_random_uuid()",
    "text": "'other'",
    "character varying": "'other'",
    "jsonb": """'{"other": 1}'""",
    "timestamp with time zone": "now() + interval '1 day'",
    "date": "'2020-01-01'",
    "integer": "77",
    "smallint": "2",
    "bigint": "77",
    "ARRAY": "'{}'",
    "boolean": "true",
}


def columns(table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table])
        return dict(cursor.fetchall())


@pytest.mark.parametrize(("table", "may_change"), [
    ("memory_event", {"metadata"}),
    ("memory_representation", set()),
    ("memory_serving", set()),
    ("memory_ruling", set()),
    ("memory_conclusion", {"pinned", "retracted", "importance"}),
    ("memory_correction", set()),
    ("memory_evidence", set()),
])  # fmt: skip
def test_every_column_is_either_kept_or_known_to_change(db, table, may_change):
    assert set(columns(table)) == set(CHANGES[table]) | may_change


def test_an_update_by_sql_is_refused(kept, subtests):
    given = {("memory_representation", "line_tokens"): "'{77}'", ("memory_representation", "card"): "'{other}'"}
    for table in CHANGES:
        types = columns(table)
        for column in CHANGES[table]:
            with subtests.test(f"{table} {column}"):
                value = given.get((table, column), OTHER[types[column]])
                said_no = refused(f"UPDATE {table} SET {column} = {value}")
                assert said_no.startswith(f"IntegrityError: UPDATE of a row of {table} is refused"), said_no


def test_a_delete_by_sql_is_refused(kept, subtests):
    for table in CHANGES:
        with subtests.test(table):
            said_no = refused(f"DELETE FROM {table}")
            assert said_no.startswith(f"IntegrityError: DELETE of a row of {table} is refused"), said_no


def test_what_was_refused_has_changed_nothing(kept):
    refused("UPDATE memory_event SET content = 'forged'")
    refused("DELETE FROM memory_event")
    assert Event.objects.get(pk=kept.event).content == "I moved to Lisbon."
    assert Evidence.objects.filter(conclusion=kept.conclusion, event=kept.event).exists()
    assert Representation.objects.get(pk=kept.version).text == "## Known of ana\nAna lives in Lisbon"


def test_metadata_and_what_humans_say_of_a_statement_may_change(kept):
    assert Event.objects.filter(pk=kept.event).update(metadata={"seen": True}) == 1
    assert Conclusion.objects.filter(pk=kept.conclusion).update(pinned=True, importance=5) == 1
    assert Conclusion.objects.filter(pk=kept.conclusion).update(pinned=False, retracted=True) == 1
    refused("UPDATE memory_event SET metadata = '{}', content = 'forged'")
    refused("UPDATE memory_conclusion SET pinned = false, content = 'forged'")
    assert Event.objects.get(pk=kept.event).metadata == {"seen": True}


@pytest.fixture
def tenants_apart(db):
    apps = {}
    for name in ("harbour", "market"):
        app, _ = tenants.make_app(name)
        user, _ = tenants.make_user(app, "ana")
        project, _ = tenants.make_project(app, "spring")
        session, _ = tenants.make_session(app, user, f"in {name}", project=project)
        log.append(name, [log.NewEvent(content="hello")], user=user, session=session)
        keys.create("key", "user", app=app, user=user)
        keys.create("key", "session", app=app, session=session)
        apps[name] = SimpleNamespace(app=app, user=user, project=project, session=session)
    return apps["harbour"], apps["market"]


EVENT = (
    "INSERT INTO memory_event (id, app_id, session_id, user_id, project_id, author_id, origin, kind, content,"
    " occurred_at, recorded_at, tokens)"
    " VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, 'user', 'message', 'x', now(), now(), 1)"
)


@pytest.mark.parametrize("foreign", ["session", "user", "project", "author"])
def test_an_event_cannot_name_another_tenants_rows(tenants_apart, foreign):
    ours, theirs = tenants_apart
    parts = {"session": ours.session.pk, "user": ours.user.pk, "project": ours.project.pk, "author": ours.user.pk}
    with connection.cursor() as cursor:
        cursor.execute(EVENT, [ours.app.pk, *parts.values()])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    parts[foreign] = getattr(theirs, "user" if foreign == "author" else foreign).pk
    said_no = refused(EVENT, [ours.app.pk, *parts.values()])
    assert f"memory_event_{foreign}_id_same_app" in said_no


@pytest.mark.parametrize(
    ("table", "column", "of"),
    [
        ("memory_session", "owner_id", "user"),
        ("memory_session", "project_id", "project"),
        ("memory_participant", "session_id", "session"),
        ("memory_participant", "user_id", "user"),
        ("memory_subject", "user_id", "user"),
        ("memory_subject", "session_id", "session"),
        ("memory_subject", "project_id", "project"),
        ("memory_apikey", "user_id", "user"),
        ("memory_apikey", "session_id", "session"),
    ],
)
def test_no_row_can_be_turned_towards_another_tenant(tenants_apart, table, column, of):
    ours, theirs = tenants_apart
    with connection.cursor() as cursor:
        # What stands in the way besides the tenant: that another row says so already.
        cursor.execute("DELETE FROM memory_feedentry")
        cursor.execute("DELETE FROM memory_participant WHERE app_id = %s", [theirs.app.pk])
        cursor.execute("DELETE FROM memory_subject WHERE app_id = %s", [theirs.app.pk])
    said_no = refused(
        f"UPDATE {table} SET {column} = %s WHERE app_id = %s AND {column} IS NOT NULL",
        [getattr(theirs, of).pk, ours.app.pk],
    )
    assert f"{table}_{column}_same_app" in said_no


def test_an_observer_is_of_the_same_tenant(tenants_apart):
    ours, theirs = tenants_apart
    insert = (
        "INSERT INTO memory_subject (id, app_id, kind, user_id, observer_id)"
        " VALUES (gen_random_uuid(), %s, 'observed', %s, %s)"
    )
    said_no = refused(insert, [ours.app.pk, ours.user.pk, theirs.user.pk])
    assert "memory_subject_observer_id_same_app" in said_no
    assert not Subject.objects.filter(kind="observed").exists()
