"""The checks see what they are for: each kind of wrong, made by hand in a database that was right, is reported."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from memory import ids, log
from memory.log import NewEvent
from memory.models import Representation, Subject
from reasoning import following, passes, queue
from reasoning.models import Pass
from tests.faults.checks import Findings, inspect
from tests.faults.traffic import Fresh
from tests.loop.helpers import AT_ONCE, completion, make_due, prepared, truthful

pytestmark = pytest.mark.django_db

PLACE = ("app", "ana", "s")


@pytest.fixture
def acknowledged(settings) -> dict[str, str]:
    """Six events in two versions of a user and of a session, as a harness was told of them."""
    settings.HONCHO = settings.HONCHO | AT_ONCE
    told: dict[str, Any] = {}
    for batch in range(2):
        events = [NewEvent(content=f"Number {batch}-{place}.", client_id=f"c{batch}-{place}") for place in range(3)]
        told |= {event.content: event.id for event in log.append("app", events, user="ana", session="s")}
        drain()
    return {content: ids.encode(event_id) for content, event_id in told.items()}


def drain() -> None:
    """Do a pass for each line that has something new."""
    following.take_in()
    make_due()
    for claim in queue.claim(10, "me"):
        ready = prepared(claim)
        passes.complete(ready, completion(truthful(ready.request)))


def ask(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def alter(sql: str, *parameters: Any) -> None:
    """Break a promise by hand, as no code of ours can."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, parameters or None)
        cursor.execute("SET session_replication_role = origin")


def user() -> Subject:
    return Subject.objects.select_related("current", "line").get(kind="user")


def wrong(acknowledged: dict[str, str], *fresh: Fresh) -> dict[str, int]:
    return inspect(ask, acknowledged, fresh).wrong()


def test_all_is_well_where_all_is_well(acknowledged):
    found = inspect(ask, acknowledged, [Fresh(PLACE, 2, 2, 6, 6)])
    assert found == Findings(events=6, versions=4)


def test_an_acknowledged_event_that_is_not_there(acknowledged):
    assert wrong(acknowledged | {"Number 7.": acknowledged["Number 0-0."]}) == {"lost": 1}


def test_an_event_under_another_id_than_was_told(acknowledged):
    acknowledged["Number 0-0."] = acknowledged["Number 0-1."]
    assert wrong(acknowledged) == {"lost": 1}


def test_an_event_that_was_written_twice(acknowledged):
    event = NewEvent(content="Number 1-2.", client_id="another")
    log.append("app", [event], user="ana", session="s")
    drain()
    assert wrong(acknowledged)["written_twice"] == 1


def test_an_event_that_nobody_sent(acknowledged):
    log.append("app", [NewEvent(content="Who said this?")], user="ana", session="s")
    drain()
    assert wrong(acknowledged) == {"unknown": 1}


def test_an_event_that_misses_in_a_feed(acknowledged):
    alter("DELETE FROM memory_feedentry WHERE subject_id = %s AND position = 3", user().pk)
    found = wrong(acknowledged)
    assert (found["not_fed"], found["misnumbered"]) == (1, 1)


def test_a_position_that_was_stepped_over(acknowledged):
    alter("UPDATE memory_representation SET covers_from = 4 WHERE id = %s", user().current_id)
    found = wrong(acknowledged)
    assert (found["uncovered"], found["lost_lease"]) == (1, 1), "and its pass says that it covered other positions"


def test_positions_that_were_covered_twice(acknowledged):
    alter("UPDATE memory_representation SET covers_from = 1 WHERE id = %s", user().current_id)
    assert wrong(acknowledged)["covered_twice"] == 2


def test_a_line_that_has_not_read_all_while_nothing_waits(acknowledged):
    alter("UPDATE memory_subject SET head = head + 1 WHERE id = %s", user().pk)
    found = wrong(acknowledged)
    assert (found["uncovered"], found["misnumbered"]) == (1, 1)


def test_readers_who_get_another_version_than_the_last(acknowledged):
    first = Representation.objects.get(subject=user(), number=1)
    alter("UPDATE memory_subject SET current_id = %s WHERE id = %s", first.pk, user().pk)
    assert wrong(acknowledged) == {"misplaced": 1}


def test_a_cursor_that_is_not_where_its_versions_end(acknowledged):
    alter("UPDATE memory_line SET cursor = 5 WHERE id = %s", user().line_id)
    assert wrong(acknowledged) == {"misplaced": 1}


def test_a_version_whose_pass_had_lost_its_lease(acknowledged):
    Pass.objects.filter(representation=user().current).update(outcome="abandoned", failure="lost_lease")
    assert wrong(acknowledged) == {"lost_lease": 1}


def test_a_version_of_no_pass(acknowledged):
    alter("UPDATE reasoning_pass SET outcome = 'abandoned', representation_id = NULL WHERE representation_id = %s",
          user().current_id)  # fmt: skip
    assert wrong(acknowledged) == {"lost_lease": 1}


def test_a_version_of_two_passes(acknowledged):
    made = Pass.objects.get(representation=user().current)
    made.pk = uuid4()
    made.save(force_insert=True)
    assert wrong(acknowledged) == {"lost_lease": 1}


def test_a_version_that_names_another_pass(acknowledged):
    alter("UPDATE memory_representation SET made_by = '{}' WHERE id = %s", user().current_id)
    assert wrong(acknowledged) == {"lost_lease": 1}


def test_an_event_under_two_statements(acknowledged):
    alter(
        "INSERT INTO memory_evidence (conclusion_id, event_id, representation_id)"
        " SELECT other.conclusion_id, one.event_id, one.representation_id FROM memory_evidence one"
        "  JOIN memory_conclusion of_one ON of_one.id = one.conclusion_id AND of_one.subject_id = %s"
        "  JOIN memory_conclusion of_other ON of_other.subject_id = of_one.subject_id AND of_other.id <> of_one.id"
        "  JOIN memory_evidence other ON other.conclusion_id = of_other.id"
        "  WHERE one.representation_id = other.representation_id LIMIT 1",
        user().pk,
    )
    assert wrong(acknowledged) == {"doubled_evidence": 1}


def test_an_event_that_was_covered_and_left_out(acknowledged):
    alter(
        "DELETE FROM memory_evidence WHERE ctid IN (SELECT evidence.ctid FROM memory_evidence evidence"
        " WHERE representation_id = %s LIMIT 1)",
        user().current_id,
    )
    assert wrong(acknowledged) == {"missing_evidence": 1}


def test_a_version_that_concludes_nothing_is_no_fault(acknowledged):
    alter("DELETE FROM memory_evidence WHERE representation_id = %s", user().current_id)
    found = inspect(ask, acknowledged)
    assert (found.wrong(), found.silent) == ({}, 3)


def test_a_statement_that_rests_on_what_its_version_had_not_read(acknowledged):
    alter("UPDATE memory_representation SET status = 'quarantined' WHERE id = %s", user().current_id)
    assert wrong(acknowledged)["foreign_evidence"] == 3


def test_a_statement_that_stands_no_more(acknowledged):
    alter("UPDATE memory_span SET until = since + 1 WHERE line_id = %s AND since = 2", user().line_id)
    assert wrong(acknowledged) == {"misspanned": 3}


def test_whatever_is_left_over(acknowledged):
    log.append("app", [NewEvent(content="Number 2.")], user="ana", session="s")
    assert wrong(acknowledged)["not_taken_in"] == 2
    drain()
    rows = "UPDATE reasoning_work SET state = %s, due_at = %s, lease_token = %s WHERE line_id = %s"
    for state, due, token in (("waiting", "now", None), ("leased", "now", uuid4()), ("parked", None, None)):
        alter(rows, state, due, token, user().line_id)
        assert wrong(acknowledged)[state] == 1
    alter(
        "UPDATE reasoning_pass SET outcome = 'running', ended_at = NULL WHERE representation_id = %s", user().current_id
    )
    assert wrong(acknowledged)["running"] == 1


def test_a_pass_that_broke(acknowledged):
    Pass.objects.create(pk=uuid4(), line=user().line, outcome="failed", failure="ours", ended_at="2026-01-01T00:00:00Z")
    assert wrong(acknowledged) == {"broken": 1}


def test_a_read_that_says_that_nothing_is_missing_though_something_is(acknowledged):
    assert wrong(acknowledged, Fresh(PLACE, 2, 2, 6, 6)) == {}
    assert wrong(acknowledged, Fresh(PLACE, 1, 2, 6, 6)) == {"untrue_reads": 1}
    assert wrong(acknowledged, Fresh(PLACE, 0, 2, 1, 6)) == {"untrue_reads": 1}
    assert wrong(acknowledged, Fresh(PLACE, 2, 1, 3, 4)) == {"untrue_reads": 1}
