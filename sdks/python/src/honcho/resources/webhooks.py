"""Webhooks: addresses that are told of what happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from honcho import models
from honcho._call import Call, given
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _places


class Webhooks(Resource[M]):
    """The webhooks of an app."""

    @operation
    def create(
        self, *, app_id: str, url: str, events: Sequence[str], description: Optional[str] = None
    ) -> Call[models.Webhook]:
        """Make a webhook; ``secret`` of the answer signs its messages and is shown this once."""
        body = given(url=url, events=events, description=description)
        return Call("POST", _places.app(app_id, "webhooks"), models.Webhook, body=body, writes=True)

    @paged
    def list(self, *, app_id: str, cursor: Optional[str] = None, limit: Optional[int] = None) -> Call[models.Webhook]:
        """Return the app's webhooks."""
        query = {"cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "webhooks"), models.Webhook, query=query)

    @operation
    def get(self, *, app_id: str, webhook_id: str) -> Call[models.Webhook]:
        """Return a webhook."""
        return Call("GET", _places.app(app_id, "webhooks", webhook_id), models.Webhook)

    @operation
    def update(
        self,
        *,
        app_id: str,
        webhook_id: str,
        url: Optional[str] = None,
        events: Optional[Sequence[str]] = None,
        description: Optional[str] = None,
        enabled: Optional[bool] = None,
    ) -> Call[models.Webhook]:
        """Change a webhook; what is not given stays."""
        body = given(url=url, events=events, description=description, enabled=enabled)
        return Call("PUT", _places.app(app_id, "webhooks", webhook_id), models.Webhook, body=body, writes=True)

    @operation
    def delete(self, *, app_id: str, webhook_id: str) -> Call[models.Deleted]:
        """Delete a webhook with what it was still to be told."""
        return Call("DELETE", _places.app(app_id, "webhooks", webhook_id), models.Deleted, writes=True)

    @operation
    def rotate(self, *, app_id: str, webhook_id: str) -> Call[models.Webhook]:
        """Give a webhook a new secret; messages are signed with the old one too for a day."""
        return Call("POST", _places.app(app_id, "webhooks", webhook_id, "rotate"), models.Webhook, writes=True)

    @operation
    def test(self, *, app_id: str, webhook_id: str) -> Call[models.Delivery]:
        """Send a message of the type ``webhook.test``."""
        return Call("POST", _places.app(app_id, "webhooks", webhook_id, "test"), models.Delivery, writes=True)

    @paged
    def deliveries(
        self,
        *,
        app_id: str,
        webhook_id: str,
        state: Optional[str] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[models.Delivery]:
        """Return what a webhook was told, newest first."""
        address = _places.app(app_id, "webhooks", webhook_id, "deliveries")
        return Call("GET", address, models.Delivery, query={"state": state, "cursor": cursor, "limit": limit})

    @operation
    def replay(self, *, app_id: str, webhook_id: str, delivery_id: str) -> Call[models.Delivery]:
        """Send a message again."""
        address = _places.app(app_id, "webhooks", webhook_id, "deliveries", delivery_id, "replay")
        return Call("POST", address, models.Delivery, writes=True)
