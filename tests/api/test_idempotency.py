"""A write that is sent again with its ``Idempotency-Key`` is done once, and answered as it was the first time."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memory import idempotency, keys, log
from memory.api import errors
from memory.api.apps_era.messages import Messages
from memory.models import Event, KeptAnswer
from memory.signals import events_appended
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused, succeeded
from tests.api.test_openapi import schema
from tests.factories import ApiKeyFactory, EventFactory, SessionFactory

PATH = "/v1/apps/a/users/u/sessions/s/messages"
MESSAGE = {"content": "I take the train.", "is_user": True}
OTHER = {"content": "I take the bus.", "is_user": True}


def write(agent: Agent, body: Any = MESSAGE, *, key: str = "k-1", path: str = PATH, method: str = "POST") -> Any:
    """Send a write with an idempotency key."""
    return agent.send(method, path, body, **{"Idempotency-Key": key})


def first(response: Any) -> Any:
    """Return the body of an answer that must be a write's own."""
    assert "Idempotent-Replay" not in response
    return succeeded(response)


def replayed(response: Any) -> Any:
    """Return the body of an answer that must be an earlier one's."""
    assert response["Idempotent-Replay"] == "true"
    return succeeded(response)


def contents() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("content", flat=True))


def grow_older(hours: float) -> None:
    """Let all kept answers be as old as this."""
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=hours))


def test_a_repeated_write_gets_the_first_answer_and_is_not_done_again(operator: Agent, row_counts: RowCounts) -> None:
    answered = write(operator)
    first(answered)
    stood = row_counts()
    again = write(operator)
    replayed(again)
    assert again.content == answered.content
    assert again.status_code == answered.status_code
    assert again["Content-Type"] == answered["Content-Type"]
    assert again["X-Request-ID"] != answered["X-Request-ID"]
    assert row_counts() == stood
    assert contents() == ["I take the train."]


def test_the_first_answer_comes_back_even_where_the_thing_has_changed_since(operator: Agent) -> None:
    made = first(write(operator, {"name": "u", "metadata": {"at": 1}}, path="/v1/apps/a/users"))
    operator.put("/v1/apps/a/users/u", {"name": "renamed", "metadata": {"at": 2}})
    assert replayed(write(operator, {"name": "u", "metadata": {"at": 1}}, path="/v1/apps/a/users")) == made


def test_a_write_without_a_key_is_done_each_time_and_costs_nothing_more(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as asked:
        operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as logged:
        log.append("a", [log.NewEvent(content="x")], user="u", session="s")
    assert len(asked) == len(logged)
    assert not any("keptanswer" in query["sql"] for query in asked)
    assert len(contents()) == 3
    assert not KeptAnswer.objects.exists()


def test_a_key_costs_two_statements_and_a_repetition_has_no_others(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as plain:
        operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as keyed:
        first(write(operator))
    with CaptureQueriesContext(connection) as again:
        replayed(write(operator))
    statements, more, others = (
        [query for query in asked if "SAVEPOINT" not in query["sql"]] for asked in (plain, keyed, again)
    )
    assert len(more) == len(statements) + 2
    assert len(others) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"body": OTHER},
        {"body": MESSAGE | {"metadata": {}}},
        {"path": "/v1/apps/a/users/u/sessions/t/messages"},
        {"path": f"{PATH}?x=1"},
        {"path": "/v1/apps/a/users/u", "method": "PUT", "body": {}},
    ],
    ids=["other content", "one field more", "other path", "other query", "other method"],
)
def test_the_key_with_another_request_is_a_conflict_that_stores_nothing(
    operator: Agent, row_counts: RowCounts, other: dict[str, Any]
) -> None:
    made = first(write(operator))
    stood = row_counts()
    response = write(operator, **other)
    assert "Idempotency-Key" in refused(response, 409, "idempotency_conflict")
    assert response["x-should-retry"] == "false"
    assert row_counts() == stood
    assert replayed(write(operator)) == made


@pytest.mark.django_db
def test_keys_of_two_tenants_never_meet() -> None:
    here, there = SessionFactory(), SessionFactory()
    ids = set()
    for session in (here, there):
        agent = Agent(ApiKeyFactory(app=session.app).key)
        ids.add(first(write(agent, path=f"{path_of(session)}/messages"))["id"])
    assert len(ids) == 2
    assert KeptAnswer.objects.count() == 2


def test_an_operators_key_keeps_the_apps_apart(operator: Agent) -> None:
    for app in ("a", "b"):
        first(write(operator, path=f"/v1/apps/{app}/users/u/sessions/s/messages"))
    assert len(contents()) == 2


def test_another_api_key_gets_no_answer_that_was_not_its_own(operator: Agent) -> None:
    first(write(operator, {"name": "a"}, path="/v1/apps"))
    other = Agent(ApiKeyFactory().key)
    refused(write(other, {"name": "a"}, path="/v1/apps"), 409, "conflict")


@pytest.mark.django_db
def test_a_kept_answer_is_not_given_to_a_key_that_may_no_longer_ask() -> None:
    session = SessionFactory()
    row = ApiKeyFactory(app=session.app)
    path = f"{path_of(session)}/messages"
    first(write(Agent(row.key), path=path))
    type(row).objects.update(read_only=True)
    keys.forget()
    refused(write(Agent(row.key), path=path), 403, "read_only")
    keys.revoke(row)
    refused(write(Agent(row.key), path=path), 401, "invalid_token")


@contextmanager
def slow_writes(seconds: float) -> Iterator[None]:
    """Let each write take a while in its transaction, so that those that begin together overlap."""

    def wait(**_: Any) -> None:
        time.sleep(seconds)

    events_appended.connect(wait)
    try:
        yield
    finally:
        events_appended.disconnect(wait)


def at_once(key: str, bodies: list[Any]) -> list[Any]:
    """Send a write with one idempotency key from as many threads as there are bodies, all at the same moment."""
    start = Barrier(len(bodies))

    def send(body: Any) -> Any:
        try:
            start.wait(timeout=10)
            return write(Agent(key), body)
        finally:
            connection.close()

    with slow_writes(0.3), ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.django_db(transaction=True)
def test_duplicates_at_the_same_moment_are_one_write_and_all_get_its_answer() -> None:
    answers = at_once(ApiKeyFactory().key, [MESSAGE] * 8)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replay" in answer for answer in answers) == 7
    assert contents() == ["I take the train."]


@pytest.mark.django_db(transaction=True)
def test_different_requests_at_the_same_moment_are_one_write_and_conflicts() -> None:
    answers = at_once(ApiKeyFactory().key, [MESSAGE, OTHER] * 4)
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 4
    assert len(contents()) == 1


@pytest.mark.django_db(transaction=True)
def test_duplicates_of_an_expired_key_at_the_same_moment_are_one_write() -> None:
    key = ApiKeyFactory().key
    first(write(Agent(key)))
    grow_older(hours=25)
    answers = at_once(key, [MESSAGE] * 8)
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replay" in answer for answer in answers) == 7
    assert len(contents()) == 2


def test_a_refused_write_keeps_nothing_and_can_be_mended(operator: Agent, row_counts: RowCounts) -> None:
    stood = row_counts()
    batch = f"{PATH}/batch"
    response = write(operator, {"messages": [MESSAGE, {"content": "x"}]}, path=batch)
    refused(response, 422, "invalid")
    refused(write(operator, b"{", path=batch), 422, "invalid")
    refused(write(operator, {"messages": [OTHER | {"content": "x" * 60_000}]}, path=batch), 422, "invalid")
    assert row_counts() == stood
    assert len(first(write(operator, {"messages": [MESSAGE, OTHER]}, path=batch))) == 2
    assert len(contents()) == 2


def test_a_write_that_was_refused_is_done_once_the_reason_is_gone(operator: Agent) -> None:
    refused(write(operator, {"metadata": {}}, path="/v1/apps/a", method="PUT"), 404, "not_found")
    operator.post("/v1/apps", {"name": "a"})
    first(write(operator, {"metadata": {}}, path="/v1/apps/a", method="PUT"))


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_that_is_answered_and_not_raised_keeps_nothing_either(
    operator: Agent, row_counts: RowCounts, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    stood = row_counts()
    done = Messages.post

    def answered(self: Messages, *args: Any, **refs: Any) -> Any:
        done(self, *args, **refs)
        return errors.answer(status, "No.", "no", {"Retry-After": "1"})

    with monkeypatch.context() as patch:
        patch.setattr(Messages, "post", answered)
        response = write(operator)
    refused(response, status, "no")
    assert response["Retry-After"] == "1"
    assert row_counts() == stood
    first(write(operator))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kept_first", [False, True])
def test_a_crash_between_the_write_and_its_commit_leaves_neither_write_nor_answer(
    operator: Agent, row_counts: RowCounts, monkeypatch: pytest.MonkeyPatch, kept_first: bool
) -> None:
    stood = row_counts()
    keep = idempotency.keep
    written = []

    def crash(*args: Any) -> None:
        written.append(Event.objects.count())
        if kept_first:
            keep(*args)
        raise RuntimeError("the power is gone")

    operator.client = Client(raise_request_exception=False)
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "keep", crash)
        refused(write(operator), 500, "server_error")
    assert written == [1]
    assert row_counts() == stood
    first(write(operator))
    assert len(contents()) == 1


def test_an_expired_key_runs_again_with_any_request(operator: Agent, settings: Any) -> None:
    made = first(write(operator))
    grow_older(hours=23.9)
    assert replayed(write(operator)) == made
    grow_older(hours=24.1)
    other = first(write(operator, OTHER))
    assert replayed(write(operator, OTHER)) == other
    refused(write(operator), 409, "idempotency_conflict")
    assert contents() == ["I take the train.", "I take the bus."]
    assert KeptAnswer.objects.count() == 1
    settings.HONCHO = {**settings.HONCHO, "IDEMPOTENCY_HOURS": 1}
    grow_older(hours=1.1)
    first(write(operator))


def test_prune_deletes_what_has_expired_and_nothing_else(operator: Agent) -> None:
    write(operator, key="old")
    grow_older(hours=24.1)
    made = first(write(operator, key="new"))
    said = StringIO()
    call_command("prune", stdout=said)
    assert said.getvalue().splitlines()[0] == "1 expired answer deleted."
    assert [row.key for row in KeptAnswer.objects.all()] == ["new"]
    assert replayed(write(operator, key="new")) == made
    assert len(contents()) == 2


def test_reading_ignores_the_key(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    session, reads = PATH.removesuffix("/messages"), 0
    for key in ("k-1", "", "x" * 256):
        for method, path in [
            ("GET", session),
            ("GET", f"{session}/context"),
            ("POST", f"{PATH}/list"),
            ("POST", "/v1/apps/list"),
            ("GET", "/v1/apps/get_or_create/a"),
        ]:
            first(write(operator, {} if method == "POST" else None, key=key, path=path, method=method))
            reads += 1
    assert reads == 15
    assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b"], ids=["empty", "too long", "NUL"])
def test_a_key_that_cannot_be_one_is_refused(operator: Agent, row_counts: RowCounts, key: str) -> None:
    stood = row_counts()
    for body in (MESSAGE, b"{"):
        [problem] = refused(write(operator, body, key=key), 422, "invalid")
        assert problem["loc"] == ["header", "Idempotency-Key"]
    assert row_counts() == stood


def test_the_longest_key_goes_with_the_longest_name(operator: Agent) -> None:
    key = "".join(chr(192 + n * 37 % 60) for n in range(255))
    name = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(512))
    for told in (first, replayed):
        told(write(operator, {"name": "u"}, key=key, path=f"/v1/apps/{name}/users"))


def test_every_write_takes_a_key(operator: Agent, row_counts: RowCounts) -> None:
    event = EventFactory(project="work")
    publish(event.user, ["Prefers Python."], [event])
    app, user, session = f"/v1/apps/{event.app.name}", path_of(event.user), path_of(event.session)
    writes: list[tuple[str, str, Any]] = [
        ("POST", "/v1/apps", {"name": "new"}),
        ("PUT", app, {"metadata": {"a": 1}}),
        ("POST", f"{app}/users", {"name": "new"}),
        ("PUT", user, {"metadata": {"a": 1}}),
        ("POST", f"{user}/sessions", {}),
        ("PUT", session, {"metadata": {"a": 1}}),
        ("POST", f"{session}/messages", MESSAGE),
        ("POST", f"{session}/messages/batch", {"messages": [MESSAGE]}),
        ("PUT", f"{session}/messages/{event.public_id}", {"metadata": {"a": 1}}),
        ("POST", f"{session}/events", [{"content": "x"}]),
        ("POST", f"{user}/events", {"content": "x"}),
        ("POST", f"{app}/projects/work/events", {"content": "x", "author": event.user.name}),
        ("POST", f"{user}/representation/feedback", {"version": 1, "score": 1}),
        ("POST", f"{user}/representation/rollback", {"to": 1, "reason": "x"}),
        ("DELETE", session, None),
    ]
    for number, (method, path, body) in enumerate(writes):
        made = first(write(operator, body, key=f"k-{number}", path=path, method=method))
        stood = row_counts()
        assert replayed(write(operator, body, key=f"k-{number}", path=path, method=method)) == made
        assert row_counts() == stood


def test_the_schema_tells_of_the_key_where_one_is_taken() -> None:
    told = set()
    for methods in schema()["paths"].values():
        for method, operation in methods.items():
            name, taken = operation["operationId"], [each["name"] for each in operation.get("parameters", ())]
            if "Idempotency-Key" in taken:
                told.add(name)
            # A dry run is made again: it holds no transaction in which an answer could be kept.
            # A clone is made by a GET.
            # An import changes nothing the second time, whoever sends it.
            reads = (".list", ".dry_run", ".query", ".search", ".chat", ".stream", ".import")
            writes = name.endswith(".clone") or (method != "get" and not name.endswith(reads))
            assert (name in told) == writes, name
            assert ("Idempotent-Replay" in json.dumps(operation["responses"])) == (name in told), name
    assert {"apps.create", "apps.users.sessions.messages.batch", "apps.users.sessions.delete"} <= told
