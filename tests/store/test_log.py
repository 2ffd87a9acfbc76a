"""The only way into the log: what it stores, what it refuses, and that nothing is stored twice."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, transaction
from django.utils import timezone as clock

from memory import feeds, log, tenants
from memory.errors import Conflict, Invalid, TooLarge
from memory.log import NewEvent
from memory.models import App, Event, FeedEntry, Participant, Project, Session, Subject, User
from memory.signals import events_appended
from tests.store.helpers import person, together, until

STATEMENTS_OF_A_WRITE = 4
"""Find the place, insert; and a savepoint, made and released (a transaction of its own outside of a test)."""


def feed_of(**of: object) -> list[str]:
    feeds.number()
    entries = FeedEntry.objects.filter(subject=Subject.objects.get(**of)).order_by("position")
    return [entry.event.content for entry in entries.select_related("event")]


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 1_000])
def test_one_event_and_a_thousand_cost_the_same_statements(count, django_assert_num_queries):
    log.append("harbour", [NewEvent(content="hello")], user="ana", session="s1")
    with django_assert_num_queries(STATEMENTS_OF_A_WRITE):
        stored = log.append("harbour", [NewEvent(content="x")] * count, user="ana", session="s1")
    assert len(stored) == count
    assert Event.objects.count() == count + 1
    assert FeedEntry.objects.count() == 2 * (count + 1), "each event joins the feeds of session and user"


@pytest.mark.django_db
def test_a_thousand_events_keep_their_order():
    texts = [f"line {number}" for number in range(1_000)]
    stored = log.append("harbour", [NewEvent(content=text) for text in texts], user="ana")
    assert [row.content for row in stored] == texts
    assert [row.id for row in stored] == sorted(row.id for row in stored)
    assert feed_of(user__name="ana") == texts


@pytest.mark.django_db
def test_an_event_is_stored_as_it_was_given():
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=timezone(timedelta(hours=2)))
    before = clock.now()
    [row] = log.append(
        "harbour",
        [
            NewEvent(
                content="  Grüße, 👋 {}\n\\u0000 ",
                kind="invoice.sent",
                data={"total": 12.5, "lines": [1, None, "\\u0000"]},
                metadata={"source": "till"},
                origin="tool",
                occurred_at=moment,
                client_id="till-1",
                project="spring",
            )
        ],
        user="ana",
        session="s1",
    )
    event = Event.objects.get(pk=row.id)
    assert event.content == "  Grüße, 👋 {}\n\\u0000 "
    assert event.data == {"total": 12.5, "lines": [1, None, "\\u0000"]}
    assert event.metadata == {"source": "till"}
    assert (event.kind, event.origin, event.client_id) == ("invoice.sent", "tool", "till-1")
    assert event.occurred_at == moment
    assert before <= event.recorded_at <= clock.now()
    assert event.author is None, "a tool's event has no author unless one is named"
    assert event.user == User.objects.get(name="ana")
    assert event.session == Session.objects.get(name="s1")
    assert event.project == Project.objects.get(name="spring")
    same = {name: getattr(event, name) for name in log.LoggedEvent.__dataclass_fields__ if hasattr(event, name)}
    assert {name: getattr(row, name) for name in same} == same
    assert row.created


@pytest.mark.django_db
def test_dates_may_be_text_and_default_to_now():
    first, second = log.append(
        "harbour", [NewEvent(content="a", occurred_at="2026-01-02T03:04:05Z"), NewEvent(content="b")], user="ana"
    )
    assert first.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert second.occurred_at == second.recorded_at


LONG_AGO = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))

REFUSED = {
    "NUL": (NewEvent(content="a\x00b"), "content", "nul_character"),
    "half a surrogate pair": (NewEvent(content="a\ud800"), "content", "unicode"),
    "too long": (NewEvent(content="a" * 50_001), "content", "string_too_long"),
    "not text": (NewEvent(content=5), "content", "string_type"),  # type: ignore[arg-type]
    "unknown kind": (NewEvent(kind="shout"), "kind", "kind"),
    "kind with capitals": (NewEvent(kind="Invoice.Sent"), "kind", "kind"),
    "empty kind": (NewEvent(kind=""), "kind", "string_too_short"),
    "unknown origin": (NewEvent(origin="oracle"), "origin", "enum"),
    "empty client id": (NewEvent(client_id=""), "id", "string_too_short"),
    "long client id": (NewEvent(client_id="x" * 256), "id", "string_too_long"),
    "NUL in data": (NewEvent(data={"a": ["\x00"]}), "data", "nul_character"),
    "NUL in a key of data": (NewEvent(data={"\x00": 1}), "data", "nul_character"),
    "surrogate in data": (NewEvent(data={"a": "\udfff"}), "data", "unicode"),
    "NaN in data": (NewEvent(data={"a": math.nan}), "data", "json"),
    "no JSON in data": (NewEvent(data={"a": object()}), "data", "json"),
    "data that is a scalar": (NewEvent(data="text"), "data", "data_type"),
    "NUL in metadata": (NewEvent(metadata={"a": "\x00"}), "metadata", "nul_character"),
    "metadata that is a list": (NewEvent(metadata=["a"]), "metadata", "dict_type"),  # type: ignore[arg-type]
    "metadata that is text": (NewEvent(metadata="a"), "metadata", "dict_type"),  # type: ignore[arg-type]
    "naive date": (NewEvent(occurred_at=datetime(2026, 1, 1)), "occurred_at", "timezone_naive"),  # noqa: DTZ001
    "naive date as text": (NewEvent(occurred_at="2026-01-01T00:00:00"), "occurred_at", "timezone_naive"),
    "no date": (NewEvent(occurred_at="yesterday"), "occurred_at", "datetime_parsing"),
    "impossible date": (NewEvent(occurred_at="2026-02-30T00:00:00Z"), "occurred_at", "datetime_parsing"),
    "number for a date": (NewEvent(occurred_at=5), "occurred_at", "datetime_type"),  # type: ignore[arg-type]
    "before the first year": (NewEvent(occurred_at=LONG_AGO), "occurred_at", "datetime_range"),
    "author with a slash": (NewEvent(author="a/b"), "author", "name"),
    "author with a NUL": (NewEvent(author="a\x00"), "author", "nul_character"),
    "empty author": (NewEvent(author=""), "author", "string_too_short"),
    "project with a line break": (NewEvent(project="a\nb"), "project", "name"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_stored_is_refused_and_nothing_with_it_is_stored(case):
    event, field, kind = REFUSED[case]
    with pytest.raises(Invalid) as refusal:
        log.append("harbour", [NewEvent(content="good"), event], user="ana", session="s1")
    assert (refusal.value.where, refusal.value.kind) == (("events", 1, field), kind)
    for model in (App, User, Session, Project, Subject, Event, FeedEntry):
        assert not model.objects.exists(), model


@pytest.mark.django_db
def test_the_future_is_refused_beyond_the_clocks_skew():
    now = clock.now()
    log.append("harbour", [NewEvent(content="soon", occurred_at=now + timedelta(hours=23))], user="ana")
    with pytest.raises(Invalid) as refusal:
        log.append("harbour", [NewEvent(content="later", occurred_at=now + timedelta(hours=25))], user="ana")
    assert refusal.value.kind == "datetime_future"
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_too_much_at_once_is_refused(settings):
    settings.HONCHO = {"BATCH_EVENTS": 3, "DATA_BYTES": 20}
    with pytest.raises(TooLarge, match="at most 3 events; this has 4"):
        log.append("harbour", [NewEvent(content="x")] * 4, user="ana")
    with pytest.raises(TooLarge, match=r"events\.0\.data has 26 bytes"):
        log.append("harbour", [NewEvent(data={"text": "x" * 15})], user="ana")
    with pytest.raises(TooLarge, match=r"events\.0\.metadata"):
        log.append("harbour", [NewEvent(metadata={"text": "ä" * 10})], user="ana")
    with pytest.raises(Invalid, match="at least one event"):
        log.append("harbour", [], user="ana")
    assert not App.objects.exists()


@pytest.mark.django_db
def test_a_write_needs_a_place():
    with pytest.raises(Invalid):
        log.append("harbour", [NewEvent(content="nowhere")])
    assert not App.objects.exists()


@pytest.mark.django_db
def test_a_repeated_client_id_gives_back_the_first_event():
    moment = "2026-01-02T03:04:05Z"
    event = NewEvent(content="hello", data={"a": [1.0, 2]}, client_id="m1", occurred_at=moment)
    [first] = log.append("harbour", [event], user="ana", session="s1")
    repeated = log.append("harbour", [event, NewEvent(content="new", client_id="m2")], user="ana", session="s1")
    assert repeated[0].id == first.id
    assert [row.created for row in repeated] == [False, True]
    assert repeated[0].recorded_at == first.recorded_at
    [undated] = log.append(
        "harbour", [NewEvent(content="hello", data={"a": [1, 2]}, client_id="m1")], user="ana", session="s1"
    )
    assert undated.id == first.id
    assert Event.objects.count() == 2
    assert feed_of(session__name="s1") == ["hello", "new"]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1.7954662371154514e18, 1e23, -1.5e300, 5e-324, -0.0, 10**30])
def test_a_number_that_postgresql_writes_otherwise_is_the_same_when_it_is_sent_again(number):
    event = NewEvent(data={"at": [number]}, client_id="m1")
    first, again = (log.append("harbour", [event], user="ana")[0] for _ in range(2))
    assert (again.id, again.created) == (first.id, False)


@pytest.mark.django_db
def test_a_client_id_twice_in_one_write_is_one_event():
    event = NewEvent(content="hello", client_id="m1")
    rows = log.append("harbour", [event, event], user="ana")
    assert rows[0].id == rows[1].id
    assert [row.created for row in rows] == [True, False]
    assert feed_of(user__name="ana") == ["hello"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"content": "other"},
        {"kind": "tool_call"},
        {"data": {"a": 2}},
        {"data": None},
        {"author": "ben"},
        {"origin": "agent"},
        {"occurred_at": "2026-01-02T03:04:06Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_client_id_with_another_body_is_a_conflict_and_stores_nothing(change):
    body = {"content": "hello", "data": {"a": 1}, "client_id": "m1", "occurred_at": "2026-01-02T03:04:05Z"}
    log.append("harbour", [NewEvent(**body)], user="ana", session="s1")
    with pytest.raises(Conflict, match="The id 'm1' was used before with another body"):
        log.append("harbour", [NewEvent(content="fresh"), NewEvent(**(body | change))], user="ana", session="s1")
    assert feed_of(session__name="s1") == ["hello"]
    assert not User.objects.filter(name="ben").exists()


@pytest.mark.django_db
def test_client_ids_of_different_places_are_apart():
    event = NewEvent(content="hello", client_id="m1")
    places = [
        {"user": "ana"},
        {"user": "ben"},
        {"user": "ana", "session": "s1"},
        {"user": "ana", "session": "s2"},
        {"session": "s1"},
        {"project": "spring"},
        {"project": "autumn"},
    ]
    for app in ("harbour", "market"):
        for place in places:
            assert log.append(app, [event], **place)[0].created
            assert not log.append(app, [event], **place)[0].created
    assert Event.objects.count() == 14


@pytest.mark.django_db(transaction=True)
def test_the_same_write_from_many_threads_at_once_is_stored_once():
    person()
    events = [NewEvent(content=f"line {number}", client_id=f"m{number}") for number in range(50)]
    ready = threading.Barrier(8)

    def write():
        ready.wait()
        return log.append("harbour", events, user="ana")

    answers = together(*[write] * 8)
    assert len({tuple(row.id for row in rows) for rows in answers}) == 1
    assert sorted(sum(row.created for row in rows) for rows in answers)[-1] >= 1
    assert sum(row.created for rows in answers for row in rows) == 50
    assert feed_of(user__name="ana") == [event.content for event in events]


def blocked() -> int:
    """How many connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees others as they were at its first look
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_same_events_in_opposite_order_do_not_deadlock():
    person()
    events = [NewEvent(content=f"line {number}", client_id=f"m{number}") for number in range(9)]
    written = threading.Event()

    def hold_the_middle():
        with transaction.atomic():
            log.append("harbour", [events[4]], user="ana")
            written.set()
            until(lambda: blocked() == 2, "both should wait, each on its way through the other's events")

    def write(batch):
        assert written.wait(20)
        return log.append("harbour", batch, user="ana")

    _, one, other = together(hold_the_middle, lambda: write(events), lambda: write(events[::-1]))
    assert sum(row.created for row in one + other) == 8
    assert [row.id for row in one] == [row.id for row in other][::-1]


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_of_an_open_write_waits_for_its_end_and_takes_its_place_if_it_is_undone():
    person()
    written, may_end = threading.Event(), threading.Event()
    event = NewEvent(content="hello", client_id="m1")

    def undone():
        with transaction.atomic():
            log.append("harbour", [event], user="ana")
            written.set()
            assert may_end.wait(20)
            transaction.set_rollback(True)

    def repeated():
        assert written.wait(20)
        threading.Timer(0.1, may_end.set).start()
        return log.append("harbour", [event], user="ana")

    _, [row] = together(undone, repeated)
    assert row.created
    assert feed_of(user__name="ana") == ["hello"]


@pytest.mark.django_db(transaction=True)
def test_the_callers_rollback_leaves_nothing():
    heard = []

    def listen(**told):
        heard.append(told["count"])

    events_appended.connect(listen)
    try:
        with transaction.atomic():
            log.append("harbour", [NewEvent(content="hello", author="ben", project="spring")], user="ana", session="s1")
            assert heard == [1], "the signal is sent inside the transaction"
            transaction.set_rollback(True)
    finally:
        events_appended.disconnect(listen)
    for model in (App, User, Session, Participant, Project, Subject, Event, FeedEntry):
        assert not model.objects.exists(), model


@pytest.mark.django_db(transaction=True)
def test_an_append_joins_the_callers_transaction():
    person()
    with transaction.atomic():
        log.append("harbour", [NewEvent(content="hello")], user="ana")
        assert together(Event.objects.count) == [0]
    assert together(Event.objects.count) == [1]


@pytest.mark.django_db
def test_authors_join_the_session_and_their_feeds_get_its_events_from_then_on():
    log.append("harbour", [NewEvent(content="first")], user="ana", session="s1")
    log.append(
        "harbour", [NewEvent(content="second", author="ben"), NewEvent(content="third")], user="ana", session="s1"
    )
    session = Session.objects.get(name="s1")
    assert set(session.participants.values_list("name", flat=True)) == {"ana", "ben"}
    assert list(Event.objects.order_by("id").values_list("author__name", flat=True)) == ["ana", "ben", "ana"]
    assert feed_of(session__name="s1") == ["first", "second", "third"]
    assert feed_of(user__name="ana") == ["first", "second", "third"]
    assert feed_of(user__name="ben") == ["second", "third"]


@pytest.mark.django_db
def test_who_observes_others_has_a_feed_of_each_of_them():
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    ben, _ = tenants.make_user(app, "ben")
    session, _ = tenants.make_session(app, ana, "s1")
    tenants.join(session, ben, observes_others=True)
    log.append("harbour", [NewEvent(content="hello")], user="ana", session="s1")
    assert feed_of(kind="observed", observer=ben, user=ana) == ["hello"]
    assert not Subject.objects.filter(kind="observed", observer=ana).exists()
    tenants.join(session, ana, observed=False)
    log.append("harbour", [NewEvent(content="unseen")], user="ana", session="s1")
    assert feed_of(kind="observed", observer=ben, user=ana) == ["hello"]
    assert feed_of(kind="user", user=ana) == ["hello"]
    assert feed_of(kind="user", user=ben) == ["hello", "unseen"]
    assert feed_of(kind="session", session=session) == ["hello", "unseen"]


@pytest.mark.django_db
def test_events_join_the_project_that_they_name_or_their_sessions():
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    spring, _ = tenants.make_project(app, "spring")
    tenants.make_session(app, ana, "s1", project=spring)
    log.append("harbour", [NewEvent(content="by session")], user="ana", session="s1")
    log.append("harbour", [NewEvent(content="by place")], user="ana", project="spring")
    log.append("harbour", [NewEvent(content="by name", project="spring")], user="ana")
    log.append("harbour", [NewEvent(content="alone")], project="spring")
    log.append("harbour", [NewEvent(content="elsewhere")], user="ana")
    log.append("harbour", [NewEvent(content="new")], user="ana", session="s1", project="autumn")
    assert feed_of(project__name="autumn") == ["new"]
    assert feed_of(project=spring) == ["by session", "by place", "by name", "alone"]
    assert list(Event.objects.order_by("id").values_list("project__name", flat=True)) == (
        ["spring"] * 4 + [None, "autumn"]
    )


@pytest.mark.django_db
def test_a_project_that_the_write_names_is_kept_when_a_new_author_joins_the_session():
    log.append("harbour", [NewEvent(content="hello", author="ben")], user="ana", session="s1", project="spring")
    event = Event.objects.get()
    assert event.project == Project.objects.get(name="spring")
    assert feed_of(project__name="spring") == ["hello"]


@pytest.mark.django_db
def test_rows_and_public_ids_name_the_same_places_as_names_do():
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    session, _ = tenants.make_session(app, ana, "s1")
    shared, _ = tenants.make_session(app, None, "shared")
    spring, _ = tenants.make_project(app, "spring")
    for where in (
        {"user": ana, "session": session},
        {"user": ana.public_id, "session": session.public_id},
        {"session": session},
        {"session": shared},
        {"session": shared.public_id},
        {"session": "shared"},
        {"user": ana, "project": spring},
        {"project": spring.public_id},
    ):
        log.append(app, [NewEvent(content="hello")], **where)
    assert Session.objects.count() == 2
    assert (App.objects.count(), User.objects.count(), Project.objects.count()) == (1, 1, 1)
    assert Event.objects.filter(session=session).count() == 3
    assert Event.objects.filter(session=shared).count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_place_that_many_make_at_once_is_made_once():
    ready = threading.Barrier(8)

    def write():
        ready.wait()
        [row] = log.append("harbour", [NewEvent(content="x", author="ben", project="spring")], user="ana", session="s1")
        return row.id

    ids = together(*[write] * 8)
    assert (App.objects.count(), User.objects.count(), Session.objects.count(), Project.objects.count()) == (1, 2, 1, 1)
    assert Subject.objects.count() == 4
    feeds.number()
    for of in ({"user__name": "ana"}, {"user__name": "ben"}, {"session__name": "s1"}, {"project__name": "spring"}):
        subject = Subject.objects.get(**of)
        assert set(FeedEntry.objects.filter(subject=subject).values_list("event_id", flat=True)) == set(ids)


@pytest.mark.django_db
def test_an_append_takes_no_model_and_no_network(monkeypatch):
    import socket

    log.append("harbour", [NewEvent(content="hello")], user="ana")  # whatever is loaded late is loaded now
    assert connection.connection is not None

    def refuse(*args, **kwargs):
        raise AssertionError("an append connects to nothing")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    log.append("harbour", [NewEvent(content="hello")], user="ana")


@pytest.mark.django_db
def test_who_joins_reads_no_more_the_more_there_are(monkeypatch):
    """Else one write of a thousand events by as many new authors takes a minute."""
    read = []
    from_db = Participant.from_db
    monkeypatch.setattr(Participant, "from_db", lambda *row: read.append(row) or from_db(*row))
    log.append("harbour", [NewEvent(content="x", author=f"new {number}") for number in range(40)], session="s1")
    assert Participant.objects.filter(session__name="s1").count() == 40
    assert read == []
    session = Session.objects.get(name="s1")
    watching = tenants.make_user(session.app, "watching")[0]
    tenants.join(session, watching, observes_others=True)
    log.append("harbour", [NewEvent(content="x", author="last")], session="s1")
    assert Subject.objects.filter(observer=watching).count() == 41
    assert Subject.objects.filter(kind="observed").exclude(observer=watching).count() == 0
