"""Reading what one has just written: ``wait=``, with somebody who reasons and without."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from memory import clock, publishing, waiting
from memory.models import Subject
from memory.signals import reading_awaited
from reasoning import following
from reasoning.models import Budget, Work
from tests.api.conftest import Agent, publish, refused
from tests.loop.helpers import AT_ONCE, FakeProvider, draining, others_connected, work_of
from tests.store.helpers import concluded, person, said, say, until

pytestmark = pytest.mark.django_db(transaction=True)

ANA, BO = "/v1/apps/harbour/users/ana", "/v1/apps/harbour/users/bo"
SLOW = AT_ONCE | {"INTERVAL_SECONDS": dict.fromkeys(("user", "observed", "session", "project"), 3_000)}
"""A second pass is due in an hour, unless somebody waits for it."""


@contextmanager
def waiter(operator: Agent, path: str) -> Iterator[Future[Any]]:
    """A GET in a thread of its own, from the moment at which it waits."""
    waits = threading.Event()

    def seen(**kwargs: Any) -> None:
        waits.set()

    def ask() -> Any:
        try:
            return operator.get(path)
        finally:
            connection.close()

    reading_awaited.connect(seen)
    try:
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(ask)
            assert waits.wait(20)
            yield answer
    finally:
        reading_awaited.disconnect(seen)


def read_all(user: str = "ana") -> None:
    """Let a user's line read everything."""
    subject = person(user)
    concluded(publishing.open_line(subject, "recipe"), "They sail.", evidence=said("I sail.", user=user))


def test_who_waits_reads_what_was_just_written(operator: Agent, settings: Any) -> None:
    settings.HONCHO = settings.HONCHO | SLOW | {"AWAITED_SECONDS": 0}
    person()
    with draining(FakeProvider()):
        say("I sail.")
        assert "I sail" in operator.get(f"{ANA}/context?wait=30")["context"]
        say("I row too.")
        found = operator.get(f"{ANA}/context?wait=30")
        assert "I row too" in found["context"]
        assert found["behind"] == {"events": 0, "seconds": 0.0}
        say("And I swim.")
        found = operator.get(f"{ANA}/representation?wait=30")
        assert "And I swim" in found["text"]


def test_without_a_worker_the_answer_says_that_it_is_behind(operator: Agent) -> None:
    person()
    say("I sail.")
    found = operator.get(f"{ANA}/context?wait=0.2")
    assert (found["behind"]["events"], found["version"]) == (1, 0)
    assert operator.get(f"{ANA}/representation?wait=0.1")["behind"]["events"] == 1


def test_those_who_wait_hold_one_connection_together_and_none_in_the_end(operator: Agent) -> None:
    person()
    say("I row.")
    path = f"{ANA}/context?wait=30"
    with waiter(operator, path) as first, waiter(operator, path) as second, waiter(operator, path) as third:
        until(lambda: len(others_connected()) == 1, "one thread looks for all")
        assert not any(answer.done() for answer in (first, second, third))
        read_all()
        assert {answer.result(20)["behind"]["events"] for answer in (first, second, third)} == {0}
    until(lambda: not others_connected(), "nobody waits any more, nobody looks")


def test_each_is_answered_in_their_turn(operator: Agent) -> None:
    person(), person("bo")
    say("I row."), say("I swim.", user="bo")
    with waiter(operator, f"{ANA}/context?wait=30") as ana, waiter(operator, f"{BO}/context?wait=30") as bo:
        read_all()
        assert ana.result(20)["behind"]["events"] == 0
        assert not bo.done()
        read_all("bo")
        assert bo.result(20)["behind"]["events"] == 0


def test_what_is_written_after_the_request_is_not_waited_for(operator: Agent) -> None:
    subject = person()
    said("I row.")
    with waiter(operator, f"{ANA}/context?wait=30") as answer:
        line = publishing.open_line(subject, "recipe")
        said("I swim.")
        events = Subject.objects.get().feed.values_list("event_id", flat=True)
        draft = publishing.Draft(
            parent_id=None, covers_from=0, covers_to=1,
            added=[publishing.NewConclusion(content="Ana rows.", evidence=[events[0]])],
        )  # fmt: skip
        publishing.publish(line.pk, draft)
        found = answer.result(20)
    assert (found["version"], found["behind"]["events"]) == (1, 1)


def test_only_so_many_wait_at_a_time(operator: Agent, settings: Any) -> None:
    settings.HONCHO = settings.HONCHO | {"WAITING_REQUESTS": 1}
    person()
    say("I row.")
    with waiter(operator, f"{ANA}/context?wait=30") as first:
        second = operator.get(f"{ANA}/context?wait=30")
        assert second["behind"]["events"] == 1
        assert not first.done(), "the second did not outwait the first"
        read_all()
        first.result(20)
    with waiting.room() as granted:
        assert granted, "whoever has waited leaves room for others"


def test_one_who_hears_of_it_and_fails_keeps_nobody_waiting_for_longer(operator: Agent) -> None:
    person()
    say("I row.")

    def fail(**kwargs: Any) -> None:
        raise RuntimeError("I row.")

    with waiter(operator, f"{ANA}/context?wait=30") as answer:
        reading_awaited.connect(fail)
        try:
            assert operator.get(f"{ANA}/context?wait=0.3")["behind"]["events"] == 1
        finally:
            reading_awaited.disconnect(fail)
        read_all()
        assert answer.result(20)["behind"]["events"] == 0
        assert operator.get(f"{ANA}/context?wait=30")["behind"]["events"] == 0


def test_who_finds_no_thread_to_look_for_them_leaves_the_next_one_free_to(monkeypatch: Any) -> None:
    subject = person()
    say("I row.")
    with monkeypatch.context() as none_left:
        none_left.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no thread")))
        with pytest.raises(RuntimeError):
            waiting.until_read([subject.pk], 0.1)
    read_all()
    assert waiting.until_read([subject.pk], 30)


def test_a_reader_hastens_only_what_its_turn_keeps_waiting(settings: Any) -> None:
    settings.HONCHO = settings.HONCHO | SLOW | {"AWAITED_SECONDS": 60}
    subject = person()
    say("I row.")
    following.take_in()
    work = work_of(subject)
    now = clock.now()

    def hastened(**changes: Any) -> Any:
        Work.objects.filter(pk=work.pk).update(**{"due_at": now + timedelta(hours=1), "last_pass_at": None} | changes)
        following.hasten([subject.pk])
        return Work.objects.get(pk=work.pk).due_at

    assert hastened() <= clock.now()
    assert hastened(last_pass_at=now) == now + timedelta(seconds=60), "passes keep apart, whoever waits"
    assert hastened(attempts=1) == now + timedelta(hours=1), "what has failed keeps its distance"
    assert hastened(attempts=0, state=Work.State.HELD) == now + timedelta(hours=1), "a budget holds it all the same"
    assert not following.hasten([person("bo").pk])


def test_a_budget_holds_whoever_waits(operator: Agent, settings: Any) -> None:
    settings.HONCHO = settings.HONCHO | SLOW | {"AWAITED_SECONDS": 0}
    Budget.objects.create(period="day", tokens=0)
    person()
    say("I sail.")
    provider = FakeProvider()
    with draining(provider):
        until(lambda: Work.objects.filter(state=Work.State.HELD).exists(), "the work is held")
        assert operator.get(f"{ANA}/context?wait=0.3")["behind"]["events"] == 1
        assert not provider.requests


@pytest.mark.parametrize("query", ["wait=31", "wait=-1", "wait=soon", "wait=nan", "wait=5&at=1d", "wait=5&version=1"])
def test_what_cannot_be_waited_for_is_refused(operator: Agent, query: str) -> None:
    person()
    for path in (f"{ANA}/context?{query}", f"{ANA}/representation?{query}"):
        [problem] = refused(operator.send("GET", path), 422, "invalid")
        assert problem["loc"] == ["query", "wait"]


def test_a_representation_that_the_client_has_is_not_sent_again(operator: Agent) -> None:
    subject = person()
    events = said("I sail.")
    concluded(publishing.open_line(subject, "recipe"), "Ana sails.", evidence=events)
    first = operator.send("GET", f"{ANA}/representation")
    again = operator.send("GET", f"{ANA}/representation", If_None_Match=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert operator.send("GET", f"{ANA}/representation?tokens=5", If_None_Match=first["ETag"]).status_code == 200
    publish(subject.user, ["Ana rows."], [])  # type: ignore[arg-type]
    assert operator.send("GET", f"{ANA}/representation", If_None_Match=first["ETag"]).status_code == 200
