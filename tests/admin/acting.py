"""Going through an act of the console as an operator does: the form, what would come of it, and the confirmation."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django.db.models import Model


def preview(client: Any, url: str, reason: str = "It is true.", **fields: Any) -> Any:
    """Fill in the form; the page that shows what would come of it."""
    return client.post(url, {"step": "preview", "reason": reason, **fields})


def act(client: Any, url: str, reason: str = "It is true.", **fields: Any) -> Any:
    """Fill in the form and confirm what is shown; where that leads to. Where nothing is shown, what is said instead."""
    shown = preview(client, url, reason, **fields)
    token = re.search(r'name="token" value="(\w+)"', shown.content.decode())
    if token is None:
        return shown
    return client.post(url, {"step": "preview", "reason": reason, "token": token[1], **fields}, follow=True)


def choice(name: str, rows: Collection[Model]) -> dict[str, Any]:
    """What a list sends along: the action, and the rows that were chosen."""
    return {"action": name, "_selected_action": [row.pk for row in rows]}
