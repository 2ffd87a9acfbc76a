"""Messages: what was said in a session."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Optional, Union

from honcho import models
from honcho._call import JSON, Call, When, given
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _places


class Messages(Resource[M]):
    """The messages of a session."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        content: str,
        is_user: bool,
        metadata: Optional[dict[str, Any]] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
    ) -> Call[models.Message]:
        """Append a message; app, user and session are made if they are missing.

        ``is_user`` says whether the user said it or the agent. ``id`` is your own: sent again with the same content,
        the message is stored once.
        """
        address = _places.session(app_id, user_id, session_id, "messages")
        body = given(content=content, is_user=is_user, metadata=metadata, id=id, occurred_at=occurred_at)
        return Call("POST", address, models.Message, body=body, writes=True)

    @operation
    def batch(
        self, *, app_id: str, user_id: str, session_id: str, messages: Sequence[Union[models.NewMessage, JSON]]
    ) -> Call[builtins.list[models.Message]]:
        """Append up to 100 messages, all or none, in the order given."""
        address = _places.session(app_id, user_id, session_id, "messages", "batch")
        return Call("POST", address, _messages, body={"messages": [*messages]}, writes=True)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Message]:
        """Return the session's messages, oldest first; ``filter`` is metadata that they must contain."""
        address = _places.session(app_id, user_id, session_id, "messages", "list")
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", address, models.Message, query=query, body=given(filter=filter))

    @operation
    def get(self, *, app_id: str, user_id: str, session_id: str, message_id: str) -> Call[models.Message]:
        """Return a message."""
        return Call("GET", _places.session(app_id, user_id, session_id, "messages", message_id), models.Message)

    @operation
    def update(
        self, *, app_id: str, user_id: str, session_id: str, message_id: str, metadata: JSON
    ) -> Call[models.Message]:
        """Replace a message's metadata; nothing else of it can change."""
        address = _places.session(app_id, user_id, session_id, "messages", message_id)
        return Call("PUT", address, models.Message, body={"metadata": metadata}, writes=True)


def _messages(data: Any) -> list[models.Message]:
    return [models.Message(item) for item in data]
