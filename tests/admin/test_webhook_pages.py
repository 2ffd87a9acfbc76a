"""The pages of webhooks: a secret is shown once, and nothing is sent from a page itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memory import tenants
from memory.models import ApiKey, App, WebhookDelivery, WebhookEndpoint
from memory.webhooks import endpoints, outbox
from tests.admin import acting, data

pytestmark = pytest.mark.django_db

ENDPOINTS = reverse("admin:memory_webhookendpoint_changelist")
DELIVERIES = reverse("admin:memory_webhookdelivery_changelist")


@pytest.fixture
def operator(client):
    client.force_login(data.superuser())
    return client


@pytest.fixture
def hook() -> WebhookEndpoint:
    made = endpoints.create(tenants.make_app("harbour")[0], "https://hooks.example/x", ["pass.parked"])
    outbox.add(made.app_id, outbox.Event.PARKED, {"attempts": 3})
    return made


def text_of(response: Any) -> str:
    return response.content.decode()


def test_lists_and_pages_show_everything_but_the_secret(operator, hook):
    delivery = WebhookDelivery.objects.get()
    pages = [
        ENDPOINTS,
        DELIVERIES,
        f"{DELIVERIES}?endpoint__id__exact={hook.pk}",
        reverse("admin:memory_webhookendpoint_change", args=[hook.pk]),
        reverse("admin:memory_webhookdelivery_change", args=[delivery.pk]),
        reverse("admin:memory_webhookendpoint_add"),
    ]
    shown = [text_of(operator.get(page)) for page in pages]
    assert all("hooks.example" in page for page in shown[:5])
    assert not any(hook.secret in page for page in shown)
    with CaptureQueriesContext(connection) as captured:
        operator.get(DELIVERIES)
    assert not [query for query in captured if "SELECT DISTINCT" in query["sql"]]


@pytest.mark.parametrize("field", ["secret", "previous_secret"])
def test_no_list_tells_a_secret_letter_by_letter(client, hook, field):
    client.force_login(data.staff("view_webhookendpoint"))
    for begins in (hook.secret[:8], "x"):
        assert client.get(ENDPOINTS, {f"{field}__startswith": begins}).status_code == 400
    assert hook.url in text_of(client.get(ENDPOINTS, {"url__startswith": "https"}))


def test_nor_does_that_of_the_keys_tell_a_digest(operator):
    keys = reverse("admin:memory_apikey_changelist")
    assert operator.get(keys, {"digest__startswith": "a"}).status_code == 400


def test_a_secret_is_shown_once_where_it_is_made(operator):
    app = App.objects.create(name="harbour")
    form = {"app": app.pk, "url": "https://hooks.example/x", "events": ["pass.parked"], "description": "Board"}
    made = text_of(operator.post(reverse("admin:memory_webhookendpoint_add"), form))
    hook = WebhookEndpoint.objects.get()
    assert hook.secret in made
    assert (hook.app, hook.events, hook.description, hook.enabled) == (app, ["pass.parked"], "Board", True)
    rotated = text_of(acting.act(operator, reverse("admin:memory_webhookendpoint_rotate", args=[hook.pk])))
    before, hook = hook.secret, WebhookEndpoint.objects.get()
    assert hook.secret in rotated
    assert (hook.previous_secret, before in rotated) == (before, False)
    logged = " ".join(f"{row.object_repr} {row.change_message}" for row in LogEntry.objects.all())
    assert logged
    assert before not in logged
    assert hook.secret not in logged
    assert hook.secret not in text_of(operator.get(ENDPOINTS))


@pytest.mark.parametrize("wrong", [{"url": "http://10.0.0.1"}, {"events": ["everything"]}, {"events": []}])
def test_what_cannot_be_an_endpoint_is_refused(operator, wrong):
    app = App.objects.create(name="harbour")
    form = {"app": app.pk, "url": "https://hooks.example/x", "events": ["pass.parked"]} | wrong
    assert operator.post(reverse("admin:memory_webhookendpoint_add"), form).status_code == 200
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_as_by_the_api(operator, hook):
    WebhookEndpoint.objects.update(enabled=False, disabled_reason="Gone", failures=7)
    page = reverse("admin:memory_webhookendpoint_change", args=[hook.pk])
    form = {"url": "https://hooks.example/y", "events": ["reprocess.finished"], "description": "", "enabled": "on"}
    assert operator.post(page, form).status_code == 302
    hook.refresh_from_db()
    assert (hook.url, hook.events, hook.enabled) == ("https://hooks.example/y", ["reprocess.finished"], True)
    assert (hook.disabled_reason, hook.failures) == ("", 0)


def test_tests_and_replays_are_queued_by_who_may_change_endpoints(client, hook):
    row = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state="failed", due_at=None, attempts=11)
    test = {"action": "test", "_selected_action": [hook.pk]}
    replay = {"action": "replay", "_selected_action": [row.pk]}
    client.force_login(data.staff("view_webhookendpoint", "view_webhookdelivery"))
    client.post(ENDPOINTS, test)
    client.post(DELIVERIES, replay)
    assert WebhookDelivery.objects.get().state == "failed"
    client.force_login(data.superuser())
    client.post(ENDPOINTS, test)
    client.post(DELIVERIES, replay)
    assert sorted(WebhookDelivery.objects.values_list("type", "state")) == [
        ("pass.parked", "waiting"),
        ("webhook.test", "waiting"),
    ]


def test_a_key_of_a_project_with_a_limit_is_made_in_the_admin(operator):
    app = App.objects.create(name="harbour")
    project, _ = tenants.make_project(app, "pier")
    form = {"name": "bot", "scope": "project", "app": app.pk, "project": project.pk, "rate_per_minute": "60"}
    made = text_of(operator.post(reverse("admin:memory_apikey_add"), form))
    row = ApiKey.objects.get()
    assert f"{row.prefix}" in made
    assert (row.project, row.rate_per_minute, row.created_by) == (project, 60, "operator")
    page = text_of(operator.get(reverse("admin:memory_apikey_change", args=[row.pk])))
    assert "pier" in page
    assert "by operator" in page
