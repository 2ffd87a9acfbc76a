"""Who asks to be told, and by which secret they know that it is us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from memory import audit, clock, ids, validation
from memory.errors import Conflict, Invalid, NotFound
from memory.models import App, WebhookDelivery, WebhookEndpoint
from memory.models.webhooks import DESCRIPTION_LENGTH
from memory.webhooks import addresses, outbox, signing

MOST_ENDPOINTS = 20
"""How many endpoints an app may have."""

OVERLAP = timedelta(hours=24)
"""For how long the secret before holds beside a new one."""

TEST = "webhook.test"
"""What a test tells of; no endpoint asks for it."""

State = WebhookDelivery.State


@transaction.atomic
def create(app: App, url: object, events: object, description: str = "", *, by: str = "") -> WebhookEndpoint:
    """Let a URL be told of events of an app; the row has the secret, which is shown this once.

    Raises :class:`Invalid`, and :class:`Conflict` where the app has as many endpoints as it may.
    """
    endpoint = WebhookEndpoint(app=app, secret=signing.new_secret(), **_checked(url, events, description))
    App.objects.select_for_update(no_key=True).get(pk=app.pk)
    if WebhookEndpoint.objects.filter(app=app).count() >= MOST_ENDPOINTS:
        raise Conflict(f"An app has at most {MOST_ENDPOINTS} webhook endpoints; delete one first.")
    endpoint.save(force_insert=True)
    audit.note("make webhook", endpoint, by=by, after={"events": endpoint.events})
    return WebhookEndpoint.objects.get(pk=endpoint.pk)


@transaction.atomic
def change(
    endpoint: WebhookEndpoint,
    *,
    url: object = None,
    events: object = None,
    description: str | None = None,
    enabled: bool | None = None,
    by: str = "",
) -> WebhookEndpoint:
    """Return an endpoint as changed; None leaves a value as it is. Raises :class:`Invalid`.

    One that is enabled again begins with a clean count. What waits for one that is disabled is given up when it is due.
    """
    row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    values = _checked(
        row.url if url is None else url,
        row.events if events is None else events,
        row.description if description is None else description,
    )
    if enabled is not None and enabled != row.enabled:
        values |= {"enabled": enabled, "disabled_reason": "", "failures": 0, "failing_since": None}
    before = {"enabled": row.enabled, "events": row.events}
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    audit.note("change webhook", row, by=by, before=before, after={"enabled": row.enabled, "events": row.events})
    return row


@transaction.atomic
def rotate(endpoint: WebhookEndpoint, *, reason: str = "", by: str = "") -> WebhookEndpoint:
    """Return an endpoint with a new secret. The one before signs too for a day, and no longer one before that."""
    row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    row.previous_secret, row.previous_until = row.secret, clock.now() + OVERLAP
    row.secret = signing.new_secret()
    row.save(update_fields=["secret", "previous_secret", "previous_until"])
    audit.note("give new secret", row, by=by, reason=reason)
    return row


@transaction.atomic
def delete(endpoint: WebhookEndpoint, *, reason: str = "", by: str = "") -> None:
    """Forget an endpoint and what it was told."""
    # First, as everybody locks it first: what is just being told of is committed, and found, after that.
    list(WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk))
    WebhookDelivery.objects.filter(endpoint=endpoint).delete()
    audit.note("delete webhook", endpoint, by=by, reason=reason, before={"events": endpoint.events})
    endpoint.delete()


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """Return the secrets with which what an endpoint is told is signed, the newest first."""
    before = endpoint.previous_until is not None and endpoint.previous_until > now
    return [endpoint.secret, endpoint.previous_secret] if before else [endpoint.secret]


def find(app: App, ref: str) -> WebhookEndpoint:
    """Return the app's endpoint with this id. Raises :class:`NotFound`."""
    pk = ids.decode(ref)
    found = None if pk is None else WebhookEndpoint.objects.filter(app=app, pk=pk).first()
    if found is None:
        raise NotFound("Webhook endpoint not found")
    return found


def find_delivery(endpoint: WebhookEndpoint, ref: str) -> WebhookDelivery:
    """Return the endpoint's delivery with this id. Raises :class:`NotFound`."""
    pk = ids.decode(ref)
    found = None if pk is None else WebhookDelivery.objects.filter(endpoint=endpoint, pk=pk).first()
    if found is None:
        raise NotFound("Delivery not found")
    return found


def test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Have an endpoint told of nothing, to see whether it hears. Raises :class:`Conflict` for a disabled one."""
    _check_enabled(endpoint)
    now = clock.now()
    payload = outbox.message(endpoint.app_id, TEST, now, {"endpoint_id": endpoint.public_id})
    row = WebhookDelivery(endpoint=endpoint, event_id=ids.uuid7(), type=TEST, payload=payload, due_at=now)
    row.save(force_insert=True)
    return WebhookDelivery.objects.get(pk=row.pk)


@transaction.atomic
def replay(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send a delivery again now, whatever became of it, under the same event id; its attempts count anew.

    Raises :class:`Conflict` while an attempt is being made, and for a disabled endpoint.
    """
    row = WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint").get(pk=delivery.pk)
    _check_enabled(row.endpoint)
    now = clock.now()
    if row.state == State.SENDING and row.due_at is not None and row.due_at > now:
        raise Conflict("An attempt is being made just now.")
    row.state, row.due_at, row.lease, row.attempts = State.WAITING, now, None, 0
    row.save(update_fields=["state", "due_at", "lease", "attempts"])
    return row


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise Conflict("This endpoint is disabled; enable it first.")


def _checked(url: object, events: object, description: str) -> dict[str, Any]:
    return {
        "url": addresses.check_url(url),
        "events": _known(events),
        "description": validation.text(description, ("description",), most=DESCRIPTION_LENGTH),
    }


def _known(events: object) -> list[str]:
    known: Sequence[str] = WebhookEndpoint.Event.values
    if not isinstance(events, list) or not events:
        raise Invalid(f"Give a list of one or more of {', '.join(known)}.", ("events",), "list_type")
    for place, event in enumerate(events):
        if event not in known:
            raise Invalid(f"Use {', '.join(known)}.", ("events", place), "enum")
    return list(dict.fromkeys(events))
