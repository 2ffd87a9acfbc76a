"""The tools with which an agent remembers and recalls."""

from __future__ import annotations

from agents import FunctionTool, function_tool
from honcho import AsyncHoncho
from honcho.models import Found

NOTHING = "Nothing is known about that."


def memory_tools(honcho: AsyncHoncho, *, app_id: str, user_id: str, session_id: str) -> list[FunctionTool]:
    """Return ``remember`` and ``recall``, for one user in one session: ``Agent(tools=memory_tools(...))``."""

    @function_tool
    async def remember(content: str) -> str:
        """Keep something about the user for later conversations: a fact, a wish, a decision.

        Args:
            content: One clear sentence.
        """
        await honcho.apps.users.sessions.events.create(
            app_id=app_id, user_id=user_id, session_id=session_id, kind="agent.note", origin="agent", content=content
        )
        return "Noted."

    @function_tool
    async def recall(query: str) -> str:
        """Search what the user has said and what is known about them.

        Args:
            query: What to look for.
        """
        found = await honcho.apps.users.search(app_id=app_id, user_id=user_id, query=query, limit=5)
        return "\n".join(f"- {_text(item)}" for item in found.items) or NOTHING

    return [remember, recall]


def _text(item: Found) -> str:
    found = item.event or item.conclusion
    return found.content if found is not None else ""
