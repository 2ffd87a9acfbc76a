"""The history of an agent's runs, kept in a Honcho session."""

from __future__ import annotations

from typing import Any

from agents import TResponseInputItem
from agents.memory import SessionABC
from honcho import AsyncHoncho, NotFoundError
from honcho.models import Event

_CLEARED, _POPPED, _OTHER = "openai_agents.cleared", "openai_agents.popped", "openai_agents.item"
_KINDS = {"function_call": ("tool_call", "agent"), "function_call_output": ("tool_result", "tool")}


class HonchoSession(SessionABC):
    """Give it to ``Runner.run(agent, words, session=HonchoSession(...))``; what is said is reasoned over as well.

    The log cannot be changed: ``pop_item`` and ``clear_session`` are written down, and what they took away is no longer
    returned, but memory keeps what it learned. To erase for real, call ``honcho.apps.users.sessions.erase``.
    """

    def __init__(self, honcho: AsyncHoncho, *, app_id: str, user_id: str, session_id: str) -> None:
        self.session_id = session_id
        self._events = honcho.apps.users.sessions.events
        self._place: dict[str, Any] = {"app_id": app_id, "user_id": user_id, "session_id": session_id}

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the items, oldest first; with ``limit`` only the last so many."""
        items = [event.metadata["item"] for event in await self._standing()]
        return items if limit is None else items[len(items) - min(limit, len(items)) :]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append items, all or none."""
        if items:
            await self._events.create_many(**self._place, events=[_as_event(dict(item)) for item in items])

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the last item away and return it, None where there is none."""
        standing = await self._standing()
        if not standing:
            return None
        last = standing[-1]
        await self._events.create(**self._place, kind=_POPPED, origin="agent", data={"event": last.id})
        item: TResponseInputItem = last.metadata["item"]
        return item

    async def clear_session(self) -> None:
        """Take all items away."""
        await self._events.create(**self._place, kind=_CLEARED, origin="agent")

    async def _standing(self) -> list[Event]:
        standing: dict[str, Event] = {}
        try:
            async for event in self._events.list(**self._place, limit=200):
                if event.kind == _CLEARED:
                    standing.clear()
                elif event.kind == _POPPED:
                    standing.pop(event.data["event"], None)
                elif "item" in event.metadata:
                    standing[event.id] = event
        except NotFoundError:
            return []
        return list(standing.values())


def _as_event(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as an event: its text is what is reasoned over, the whole item lies in the metadata."""
    role = item.get("role")
    if role in ("user", "assistant"):
        kind, origin = "message", "user" if role == "user" else "agent"
    else:
        kind, origin = _KINDS.get(str(item.get("type")), (_OTHER, "agent"))
    return {"kind": kind, "origin": origin, "content": _text(item), "metadata": {"item": item}}


def _text(item: dict[str, Any]) -> str:
    content = item.get("content", item.get("output", item.get("arguments", "")))
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
