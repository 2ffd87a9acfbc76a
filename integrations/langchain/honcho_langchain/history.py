"""The messages of a LangChain conversation, kept in a Honcho session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from honcho import Honcho, NotFoundError
from honcho.models import Event
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

_CLEARED = "langchain.cleared"
_KINDS = {
    "human": ("message", "user"),
    "ai": ("message", "agent"),
    "tool": ("tool_result", "tool"),
}
_OTHER = ("langchain.message", "agent")
"""System messages and the like: kept, but nobody said them."""


class HonchoChatMessageHistory(BaseChatMessageHistory):
    """What is added is reasoned over in the background, like everything in a session.

    The log cannot be changed, so ``clear`` marks an end: ``messages`` begins after it, and memory keeps what it
    learned. To erase for real, call ``honcho.apps.users.sessions.erase``.
    """

    def __init__(self, honcho: Honcho, *, app_id: str, user_id: str, session_id: str) -> None:
        self._events = honcho.apps.users.sessions.events
        self._place: dict[str, Any] = {"app_id": app_id, "user_id": user_id, "session_id": session_id}

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The messages since the conversation began or was cleared, oldest first; none where there is no session."""
        shown: list[BaseMessage] = []
        for event in self._all():
            if event.kind == _CLEARED:
                shown = []
            elif "langchain" in event.metadata:
                shown += messages_from_dict([_with_content(event)])
            elif event.kind == "message":  # somebody else wrote it
                kind = "human" if event.origin == "user" else "ai"
                shown += messages_from_dict([{"type": kind, "data": {"content": event.content, "type": kind}}])
        return shown

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append messages, all or none."""
        if messages:
            self._events.create_many(**self._place, events=[_as_event(message) for message in messages])

    def clear(self) -> None:
        """Begin anew after what there is."""
        self._events.create(**self._place, kind=_CLEARED, origin="agent")

    def _all(self) -> list[Event]:
        try:
            return list(self._events.list(**self._place, limit=200))
        except NotFoundError:
            return []


def _as_event(message: BaseMessage) -> dict[str, Any]:
    """Return a message as an event: its text is what is reasoned over, the rest lies in the metadata."""
    kind, origin = _KINDS.get(message.type, _OTHER)
    dumped = message_to_dict(message)
    if isinstance(message.content, str):
        del dumped["data"]["content"]
    return {"kind": kind, "origin": origin, "content": message.text, "metadata": {"langchain": dumped}}


def _with_content(event: Event) -> dict[str, Any]:
    dumped = event.metadata["langchain"]
    return {**dumped, "data": {"content": event.content, **dumped["data"]}}
