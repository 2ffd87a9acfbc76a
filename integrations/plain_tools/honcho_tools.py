"""Memory as plain tools, for agents that take a name, a description, a JSON schema and a function (AutoGPT's way)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from honcho import Honcho
from honcho.models import Found

NOTHING = "Nothing is known about that."


@dataclass(frozen=True)
class Tool:
    """A function with what a model must know to call it. ``parameters`` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]
    function: Callable[..., str]

    def __call__(self, **arguments: Any) -> str:
        """Return what the function says, as text for the model."""
        return self.function(**arguments)

    def as_openai(self) -> dict[str, Any]:
        """Return the tool as chat completions take it."""
        described = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": described}


def memory_tools(honcho: Honcho, *, app_id: str, user_id: str, session_id: str) -> list[Tool]:
    """Return ``remember``, ``recall`` and ``know_user``, for one user in one session."""
    user: dict[str, Any] = {"app_id": app_id, "user_id": user_id}

    def remember(content: str) -> str:
        honcho.apps.users.sessions.events.create(
            **user, session_id=session_id, kind="agent.note", origin="agent", content=content
        )
        return "Noted."

    def recall(query: str, limit: int = 5) -> str:
        found = honcho.apps.users.search(**user, query=query, limit=limit)
        return "\n".join(f"- {text_of(item)}" for item in found.items) or NOTHING

    def know_user() -> str:
        return str(honcho.apps.users.get_context(**user)) or NOTHING

    return [
        Tool(
            "remember",
            "Keep something about the user for later conversations: a fact, a wish, a decision.",
            _object(content={"type": "string", "description": "One clear sentence."}),
            remember,
        ),
        Tool(
            "recall",
            "Search what the user has said and what is known about them.",
            _object(
                query={"type": "string", "description": "What to look for."},
                limit={
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 20,
                    "description": "How many results; 5 if left out.",
                },
            ),
            recall,
        ),
        Tool("know_user", "Read a summary of all that is known about the user.", _object(), know_user),
    ]


def text_of(item: Found) -> str:
    """Return the words that were found."""
    found = item.event or item.conclusion
    return found.content if found is not None else ""


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in properties if name != "limit"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
