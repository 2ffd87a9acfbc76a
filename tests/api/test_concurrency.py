"""Many writers that name the same thing at the same moment make it once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from memory.models import App, Event, Participant, Session, Subject, User
from tests.api.conftest import Agent, succeeded
from tests.factories import ApiKeyFactory

WRITERS = 8


def at_once(key: str, method: str, path: str, bodies: list[Any]) -> list[Any]:
    """Send requests from as many threads as there are bodies, all at the same moment."""
    start = Barrier(len(bodies))

    def send(body: Any) -> Any:
        try:
            start.wait(timeout=10)
            return succeeded(Agent(key).send(method, path, body))
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "path",
    ["/v1/apps/get_or_create/a", "/v1/apps/a/users/get_or_create/u", "/v1/apps/a/users/u/sessions/get_or_create/s"],
)
def test_get_or_create_makes_one(path: str) -> None:
    answers = at_once(ApiKeyFactory().key, "GET", path, [None] * WRITERS)
    assert len({answer["id"] for answer in answers}) == 1
    assert App.objects.count() == 1
    assert User.objects.count() == Subject.objects.filter(kind="user").count() == (1 if "users" in path else 0)
    assert Session.objects.count() == Subject.objects.filter(kind="session").count() == (1 if "sessions" in path else 0)


@pytest.mark.django_db(transaction=True)
def test_first_messages_at_once_make_one_place_and_lose_nothing() -> None:
    bodies: list[Any] = [{"content": f"message {n}", "is_user": True} for n in range(WRITERS)]
    answers = at_once(ApiKeyFactory().key, "POST", "/v1/apps/a/users/u/sessions/s/messages", bodies)
    assert len({answer["session_id"] for answer in answers}) == 1
    assert sorted(Event.objects.values_list("content", flat=True)) == sorted(body["content"] for body in bodies)
    assert (App.objects.count(), User.objects.count(), Participant.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_same_id_at_once_is_one_message() -> None:
    bodies: list[Any] = [{"content": "x", "is_user": True, "id": "mine"}] * WRITERS
    answers = at_once(ApiKeyFactory().key, "POST", "/v1/apps/a/users/u/sessions/s/messages", bodies)
    assert len({answer["id"] for answer in answers}) == 1
    assert Event.objects.count() == 1
