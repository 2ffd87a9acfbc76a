"""What the tests of webhooks share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from memory import clock
from memory.models import App, WebhookDelivery, WebhookEndpoint
from memory.webhooks import endpoints, outbox

EVERY = [str(event) for event in WebhookEndpoint.Event]


def endpoint(app: App, url: str = "https://hooks.example/hook", events: Any = None) -> WebhookEndpoint:
    return endpoints.create(app, url, EVERY if events is None else events)


def tell(app: App, **data: Any) -> None:
    """Let something happen that the app's endpoints are told of."""
    outbox.add(app.pk, outbox.Event.PARKED, data)


def make_due() -> None:
    """Let all that waits, or is being sent, be due now."""
    WebhookDelivery.objects.exclude(due_at=None).update(due_at=clock.now() - timedelta(seconds=1))


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True))
