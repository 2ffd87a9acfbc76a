"""The clients of the apps era send a write again by themselves, with no key: they only count. It is done once."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Moment
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memory import retries
from memory.models import Event, KeptAnswer, Session
from memory.signals import events_appended
from tests.api.conftest import Agent, RowCounts, path_of, refused, succeeded
from tests.factories import ApiKeyFactory, EventFactory, SessionFactory

PATH = "/v1/apps/a/users/u/sessions/s/messages"
MESSAGE = {"content": "I take the train.", "is_user": True}
OTHER = {"content": "I take the bus.", "is_user": True}


def send(
    agent: Agent, tries: int | str, body: Any = MESSAGE, *, path: str = PATH, method: str = "POST", **headers: str
) -> Any:
    """Send a request as a client made by Stainless does that has sent it so often before."""
    headers |= {"X-Stainless-Lang": "python", "x-stainless-retry-count": str(tries)}
    return agent.send(method, path, body, **headers)


def done(response: Any) -> Any:
    """Return the body of an answer that must be a write's own."""
    assert "Idempotent-Replay" not in response
    return succeeded(response)


def again(response: Any) -> Any:
    """Return the body of an answer that must be an earlier try's."""
    assert response["Idempotent-Replay"] == "true"
    return succeeded(response)


def test_a_second_try_gets_the_answer_of_the_first_and_is_not_done_again(
    operator: Agent, row_counts: RowCounts
) -> None:
    first = send(operator, 0)
    done(first)
    stood = row_counts()
    second, third = send(operator, 1), send(operator, 2)
    again(second)
    again(third)
    assert first.content == second.content == third.content
    assert row_counts() == stood


def test_equal_writes_that_are_first_tries_are_all_done(operator: Agent) -> None:
    assert len({done(send(operator, 0))["id"] for _ in range(3)}) == 3


def test_each_kept_answer_stands_for_one_write(operator: Agent) -> None:
    """Of two equal writes both answers may be lost; and where a third never came, its second try is its first here."""
    ids = {done(send(operator, 0))["id"] for _ in range(2)}
    assert {again(send(operator, 1))["id"] for _ in range(2)} == ids
    assert done(send(operator, 1))["id"] not in ids
    assert Event.objects.count() == 3


def test_a_second_try_whose_first_never_came_is_done_and_kept(operator: Agent) -> None:
    made = done(send(operator, 1))
    assert again(send(operator, 2)) == made


@pytest.mark.parametrize(
    "other",
    [{"body": OTHER}, {"path": f"{PATH}?x=1"}, {"path": "/v1/apps/a/users/u/sessions/t/messages"}],
    ids=["other content", "other query", "other path"],
)
def test_another_request_is_another_write(operator: Agent, other: dict[str, Any]) -> None:
    done(send(operator, 0))
    done(send(operator, 1, **other))
    assert Event.objects.count() == 2


@pytest.mark.django_db
def test_another_key_gets_no_answer_that_was_not_its_own() -> None:
    session = SessionFactory()
    for _ in range(2):
        done(send(Agent(ApiKeyFactory(app=session.app).key), 1, path=f"{path_of(session)}/messages"))
    assert Event.objects.count() == 2


def test_a_refused_write_keeps_nothing_and_is_tried_again(operator: Agent, row_counts: RowCounts) -> None:
    stood = row_counts()
    path, body = "/v1/apps/a", {"metadata": {"b": 1}}
    for tries in range(2):
        refused(send(operator, tries, body, path=path, method="PUT"), 404, "not_found")
    assert row_counts() == stood
    operator.post("/v1/apps", {"name": "a"})
    done(send(operator, 2, body, path=path, method="PUT"))


def test_an_answer_counts_for_minutes_and_those_that_follow_clear_it_away(operator: Agent) -> None:
    for body in (MESSAGE, OTHER):
        done(send(operator, 0, body))
    KeptAnswer.objects.update(created_at=timezone.now() - retries.KEPT + timedelta(seconds=30))
    again(send(operator, 1, OTHER))
    KeptAnswer.objects.update(created_at=timezone.now() - retries.KEPT)
    done(send(operator, 1))
    assert KeptAnswer.objects.count() == 1


def test_what_expires_later_is_left_alone(operator: Agent) -> None:
    operator.send("POST", PATH, MESSAGE, **{"Idempotency-Key": "k"})
    KeptAnswer.objects.update(created_at=timezone.now() - retries.KEPT)
    done(send(operator, 0))
    again(operator.send("POST", PATH, MESSAGE, **{"Idempotency-Key": "k"}))


def test_an_idempotency_key_says_more_than_a_count(operator: Agent) -> None:
    done(send(operator, 0))
    done(send(operator, 1, **{"Idempotency-Key": "k"}))
    again(send(operator, 0, **{"Idempotency-Key": "k"}))
    assert Event.objects.count() == 2


@pytest.mark.parametrize("tries", ["", "-1", "one", "99999", "¹"])
def test_a_count_that_is_none_is_not_minded(operator: Agent, tries: str) -> None:
    done(send(operator, tries.encode().decode("latin-1")))
    assert not KeptAnswer.objects.exists()


def test_reading_keeps_nothing(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    done(send(operator, 0, {}, path=f"{PATH}/list"))
    done(send(operator, 0, None, path="/v1/apps/a", method="GET"))
    assert not KeptAnswer.objects.exists()


def test_a_deletion_is_answered_again(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    path = PATH.removesuffix("/messages")
    assert done(send(operator, 0, None, path=path, method="DELETE"))
    assert again(send(operator, 1, None, path=path, method="DELETE"))


def test_a_clone_is_made_once_though_it_is_asked_for_with_get(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.session)}/clone"
    made = done(send(operator, 0, None, path=path, method="GET"))
    assert again(send(operator, 1, None, path=path, method="GET")) == made
    assert Session.objects.count() == 2


def test_a_first_try_costs_two_statements(operator: Agent) -> None:
    operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as plain:
        operator.post(PATH, MESSAGE)
    with CaptureQueriesContext(connection) as counted:
        done(send(operator, 0))
    statements, more = ([each for each in asked if "SAVEPOINT" not in each["sql"]] for asked in (plain, counted))
    assert len(more) == len(statements) + 2


@pytest.mark.django_db(transaction=True)
def test_a_second_try_waits_for_the_first_that_is_under_way() -> None:
    """A client gives up after a minute, whatever the server is still doing."""
    key = ApiKeyFactory().key
    begun, go_on = Moment(), Moment()

    def hold(**_: Any) -> None:
        if not begun.is_set():
            begun.set()
            assert go_on.wait(timeout=10)

    def ask(tries: int) -> Any:
        try:
            return send(Agent(key), tries)
        finally:
            connection.close()

    events_appended.connect(hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask, 0)
            assert begun.wait(timeout=10)
            second = pool.submit(ask, 1)
            _wait_until_one_waits()
            go_on.set()
            assert again(second.result(timeout=10)) == done(first.result(timeout=10))
    finally:
        events_appended.disconnect(hold)
    assert Event.objects.count() == 1


def _wait_until_one_waits() -> None:
    give_up = time.monotonic() + 10
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
            )
            if cursor.fetchone()[0]:
                return
        assert time.monotonic() < give_up, "nobody waits"
        time.sleep(0.01)
