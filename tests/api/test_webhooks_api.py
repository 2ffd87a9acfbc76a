"""Webhooks over the API: who manages them, what is shown, and that a secret is shown once."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from memory import clock, ids
from memory.models import App, WebhookDelivery, WebhookEndpoint
from memory.webhooks import endpoints, outbox
from tests.api.conftest import Agent, RowCounts, refused, succeeded
from tests.api.test_key_making import everything_stored
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, AppFactory, SessionFactory

PATH = "/v1/apps/tenant/webhooks"
NEW = {"url": "https://hooks.example/honcho", "events": ["representation.published", "pass.parked"]}
SHAPE = {"id", "url", "events", "description", "enabled", "disabled_reason", "failures", "created_at"}


@pytest.fixture
def app(db: None) -> App:
    made: App = AppFactory(name="tenant")
    return made


@pytest.fixture
def agent(app: App) -> Agent:
    return Agent(ApiKeyFactory(app=app).key)


def delivery_of(hook: str) -> WebhookDelivery:
    """A delivery to an endpoint, by the endpoint's id."""
    row = WebhookEndpoint.objects.get(pk=ids.decode(hook))
    outbox.add(row.app_id, outbox.Event.PARKED, {"attempts": 1})
    return WebhookDelivery.objects.filter(endpoint=row).latest("pk")


def test_an_endpoint_is_made_shown_changed_and_deleted(agent: Agent) -> None:
    made = agent.post(PATH, {**NEW, "description": "The board"})
    check("/v1/apps/{app}/webhooks", "post", made)
    assert set(made) == {*SHAPE, "secret"}
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["events"], made["enabled"]) == (NEW["url"], NEW["events"], True)
    one = f"{PATH}/{made['id']}"
    shown = agent.get(one)
    check("/v1/apps/{app}/webhooks/{webhook}", "get", shown)
    assert shown == {name: made[name] for name in SHAPE}
    listed = agent.get(PATH)
    check("/v1/apps/{app}/webhooks", "get", listed)
    assert listed == {"items": [shown], "next_cursor": None}
    changed = agent.put(one, {"events": ["reprocess.finished"], "enabled": False})
    assert changed == shown | {"events": ["reprocess.finished"], "enabled": False}
    assert agent.put(one, {}) == changed
    succeeded(agent.send("DELETE", one))
    refused(agent.send("GET", one), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"events": NEW["events"]}, ["url"]),
        ({"url": NEW["url"]}, ["events"]),
        (NEW | {"url": "http://hooks.example"}, ["url"]),
        (NEW | {"url": "https://10.0.0.1/"}, ["url"]),
        (NEW | {"url": 7}, ["url"]),
        (NEW | {"events": []}, ["events"]),
        (NEW | {"events": "pass.parked"}, ["events"]),
        (NEW | {"events": ["pass.parked", "everything"]}, ["events", 1]),
        (NEW | {"events": [["pass.parked"]]}, ["events", 0]),
        (NEW | {"description": 7}, ["description"]),
        (NEW | {"description": "x" * 501}, ["description"]),
        (NEW | {"secret": "mine"}, ["secret"]),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(
    agent: Agent, row_counts: RowCounts, body: Any, where: list[Any]
) -> None:
    before = row_counts()
    [problem] = refused(agent.send("POST", PATH, body), 422, "invalid")
    assert problem["loc"] == ["body", *where]
    assert row_counts() == before


def test_a_change_that_cannot_be_changes_nothing(agent: Agent) -> None:
    made = agent.post(PATH, NEW)
    for body in ({"enabled": "no"}, {"url": "nowhere", "enabled": False}, {"colour": "red"}):
        refused(agent.send("PUT", f"{PATH}/{made['id']}", body), 422, "invalid")
    assert agent.get(f"{PATH}/{made['id']}") == {name: made[name] for name in SHAPE}


def test_deliveries_are_listed_tested_and_replayed(agent: Agent) -> None:
    one = f"{PATH}/{agent.post(PATH, NEW)['id']}"
    row = delivery_of(one.rpartition("/")[2])
    tested = agent.post(f"{one}/test")
    check("/v1/apps/{app}/webhooks/{webhook}/test", "post", tested)
    assert (tested["type"], tested["state"], tested["attempts"]) == ("webhook.test", "waiting", 0)
    page = agent.get(f"{one}/deliveries?limit=1")
    check("/v1/apps/{app}/webhooks/{webhook}/deliveries", "get", page)
    assert page["items"] == [tested]
    [shown] = agent.get(f"{one}/deliveries?limit=1&cursor={page['next_cursor']}")["items"]
    assert (shown["id"], shown["type"], shown["next_at"] is not None) == (row.public_id, "pass.parked", True)
    WebhookDelivery.objects.filter(pk=row.pk).update(state="failed", due_at=None, attempts=11, status=500)
    [failed] = agent.get(f"{one}/deliveries?state=failed")["items"]
    assert (failed["status"], failed["attempts"], failed["next_at"]) == (500, 11, None)
    again = agent.post(f"{one}/deliveries/{row.public_id}/replay")
    check("/v1/apps/{app}/webhooks/{webhook}/deliveries/{delivery}/replay", "post", again)
    assert (again["state"], again["attempts"], again["event_id"]) == ("waiting", 0, shown["event_id"])
    lease = ids.uuid7()
    later = clock.now() + endpoints.OVERLAP
    WebhookDelivery.objects.filter(pk=row.pk).update(state="sending", lease=lease, due_at=later)
    refused(agent.send("POST", f"{one}/deliveries/{row.public_id}/replay"), 409, "conflict")
    agent.put(one, {"enabled": False})
    refused(agent.send("POST", f"{one}/test"), 409, "conflict")
    refused(agent.send("POST", f"{one}/deliveries/{row.public_id}/replay"), 409, "conflict")


def test_a_secret_is_in_its_answer_and_its_row_alone(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [agent.send("POST", PATH, NEW, **{"Idempotency-Key": "k-1"})]
    one = f"{PATH}/{succeeded(answers[0])['id']}"
    answers.append(agent.send("POST", f"{one}/rotate", None, **{"Idempotency-Key": "k-2"}))
    secrets = [succeeded(answer)["secret"] for answer in answers]
    assert secrets[0] != secrets[1]
    for answer in answers:
        assert answer["Cache-Control"] == "no-store"
    stored = everything_stored()
    shown = json.dumps([agent.get(PATH), agent.get(one), agent.get(f"{one}/deliveries")])
    for secret in secrets:
        assert stored.count(secret) == 1, "in the endpoint's row"
        assert secret.removeprefix("whsec_") not in caplog.text + shown
    refused(agent.send("POST", PATH, NEW, **{"Idempotency-Key": "k-1"}), 409, "conflict")
    refused(agent.send("POST", f"{one}/rotate", None, **{"Idempotency-Key": "k-2"}), 409, "conflict")
    assert WebhookEndpoint.objects.get().secret == secrets[1]


def test_only_keys_of_the_app_manage_its_webhooks(agent: Agent, app: App, row_counts: RowCounts) -> None:
    session = SessionFactory(owner__app=app)
    one = f"{PATH}/{agent.post(PATH, NEW)['id']}"
    delivery = delivery_of(one.rpartition("/")[2]).public_id
    routes: list[tuple[str, str, Any]] = [
        ("GET", PATH, None), ("POST", PATH, NEW), ("GET", one, None), ("PUT", one, {"enabled": False}),
        ("DELETE", one, None), ("POST", f"{one}/rotate", None), ("POST", f"{one}/test", None),
        ("GET", f"{one}/deliveries", None), ("POST", f"{one}/deliveries/{delivery}/replay", None),
    ]  # fmt: skip
    others = [ApiKeyFactory(user=session.owner), ApiKeyFactory(session=session), ApiKeyFactory(app=AppFactory())]
    reader = Agent(ApiKeyFactory(app=app, read_only=True).key)
    before = row_counts()
    for method, path, body in routes:
        for key in others:
            refused(Agent(key.key).send(method, path, body), 401, "out_of_scope")
        if method == "GET":
            reader.get(path)
        else:
            refused(reader.send(method, path, body), 403, "read_only")
    assert row_counts() == before
    assert WebhookEndpoint.objects.get().enabled


def test_another_apps_endpoint_is_not_found_under_ones_own(agent: Agent) -> None:
    foreign = endpoints.create(AppFactory(), NEW["url"], NEW["events"])
    theirs = delivery_of(foreign.public_id)
    mine = agent.post(PATH, NEW)["id"]
    for method, path, body in [
        ("GET", foreign.public_id, None),
        ("PUT", foreign.public_id, {"enabled": False}),
        ("DELETE", foreign.public_id, None),
        ("POST", f"{foreign.public_id}/rotate", None),
        ("GET", f"{foreign.public_id}/deliveries", None),
        ("POST", f"{mine}/deliveries/{theirs.public_id}/replay", None),
        ("GET", "nothing", None),
    ]:
        refused(agent.send(method, f"{PATH}/{path}", body), 404, "not_found")
    assert WebhookEndpoint.objects.get(pk=foreign.pk).secret == foreign.secret


def test_an_app_has_a_bounded_number_of_endpoints(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 2)
    for _ in range(2):
        agent.post(PATH, NEW)
    assert "at most 2" in refused(agent.send("POST", PATH, NEW), 409, "conflict")
