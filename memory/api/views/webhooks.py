"""Webhooks of an app: who is told of what, what became of it, and a way to send it again. Takes an app's key."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from memory import ids, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.models import WebhookDelivery, WebhookEndpoint
from memory.models.webhooks import DESCRIPTION_LENGTH, URL_LENGTH
from memory.webhooks import endpoints

_NEW = ("url", "events", "description")
_CHANGE = (*_NEW, "enabled")
_NO_STORE = {"Cache-Control": "no-store"}
_LIMIT = schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "How many items.", default=50)


class NewWebhookSchema(serializers.Serializer[Any]):
    """Where to tell of what."""

    url = serializers.CharField(max_length=URL_LENGTH, help_text="https, to a public address.")
    events = serializers.ListField(child=serializers.ChoiceField(WebhookEndpoint.Event.values), min_length=1)
    description = serializers.CharField(required=False, max_length=DESCRIPTION_LENGTH, allow_blank=True)


class WebhookChangeSchema(serializers.Serializer[Any]):
    """What shall be otherwise; what is absent or null stays."""

    url = serializers.CharField(required=False, max_length=URL_LENGTH)
    events = serializers.ListField(
        child=serializers.ChoiceField(WebhookEndpoint.Event.values), min_length=1, required=False
    )
    description = serializers.CharField(required=False, max_length=DESCRIPTION_LENGTH, allow_blank=True)
    enabled = serializers.BooleanField(required=False, help_text="What comes due while it is disabled is given up.")


class WebhookSchema(serializers.Serializer[Any]):
    """An endpoint, without its secret."""

    id = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(WebhookEndpoint.Event.values))
    description = serializers.CharField(allow_blank=True)
    enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField(allow_blank=True, help_text="Why it was disabled, if not by hand.")
    failures = serializers.IntegerField(help_text="How many attempts have failed since one succeeded.")
    created_at = serializers.DateTimeField()


class WebhookWithSecretSchema(WebhookSchema):
    """An endpoint with a secret that was just made."""

    secret = serializers.CharField(help_text="Verifies what is sent (Standard Webhooks). It is shown this once.")


class WebhookDeliverySchema(serializers.Serializer[Any]):
    """What became of telling an endpoint of an event."""

    id = serializers.CharField()
    event_id = serializers.CharField(help_text="The header `webhook-id` of every attempt.")
    type = serializers.CharField()
    state = serializers.ChoiceField(WebhookDelivery.State.choices)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, help_text="What the last attempt was answered; null: nothing.")
    error = serializers.CharField(
        allow_blank=True,
        help_text="What was wrong with the last attempt: `http_status`, `redirect`, `gone`, `timeout`, `connect`, "
        "`tls`, `network`, `address_refused`, `endpoint_disabled` or `lost`.",
    )
    next_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt is made.")
    attempted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WebhookGoneSchema(serializers.Serializer[Any]):
    """That an endpoint is deleted."""

    message = serializers.CharField()


class Webhooks(Endpoint):
    """The endpoints of an app."""

    shown_once = "secret"

    @schemas.describe(
        "create",
        "Be told of what happens in an app",
        WebhookWithSecretSchema,
        body=NewWebhookSchema,
        writes=True,
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Have a URL told of events, and show the secret that signs what is sent, this once."""
        fields = self.fields()
        parameters.only(fields, _NEW)
        description = fields.get("description")
        row = endpoints.create(
            tenants.find_app(app),
            parameters.required(fields, "url"),
            parameters.required(fields, "events"),
            "" if description is None else description,
            by=auth.author_of(self.grant),
        )
        return _with_secret(row)

    @schemas.describe(
        "list", "The endpoints, newest first", schemas.cursor_page_of(WebhookSchema), query=(schemas.CURSOR, _LIMIT)
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of the app's endpoints."""
        size = pagination.limit(self.http)
        rows = WebhookEndpoint.objects.filter(app=tenants.find_app(app)).order_by("-pk")
        if cursor := pagination.id_cursor(self.http):
            rows = rows.filter(pk__lt=cursor)
        page = pagination.cursor_page(list(rows[: size + 1]), size, _shape, lambda row: row.public_id)
        return shapes.json_response(page)


class Webhook(Endpoint):
    """One endpoint."""

    @schemas.describe("get", "One endpoint", WebhookSchema)
    def get(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Return an endpoint, without its secret."""
        return shapes.json_response(_shape(_found(app, webhook)))

    @schemas.describe(
        "update", "Change an endpoint", WebhookSchema, body=WebhookChangeSchema, writes=True, sends={"enabled": True}
    )
    def put(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Change where an endpoint is, of what it is told, or whether; what is absent or null stays."""
        fields = self.fields()
        parameters.only(fields, _CHANGE)
        given = {name: value for name, value in fields.items() if value is not None}
        if "enabled" in given:
            parameters.boolean(given["enabled"], ("enabled",))
        by = auth.author_of(self.grant)
        return shapes.json_response(_shape(endpoints.change(_found(app, webhook), **given, by=by)))

    @schemas.describe("delete", "Delete an endpoint", WebhookGoneSchema, writes=True)
    def delete(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Delete an endpoint, with what it waits for and what it was told."""
        endpoints.delete(_found(app, webhook), by=auth.author_of(self.grant))
        return shapes.json_response({"message": "Webhook deleted successfully"})


class Rotation(Endpoint):
    """A new secret for an endpoint."""

    shown_once = "secret"

    @schemas.describe("rotate", "Give an endpoint a new secret", WebhookWithSecretSchema, writes=True)
    def post(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Give an endpoint a new secret and show it, this once; for a day what is sent is signed by both."""
        return _with_secret(endpoints.rotate(_found(app, webhook), by=auth.author_of(self.grant)))


class Test(Endpoint):
    """Something to hear, to see whether an endpoint does."""

    @schemas.describe("test", "Send an endpoint a test", WebhookDeliverySchema, writes=True)
    def post(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Have an endpoint told of nothing (`webhook.test`); its deliveries say what became of it."""
        return shapes.json_response(_delivery(endpoints.test(_found(app, webhook))))


class Deliveries(Endpoint):
    """What an endpoint was told."""

    @schemas.describe(
        "list",
        "What an endpoint was told, newest first",
        schemas.cursor_page_of(WebhookDeliverySchema),
        query=(
            schemas.parameter(
                "state", {"type": "string", "enum": WebhookDelivery.State.values}, "Only those in this state."
            ),
            schemas.CURSOR,
            _LIMIT,
        ),
    )
    def get(self, request: Request, app: str, webhook: str) -> HttpResponse:
        """Return a page of deliveries: how often each was tried, how that ended, and when it is tried next."""
        size = pagination.limit(self.http)
        rows = WebhookDelivery.objects.filter(endpoint=_found(app, webhook)).order_by("-pk")
        states = parameters.query_words(self.http, "state", WebhookDelivery.State.values)
        if states:
            rows = rows.filter(state__in=states)
        if cursor := pagination.id_cursor(self.http):
            rows = rows.filter(pk__lt=cursor)
        page = pagination.cursor_page(list(rows[: size + 1]), size, _delivery, lambda row: row.public_id)
        return shapes.json_response(page)


class Replay(Endpoint):
    """A delivery once more."""

    @schemas.describe("replay", "Send a delivery again", WebhookDeliverySchema, writes=True)
    def post(self, request: Request, app: str, webhook: str, delivery: str) -> HttpResponse:
        """Send a delivery again, whatever became of it, under the same `webhook-id`; its attempts count anew."""
        row = endpoints.find_delivery(_found(app, webhook), delivery)
        return shapes.json_response(_delivery(endpoints.replay(row)))


def _found(app: str, webhook: str) -> WebhookEndpoint:
    return endpoints.find(tenants.find_app(app), webhook)


def _with_secret(row: WebhookEndpoint) -> HttpResponse:
    return shapes.json_response(_shape(row) | {"secret": row.secret}, headers=_NO_STORE)


def _shape(row: WebhookEndpoint) -> shapes.Shape:
    """Return an endpoint, without its secret."""
    return {
        "id": row.public_id,
        "url": row.url,
        "events": row.events,
        "description": row.description,
        "enabled": row.enabled,
        "disabled_reason": row.disabled_reason,
        "failures": row.failures,
        "created_at": shapes.moment(row.created_at),
    }


def _delivery(row: WebhookDelivery) -> shapes.Shape:
    """Return what became of a delivery."""
    return {
        "id": row.public_id,
        "event_id": ids.encode(row.event_id),
        "type": row.type,
        "state": row.state,
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error,
        "next_at": shapes.moment(row.due_at) if row.state == WebhookDelivery.State.WAITING else None,
        "attempted_at": shapes.moment(row.attempted_at),
        "created_at": shapes.moment(row.created_at),
    }
