"""Each integration with the real package, against the site."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory.models import Event
from tests.loopback.server import LoopbackModel

PROGRAMS = Path(__file__).resolve().parent / "programs"
EXAMPLE = PROGRAMS.parents[1] / "langchain/examples/langgraph_agent.py"
Run = Callable[..., str]


def test_the_history_and_the_retriever_of_langchain(run: Run) -> None:
    assert run(PROGRAMS / "langchain_memory.py") == "well\n"
    kinds = Event.objects.filter(session__name="s1").order_by("id").values_list("kind", "origin")
    assert list(kinds)[:4] == [
        ("langchain.message", "agent"), ("message", "user"), ("message", "agent"), ("tool_result", "tool"),
    ]  # fmt: skip


def test_the_store_of_langgraph_keeps_the_contract(run: Run) -> None:
    assert run(PROGRAMS / "langgraph_store.py") == "well\n"


def test_a_langgraph_agent_remembers_across_threads(run: Run) -> None:
    first = run(EXAMPLE, "thread-1", "I am allergic to peanuts")
    assert "peanuts" not in first
    assert "I am allergic to peanuts" in run(EXAMPLE, "thread-2", "What must I not eat?")


def test_an_agent_of_the_openai_sdk_remembers_and_recalls(run: Run) -> None:
    with LoopbackModel() as model:
        model.then("http", body=_calls("remember", content="Ann is allergic to peanuts."))
        model.then("http", body=_says("I will keep that in mind."))
        model.then("http", body=_calls("recall", query="allergic"))
        model.then("http", body=_says("No peanuts for you."))
        said = run(PROGRAMS / "openai_agent.py", OPENAI_BASE_URL=model.url, OPENAI_API_KEY="none")
        recalled = model.calls[-1].body["messages"][-1]
    assert json.loads(said) == ["I will keep that in mind.", "No peanuts for you."]
    assert (recalled["role"], "Ann is allergic to peanuts." in recalled["content"]) == ("tool", True)
    note: Any = Event.objects.get(kind="agent.note")
    assert (note.content, note.session.name) == ("Ann is allergic to peanuts.", "s1")


def test_plain_tools_can_be_called_by_whoever_reads_their_schema(run: Run) -> None:
    assert run(PROGRAMS / "plain_agent.py") == "well\n"


def _message(message: dict[str, Any], reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


def _says(text: str) -> dict[str, Any]:
    return _message({"content": text}, "stop")


def _calls(name: str, **arguments: Any) -> dict[str, Any]:
    call = {"id": f"call-{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return _message({"content": None, "tool_calls": [call]}, "tool_calls")
