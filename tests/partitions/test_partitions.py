"""The log in several partitions: whoever reads or writes it sees one log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from memory import checks, clock, cloning, feeds, ids, log, partitions, tenants
from memory.erasure import act
from memory.errors import Conflict
from memory.log import NewEvent
from memory.models import ClientId, Event, Evidence, Session, User
from memory.partitions import Partition
from memory.search import upkeep
from reasoning import following
from tests.erasure.helpers import assert_all_accounted_for, assert_nowhere
from tests.partitions.conftest import FEBRUARY, JANUARY, read
from tests.store.helpers import person, refused, say, together


def held_by(partition: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT content FROM {partition} ORDER BY id")
        return [content for (content,) in cursor.fetchall()]


def test_events_lie_where_their_time_is_and_are_read_as_one_feed(month):
    subject = person()
    for moment, text in ((JANUARY, "in January"), (FEBRUARY, "in February"), (None, "now")):
        month(moment)
        say(text)
    assert held_by("memory_event_2026_01") == ["in January"]
    assert held_by("memory_event_2026_02") == ["in February"]
    assert held_by("memory_event_rest") == ["now"]
    following.take_in()
    assert [event.content for _, event in feeds.read(subject.pk, 0, 10)] == ["in January", "in February", "now"]
    read()
    assert_all_accounted_for()


def test_a_clients_id_is_used_once_in_all_partitions(month):
    month(JANUARY)
    [first] = log.append("harbour", [NewEvent(content="Hello.", client_id="m-1")], user="ana")
    month(None)
    [again] = log.append("harbour", [NewEvent(content="Hello.", client_id="m-1")], user="ana")
    assert (again.id, again.created) == (first.id, False)
    with pytest.raises(Conflict, match="another body"):
        log.append("harbour", [NewEvent(content="Goodbye.", client_id="m-1")], user="ana")
    assert Event.objects.count() == 1


def test_the_database_holds_a_clients_id_unique_whoever_writes(month):
    month(JANUARY)
    [first] = log.append("harbour", [NewEvent(content="Hello.", client_id="m-1")], user="ana")
    copy = (
        "INSERT INTO memory_event (id, app_id, user_id, origin, kind, content, client_id, occurred_at, recorded_at,"
        " tokens) SELECT gen_random_uuid(), app_id, user_id, origin, kind, content, %s, occurred_at, recorded_at,"
        " tokens FROM memory_event WHERE id = %s"
    )
    assert "another event has the id" in refused(copy, ["m-1", first.id])
    with connection.cursor() as cursor:
        cursor.execute(copy, ["m-2", first.id])
    assert ClientId.objects.filter(client_id="m-2").count() == 1


def test_erasing_a_person_takes_what_they_said_in_every_partition_and_frees_their_ids(month):
    for moment, name in ((JANUARY, "first"), (FEBRUARY, "second"), (None, "third")):
        month(moment)
        log.append("harbour", [NewEvent(content=f"Zuleika {name}", client_id=name)], user="Zuleika", session="s")
    read()
    act.erase(User.objects.get(name="Zuleika"))
    assert_nowhere("Zuleika")
    assert not ClientId.objects.exists()
    assert not Event.objects.exists()
    assert_all_accounted_for()


def test_search_finds_in_every_partition(month):
    for moment, text in ((JANUARY, "a blue kite"), (None, "a blue boat")):
        month(moment)
        say(text)
    while upkeep.index_passages():
        pass
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event.content FROM memory_passage passage JOIN memory_event event ON event.id = passage.event_id"
            " WHERE passage.text @@ to_tsquery('simple', 'blue') ORDER BY event.id"
        )
        assert [row[0] for row in cursor.fetchall()] == ["a blue kite", "a blue boat"]


def test_nothing_names_an_event_that_is_not_there(month):
    month(JANUARY)
    subject = person()
    [event] = say("I row.")
    read()
    evidence = Evidence.objects.get(event=event)
    assert "names an event that is not there" in refused(
        "INSERT INTO memory_evidence (conclusion_id, event_id, representation_id) VALUES (%s, gen_random_uuid(), %s)",
        [evidence.conclusion_id, evidence.representation_id],
    )
    assert subject.pk


def test_a_copy_waits_for_the_erasure_of_what_it_repeats_and_is_refused():
    app, _ = tenants.make_app("harbour")
    user, _ = tenants.make_user(app, "ana")
    session, _ = tenants.make_session(app, user, "s")
    [said] = log.append("harbour", [NewEvent(content="Secret.")], user=user, session=session)
    copied = []

    def copy() -> None:
        with transaction.atomic():
            cloning.clone(user, session)
            copied.append(True)

    def erase() -> None:
        act.erase(Event.objects.get(pk=said.id))

    try:
        together(copy, erase)
    except Conflict:
        assert not copied
    assert not Event.objects.filter(content="Secret.").exists()
    assert Session.objects.exists()


@pytest.mark.parametrize(
    ("every", "names"),
    [
        ("month", ["{next:%Y_%m}", "{second:%Y_%m}"]),
        ("quarter", None),
        ("year", ["{year}", "{then}"]),
    ],
)
def test_the_next_two_partitions_are_made_and_made_once(settings, every, names):
    settings.HONCHO = {"LOG_PARTITIONS": every}
    assert checks.check_partitions(None, databases=["default"])
    made = partitions.make_ahead()
    assert len(made) == 2
    if names:
        today = clock.now().astimezone(UTC)
        after = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        then = (after + timedelta(days=32)).replace(day=1)
        values = {"next": after, "second": then, "year": today.year + 1, "then": today.year + 2}
        assert made == [f"memory_event_{name.format(**values)}" for name in names]
    assert partitions.make_ahead() == []
    assert not checks.check_partitions(None, databases=["default"])


def test_a_calendar_that_changes_leaves_no_gap_and_no_overlap(settings):
    settings.HONCHO = {"LOG_PARTITIONS": "month"}
    partitions.make_ahead()
    settings.HONCHO = {"LOG_PARTITIONS": "year"}
    partitions.make_ahead()
    found = [one for one in partitions.partitions() if not one.is_default]
    assert all(one.before <= other.first for one, other in pairwise(found))


def test_what_one_who_was_killed_has_left_is_taken_away(settings):
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE memory_event_rest ADD CONSTRAINT partition_is_coming CHECK (id < %s) NOT VALID",
            [ids.first_at(JANUARY)],
        )
    settings.HONCHO = {}
    partitions.make_ahead()
    assert say("It is taken again.")


def test_where_the_default_has_events_of_that_time_they_stay_there_and_nothing_is_refused(month):
    late = datetime(2026, 4, 1, tzinfo=UTC)
    month(late)
    say("In April.")
    assert (
        partitions.make(Partition("memory_event_2026_04", ids.first_at(late), ids.first_at(late + timedelta(days=30))))
        is None
    )
    say("In April too.")
    assert held_by("memory_event_rest") == ["In April.", "In April too."]


def test_the_command_lists_what_there_is(capsys):
    call_command("log_partitions", "--list")
    assert capsys.readouterr().out.splitlines() == [
        "memory_event_2026_01: from 2026-01-01 until 2026-02-01",
        "memory_event_2026_02: from 2026-02-01 until 2026-03-01",
        "memory_event_rest: all else",
    ]
