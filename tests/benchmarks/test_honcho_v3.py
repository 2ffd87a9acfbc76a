"""The adapter of a Honcho v3 server sends what that server's documentation says, and reads what it answers."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.recall.systems import system
from benchmarks.recall.systems.base import Item, Unavailable
from tests.benchmarks.helpers import TURNS, Request, ask, recording


class Server:
    """Answers in the forms of the v3 API."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.pending = [1, 0]

    def __call__(self, request: Request) -> Any:
        last = request.path.rpartition("/")[2]
        match last:
            case "messages":
                made = [
                    {**each, "id": f"m{len(self.messages) + place}", "token_count": 1}
                    for place, each in enumerate(request.body["messages"])
                ]
                self.messages += made
                return made
            case "status":
                return {"pending_work_units": self.pending.pop(0), "in_progress_work_units": 0}
            case "query":
                about = request.body["filters"]["observed_id"]
                return [{"id": f"c-{about}", "content": f"{about} is mentioned.", "observed_id": about}]
            case "search":
                return [self.messages[0], {**self.messages[0], "id": "of another run"}, self.messages[3]]
            case "representation":
                return {"representation": "## Explicit\n\nSomething is known.\n"}
        return {"id": (request.body or {}).get("id", ""), "created_at": "2026-03-02T09:00:00Z"}


def test_a_conversation_goes_to_a_workspace_and_comes_back_as_conclusions_and_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.recall.systems.honcho_v3.LOOK_SECONDS", 0.01)
    with recording(Server()) as (url, requests), system("honcho-v3", {"url": url, "key": "k"}) as honcho:
        memory = honcho.memory("two friends")
        memory.ingest(TURNS)
        memory.settle()
        found = memory.context(ask("Who has a greyhound?"), 200)
        told = memory.represent(100)
        memory.close()
    workspace = requests[0].body["id"]
    sent = [(request.method, request.path.replace(workspace, "W"), request.body) for request in requests]
    assert workspace.startswith("recall-two-friends-")
    assert {request.authorization for request in requests} == {"Bearer k"}
    assert sent[1:4] == [
        ("POST", "/v3/workspaces/W/peers", {"id": "Nora"}),
        ("POST", "/v3/workspaces/W/peers", {"id": "Piet"}),
        ("POST", "/v3/workspaces/W/sessions", {"id": "monday", "peers": {"Nora": {}, "Piet": {}}}),
    ]
    assert sent[4][1] == "/v3/workspaces/W/sessions/monday/messages"
    assert sent[4][2]["messages"][0] == {
        "content": TURNS[0].text,
        "peer_id": "Nora",
        "created_at": "2026-03-02T09:01:00+00:00",
        "metadata": {"kind": "message"},
    }
    assert [path for _, path, _ in sent].count("/v3/workspaces/W/queue/status") == 2, "until nothing is pending"
    filters = {"observer_id": "Piet", "observed_id": "Piet"}
    assert ("POST", "/v3/workspaces/W/conclusions/query", asked(filters=filters, top_k=100)) in sent
    assert ("POST", "/v3/workspaces/W/search", asked(limit=100)) in sent
    assert found == [
        Item("Nora is mentioned.", ()),
        Item("Piet is mentioned.", ()),
        Item(f"Nora (2026-03-02): {TURNS[0].text}", ("T1",)),
        Item(f"Piet (2026-03-06): {TURNS[3].text}", ("T4",)),
    ]
    assert [item.text for item in told] == ["## Explicit", "Something is known."] * 2


def asked(**more: Any) -> dict[str, Any]:
    """Return the body of a question."""
    return {"query": "Who has a greyhound?", **more}


def test_a_project_is_a_mark_of_its_messages() -> None:
    with recording(Server()) as (url, requests), system("honcho-v3", {"url": url}) as honcho:
        memory = honcho.memory("c")
        memory.ingest(TURNS)
        memory.context(ask("What now?", scope={"project": "bakery"}), 50)
    [search] = [request.body for request in requests if request.path.endswith("/search")]
    assert search["filters"] == {"metadata": {"project": "bakery"}}


def test_without_an_address_it_is_said_what_is_needed() -> None:
    with pytest.raises(Unavailable, match="url"), system("honcho-v3", {}):
        pass
