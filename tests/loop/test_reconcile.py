"""The account of every event: what it counts, and that it sees each kind of fault."""

from __future__ import annotations

import asyncio

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from memory import log
from memory.log import NewEvent
from memory.models import App, Line, Subject
from reasoning import disposition, following, queue, reconcile
from reasoning.drainer import Drainer
from reasoning.models import PromptVersion, Work
from reasoning.passes import prepare
from reasoning.providers.base import Step
from reasoning.reprocessing import advance, lifecycle
from tests.loop.helpers import STEP, FakeProvider

pytestmark = pytest.mark.django_db(transaction=True)


def write(count: int) -> None:
    log.append("app", [NewEvent(content=f"Number {n}.") for n in range(count)], user="ana", session="s")


def drain() -> None:
    asyncio.run(Drainer(Step(FakeProvider())).run(until_idle=True))


def counts(**expected: int) -> dict[str, int]:
    names = (
        "not_taken_in", "waiting", "leased", "held", "covered", "parked", "beside_covered", "beside_left",
        "stateless", "uncovered", "doubled", "misplaced",
    )  # fmt: skip
    return dict.fromkeys(names, 0) | expected


def found() -> dict[str, int]:
    return {name.replace(" ", "_"): count for name, count in reconcile.rows(reconcile.account())}


def alter(statement: str) -> None:
    """Break a promise by hand, as no code of ours can."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


def test_an_empty_store_has_nothing_anywhere():
    assert found() == counts()


def test_an_entry_goes_from_new_to_waiting_to_leased_to_covered():
    write(3)  # for the user and for the session
    assert found() == counts(not_taken_in=6)
    following.take_in()
    assert found() == counts(waiting=6)
    Work.objects.update(due_at="2020-01-01T00:00:00Z")
    [claim] = queue.claim(1, "me")
    prepare(claim, STEP)
    assert found() == counts(waiting=3, leased=3)
    queue.release([claim])
    Work.objects.update(due_at="2020-01-01T00:00:00Z")
    drain()
    assert found() == counts(covered=6)


def test_parked_entries_are_counted_as_such():
    write(2)
    following.take_in()
    Work.objects.filter(kind="user").update(state="parked", due_at=None)
    assert found() == counts(waiting=2, parked=2)


def test_held_entries_are_in_that_state_alone_until_they_ask_again():
    write(2)
    following.take_in()
    Work.objects.filter(kind="user").update(state="held", due_at=None)
    assert found() == counts(waiting=2, held=2)
    write(1)
    following.take_in()
    assert found() == counts(waiting=3, held=3)
    disposition.release_held()
    assert found() == counts(waiting=6)
    drain()
    assert found() == counts(covered=6)


def test_the_command_prints_the_account(capsys):
    write(1)
    drain()
    call_command("reconcile")
    assert "covered                  2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("UPDATE reasoning_work SET state = 'idle', due_at = NULL", "stateless"),
        ("UPDATE memory_line SET cursor = cursor + 1", "misplaced"),
        ("DELETE FROM memory_feedentry WHERE position = 1", "misplaced"),
        ("UPDATE memory_representation SET covers_from = 1 WHERE covers_from = 0", "uncovered"),
        ("UPDATE memory_representation SET covers_from = covers_from - 1 WHERE covers_from > 0", "doubled"),
    ],
)
def test_each_kind_of_harm_is_seen(harm, fault):
    write(2)
    drain()
    write(2)
    drain()
    if fault == "stateless":
        write(1)
        following.take_in()
    assert reconcile.account().faults == 0
    alter(harm)
    assert found()[fault] > 0
    with pytest.raises(CommandError, match="not in exactly one state"):
        call_command("reconcile")


def test_a_line_that_goes_on_for_another_keeps_the_account_even():
    write(2)
    drain()
    line = Line.objects.filter(subject__kind=Subject.Kind.USER).get()
    from memory.publishing import fork_line

    fork_line(line, "another recipe")
    assert found() == counts(covered=4)


def test_lines_that_read_beside_what_serves_are_accounted_for_as_well():
    write(2)
    drain()
    version = PromptVersion.objects.get(kind="user", app=None)
    run = lifecycle.start(lifecycle.create(version, app=App.objects.get(), reason="Once more"))
    advance.advance()
    assert found() == counts(covered=4, beside_left=2)
    write(1)
    following.take_in()
    assert found() == counts(covered=4, waiting=2, beside_left=3)
    work = Work.objects.filter(run=run)
    for state in ("parked", "held"):
        work.update(state=state, due_at=None)
        assert found() == counts(covered=4, waiting=2, beside_left=3)
    alter("UPDATE reasoning_work SET state = 'idle', due_at = NULL WHERE follows")
    assert found() == counts(covered=4, waiting=2, stateless=3)
    work.update(state="waiting", due_at="2020-01-01T00:00:00Z")
    Work.objects.update(due_at="2020-01-01T00:00:00Z")
    queue.release(queue.claim(10, "me"))
    drain()
    assert found() == counts(covered=6, beside_covered=3)
    lifecycle.discard(run)
    assert found() == counts(covered=6)
