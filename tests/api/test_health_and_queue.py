"""Metrics, health and an app's queue, as probes and operators ask for them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from memory import feeds
from memory.search import embeddings
from reasoning import following, health
from reasoning.models import Work, Worker
from tests.api.conftest import Agent
from tests.factories import ApiKeyFactory, EventFactory
from tests.search.helpers import WORDS, index_everything

NOTHING = {
    "waiting": 0, "leased": 0, "held": 0, "parked": 0, "events": 0,
    "not_taken_in": 0, "not_indexed": 0, "not_embedded": 0, "by_kind": {},
}  # fmt: skip


def answered(path: str) -> tuple[int, Any]:
    """Return the status and the JSON of a GET without a key."""
    response = Client().get(path)
    return response.status_code, response.json()


def alive(seconds_ago: float = 0.0) -> None:
    """Let a worker have been seen so long ago."""
    now = timezone.now()
    Worker.objects.create(name="w", started_at=now, beat_at=now - timedelta(seconds=seconds_ago))


def test_healthz_looks_at_this_process_alone(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        assert answered("/healthz") == (200, {"status": "ok"})


def test_ready_with_a_worker_that_lives(db: None) -> None:
    alive(seconds_ago=30)
    assert answered("/readyz") == (200, {"status": "ok"})


def test_not_ready_without_a_worker(db: None) -> None:
    status, body = answered("/readyz")
    assert (status, body["status"]) == (503, "unavailable")
    assert body["problems"].keys() == {"worker"}
    assert body["problems"]["worker"].startswith("No worker has ever run")


def test_not_ready_when_the_worker_is_silent(db: None, settings: Any) -> None:
    alive(seconds_ago=30)
    settings.HONCHO = {**settings.HONCHO, "WORKER_SILENCE_SECONDS": 20}
    status, body = answered("/readyz")
    assert status == 503
    assert "over 20 seconds ago" in body["problems"]["worker"]


def test_not_ready_with_migrations_to_apply(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    alive()
    monkeypatch.setattr(health, "_applied", False)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = 'reasoning')"
        )
    status, body = answered("/readyz")
    assert status == 503
    assert "manage.py migrate" in body["problems"]["migrations"]


def test_not_ready_without_the_database(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise OperationalError("host 10.0.0.7 is away")

    with monkeypatch.context() as away:
        away.setattr(connection, "cursor", fail)
        assert answered("/readyz") == (
            503,
            {"status": "unavailable", "problems": {"database": "The database cannot be reached."}},
        )
        assert answered("/healthz") == (200, {"status": "ok"})
        assert Client().get("/metrics").status_code == 503


def test_metrics_ask_for_no_key(db: None) -> None:
    alive()
    response = Client().get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    for name in (
        b"honcho_events_written_total",
        b"honcho_reasoning_tasks_queued",
        b"honcho_worker_heartbeat_age_seconds",
    ):
        assert name in response.content


def test_the_queue_of_an_app(operator: Agent) -> None:
    event = EventFactory()
    EventFactory()
    key = ApiKeyFactory(app=event.app).key
    path = f"/v1/apps/{event.app.name}/queue"
    before = Agent(key).get(path)
    assert 0 <= before.pop("oldest_seconds") < 60
    assert before == NOTHING | {"not_taken_in": 1, "not_indexed": 1}
    following.take_in()
    Work.objects.filter(app=event.app, kind="session").update(state="parked", due_at=None)
    after = Agent(key).get(path)
    assert 0 <= after.pop("oldest_seconds") < 60
    assert after == NOTHING | {
        "waiting": 1,
        "parked": 1,
        "events": 2,
        "not_indexed": 1,
        "by_kind": {
            "session": {"waiting": 0, "leased": 0, "held": 0, "parked": 1, "events": 1},
            "user": {"waiting": 1, "leased": 0, "held": 0, "parked": 0, "events": 1},
        },
    }


def test_the_queue_of_an_app_shows_what_is_held(operator: Agent) -> None:
    event = EventFactory()
    following.take_in()
    Work.objects.filter(kind="user").update(state="held", due_at=None)
    found = operator.get(f"/v1/apps/{event.app.name}/queue")
    assert (found["waiting"], found["held"], found["events"]) == (1, 1, 2)
    assert found["by_kind"]["user"] == {"waiting": 0, "leased": 0, "held": 1, "parked": 0, "events": 1}
    assert found["oldest_seconds"] is not None


def test_the_queue_of_an_app_where_nothing_waits(operator: Agent) -> None:
    event = EventFactory()
    feeds.number()
    index_everything()
    assert operator.get(f"/v1/apps/{event.app.name}/queue") == NOTHING | {"oldest_seconds": None}


def test_the_queue_of_an_app_counts_what_has_no_vector(operator: Agent, settings: Any) -> None:
    event = EventFactory()
    path = f"/v1/apps/{event.app.name}/queue"
    EventFactory()  # in another app
    index_everything()
    assert operator.get(path)["not_embedded"] == 0, "no vectors are wanted"
    settings.HONCHO = {**settings.HONCHO, **WORDS}
    assert operator.get(path)["not_embedded"] == 1, "the worker has not begun"
    embeddings.wanted()
    assert operator.get(path)["not_embedded"] == 1, "nothing has been asked of the model"
    embeddings.work(1)
    assert operator.get(path)["not_embedded"] == 0
    EventFactory(session=event.session)
    index_everything()
    assert operator.get(path)["not_embedded"] == 1, "it waits for its vector"
