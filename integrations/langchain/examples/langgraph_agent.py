"""A LangGraph agent that remembers across threads.

Each thread is a session of the same user. What is said goes into Honcho's log, which reasons over it in the background;
before it answers, the agent reads what is known of the user, and the last words that are not reasoned over yet.

    HONCHO_BASE_URL=http://localhost:8000 HONCHO_API_KEY=… python langgraph_agent.py thread-1 "I am allergic to peanuts"
    HONCHO_BASE_URL=http://localhost:8000 HONCHO_API_KEY=… python langgraph_agent.py thread-2 "What must I not eat?"
"""

from __future__ import annotations

import sys
from typing import Any

from honcho import Honcho
from honcho_langchain import HonchoChatMessageHistory
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

APP = "langgraph-example"


def build(model: BaseChatModel, honcho: Honcho, *, user_id: str) -> Any:
    """Return the compiled graph of an agent for one user; the thread of a run is its ``thread_id``."""

    def answer(state: MessagesState, config: RunnableConfig) -> dict[str, list[BaseMessage]]:
        place = {"app_id": APP, "user_id": user_id, "session_id": config["configurable"]["thread_id"]}
        history = HonchoChatMessageHistory(honcho, **place)
        known = what_is_known(honcho, user_id)
        said = model.invoke([SystemMessage(f"About the user:\n{known}"), *history.messages, *state["messages"]])
        history.add_messages([*state["messages"], said])
        return {"messages": [said]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def what_is_known(honcho: Honcho, user_id: str) -> str:
    """Return what is concluded of a user and what they said last; nothing for someone new."""
    honcho.apps.users.get_or_create(user_id, app_id=APP)
    context = honcho.apps.users.get_context(app_id=APP, user_id=user_id, tokens=1_000, include=["pending"])
    recent = [f"- {event.content}" for event in context.pending if event.origin == "user"]
    return "\n".join([str(context), *recent]).strip()


class QuotingModel(BaseChatModel):
    """Stands for a model where there is none: it quotes what it was told. Put yours in its place."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        answer = AIMessage(f"I was told this. {messages[0].text}")
        return ChatResult(generations=[ChatGeneration(message=answer)])

    @property
    def _llm_type(self) -> str:
        return "quoting"


if __name__ == "__main__":
    thread, words = sys.argv[1:]
    with Honcho() as client:
        agent = build(QuotingModel(), client, user_id="ann")
        outcome = agent.invoke({"messages": [HumanMessage(words)]}, {"configurable": {"thread_id": thread}})
    print(outcome["messages"][-1].text)
