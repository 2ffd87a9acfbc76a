"""Chat as 0.0.8 to 0.0.14 ask for it: by GET, and at addresses without ``/v1`` (``memory.api.apps_era.unprefixed``)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from django.utils.functional import cached_property

from memory.api.apps_era.unprefixed import only
from reasoning.api import chat


class _ByGet:
    """A question in the query."""

    http_method_names = ["get"]
    post: Any
    http: Any

    @cached_property
    def body(self) -> Any:
        """What newer clients send as the body."""
        query = self.http.GET.get("query")
        return {} if query is None else {"queries": query}

    def get(self, *args: Any, **refs: str) -> Any:
        """Answer as to a POST."""
        return self.post(*args, **refs)


class Chat(_ByGet, chat.Chat):  # type: ignore[misc]
    """A question in a session."""


class ChatStream(_ByGet, chat.ChatStream):  # type: ignore[misc]
    """A question in a session, answered as it is written."""


_CHAT = "apps/<str:app>/users/<str:user>/sessions/<str:session>/chat"

urlpatterns = [path(_CHAT, only(Chat)), path(f"{_CHAT}/stream", only(ChatStream))]
