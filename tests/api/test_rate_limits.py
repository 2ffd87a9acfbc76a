"""What a key hears that may make so many requests a minute."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memory import clock
from memory.models import Event, RateWindow
from tests.api.conftest import Agent, refused, succeeded
from tests.factories import ApiKeyFactory, AppFactory

HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
PATH = "/v1/apps/a/users/u/sessions/s/messages"
MESSAGE = {"content": "x", "is_user": True}


def standing(response: Any) -> tuple[str, ...]:
    """What the headers say; the seconds are only looked at."""
    limit, remaining, seconds, policy = (response[name] for name in HEADERS)
    assert 1 <= int(seconds) <= 60
    return limit, remaining, policy


@pytest.mark.django_db
def test_every_answer_tells_how_the_key_stands_and_one_too_many_is_refused() -> None:
    agent = Agent(ApiKeyFactory(rate_per_minute=5).key)
    for left, (status, method, path, body) in zip(
        (4, 3, 2, 1, 0),
        [
            (200, "POST", PATH, MESSAGE),
            (404, "GET", "/v1/apps/nobody", None),
            (422, "POST", PATH, {}),
            (405, "PUT", PATH, {}),
            (200, "GET", "/v1/apps/a", None),
        ],
        strict=True,
    ):
        response = agent.send(method, path, body)
        assert response.status_code == status
        assert standing(response) == ("5", str(left), "5;w=60")
    for _ in range(2):
        response = agent.send("POST", PATH, MESSAGE)
        refused(response, 429, "rate_limited")
        assert standing(response) == ("5", "0", "5;w=60")
        assert response["Retry-After"] == response["RateLimit-Reset"]
        assert "x-should-retry" not in response
    assert Event.objects.count() == 1
    RateWindow.objects.update(began=clock.now() - timedelta(seconds=61))
    assert standing(agent.send("GET", "/v1/apps/a")) == ("5", "4", "5;w=60")


@pytest.mark.django_db
def test_what_is_out_of_scope_counts_too() -> None:
    agent = Agent(ApiKeyFactory(app=AppFactory(name="a"), rate_per_minute=2).key)
    assert standing(agent.send("GET", "/v1/apps/b")) == ("2", "1", "2;w=60")
    refused(agent.send("GET", "/v1/apps/b"), 401, "out_of_scope")
    refused(agent.send("GET", "/v1/apps/b"), 429, "rate_limited")


@pytest.mark.django_db
def test_a_key_without_a_limit_costs_nothing_and_a_limited_one_a_statement() -> None:
    free, bound = Agent(ApiKeyFactory().key), Agent(ApiKeyFactory(rate_per_minute=9).key)
    free.post("/v1/apps", {"name": "a"})
    counts = []
    for agent in (free, bound):
        agent.get("/v1/apps/a")
        with CaptureQueriesContext(connection) as asked:
            response = agent.send("GET", "/v1/apps/a")
        counts.append(len(asked))
        assert ("RateLimit-Limit" in response) == (agent is bound)
    assert counts[1] == counts[0] + 1
    assert RateWindow.objects.count() == 1


@pytest.mark.django_db
def test_a_repeated_write_is_counted_and_its_answer_tells_how_the_key_stands_now() -> None:
    agent = Agent(ApiKeyFactory(rate_per_minute=9).key)
    answers = [agent.send("POST", PATH, MESSAGE, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert succeeded(answers[0]) == succeeded(answers[1])
    assert [standing(each)[1] for each in answers] == ["8", "7"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_write_is_counted_all_the_same() -> None:
    agent = Agent(ApiKeyFactory(rate_per_minute=9).key)
    for _ in range(3):
        agent.send("POST", f"{PATH}/batch", {"messages": [MESSAGE, {}]}, **{"Idempotency-Key": "k"})
    assert RateWindow.objects.get().used == 3
