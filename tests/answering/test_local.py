"""Without a model: questions recalled, and answered by the sentences of memory, offline and always alike."""

from typing import Any

import pytest

from memory import publishing
from memory.models import Session
from reasoning.metrics import QUERIES
from tests.api.conftest import Agent, refused
from tests.factories import ApiKeyFactory
from tests.search.helpers import index_everything
from tests.store.helpers import concluded, person, said

pytestmark = pytest.mark.django_db

ANA = "/v1/apps/harbour/users/ana"
KNOWN = (
    "Ana wants to automate her invoicing workflow.",
    "Ana lives in Lisbon.",
    "Ana prefers Python to Java.",
    "Ana is allergic to shellfish.",
)


@pytest.fixture
def ana(operator: Agent) -> Agent:
    events = said("I want to automate my invoicing workflow.", "I moved to Lisbon.", "What is the capital of Peru?")
    concluded(publishing.open_line(person(), "recipe"), *KNOWN, evidence=events)
    return operator


def answer(agent: Agent, query: str, path: str = ANA) -> Any:
    return agent.post(f"{path}/query", {"query": query, "mode": "reason"})


@pytest.mark.parametrize(
    ("question", "rests_on"),
    [
        ("What are the user's current goals?", KNOWN[0]),
        ("Where does Ana live?", KNOWN[1]),
        ("Which programming language does Ana prefer, Python or Java?", KNOWN[2]),
        ("Is Ana allergic to anything?", KNOWN[3]),
    ],
)
def test_a_question_is_answered_by_what_bears_on_it(ana: Agent, question: str, rests_on: str) -> None:
    found = answer(ana, question)
    assert found["known"]
    assert rests_on in found["answer"]
    assert found["citations"][0] == {"type": "conclusion", "id": found["citations"][0]["id"], "text": rests_on}
    assert (found["model"], found["usage"]["calls"], found["usage"]["cost"]) == ("local-1", 0, "0")
    assert answer(ana, question) == found | {"behind": answer(ana, question)["behind"]}


@pytest.mark.parametrize(
    "question", ["What is the capital of Peru?", "Who is Ana's boss?", "Does Ana like sailing?", "?", "что", "Ana?"]
)
def test_what_memory_does_not_hold_is_not_known(ana: Agent, question: str) -> None:
    found = answer(ana, question)
    assert (found["answer"], found["known"], found["citations"]) == ("Not known.", False, [])


def test_a_stream_without_a_model_is_a_stream(ana: Agent) -> None:
    body = {"query": "Where does Ana live?", "mode": "reason", "stream": True}
    response: Any = ana.send("POST", f"{ANA}/query", body)
    text = b"".join(response.streaming_content).decode()
    assert text.startswith('event: delta\ndata: {"text":"Ana lives in Lisbon.')
    assert "event: done\n" in text


def test_recall_gives_what_bears_on_the_question_in_the_budget(ana: Agent) -> None:
    found = ana.post(f"{ANA}/query", {"query": "invoicing workflow"})
    assert found["mode"] == "recall"
    assert "automate my invoicing workflow" in found["context"]
    assert [item["type"] for item in found["items"]] == ["event"], "what a statement repeats is told once"
    assert (found["version"], found["behind"]["events"], found["search"]) == (1, 0, "lexical")
    assert found["note"]
    assert found["context"] == "\n".join(item["line"] for item in found["items"])
    for budget in (1, 12, 30):
        less = ana.post(f"{ANA}/query", {"query": "invoicing workflow", "tokens": budget})
        assert less["tokens"] <= budget


def test_yesterday_counts_from_when_it_was_asked(operator: Agent) -> None:
    days = ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04")
    events = [
        {"content": f"I swam to buoy {place}.", "occurred_at": f"{day}T10:00:00Z", "is_user": True}
        for place, day in enumerate(days)
    ]
    operator.post("/v1/apps/harbour/users/bo/sessions/log/events", events)
    index_everything()

    def first(**more: Any) -> str:
        found = operator.post("/v1/apps/harbour/users/bo/query", {"query": "To which buoy was it yesterday?", **more})
        return str(found["items"][0]["text"])

    assert first(asked_at="2026-03-03T20:00:00Z") == "I swam to buoy 1."
    assert first(asked_at="2026-03-05T08:00:00+01:00") == "I swam to buoy 3."
    assert first(asked_at=None) == first()
    body = {"query": "x", "asked_at": "yesterday"}
    [problem] = refused(operator.send("POST", "/v1/apps/harbour/users/bo/query", body), 422, "invalid")
    assert problem["loc"] == ["body", "asked_at"]


def test_a_session_is_looked_at_beside_its_user(ana: Agent) -> None:
    ana.post(f"{ANA}/sessions/monday/messages", {"content": "The kraken is due on Friday.", "is_user": True})
    for path, body in ((f"{ANA}/sessions/monday", {}), (ANA, {"session": "monday"})):
        found = ana.post(f"{path}/query", {"query": "kraken", **body})
        assert [item["text"] for item in found["items"]] == ["The kraken is due on Friday."]
    [problem] = refused(
        ana.send("POST", f"{ANA}/sessions/monday/query", {"query": "x", "session": "monday"}), 422, "invalid"
    )
    assert problem["loc"] == ["body", "session"]


def test_a_project_can_be_asked(ana: Agent) -> None:
    ana.post("/v1/apps/harbour/projects/pier/events", {"content": "The pier opens in May.", "kind": "message"})
    found = answer(ana, "When does the pier open?", "/v1/apps/harbour/projects/pier")
    assert found["answer"] == "The pier opens in May."


def test_questions_are_counted(ana: Agent) -> None:
    def counted(*labels: str) -> float:
        return QUERIES.labels(*labels)._value.get()

    known, unknown = ("reason", "low", "known"), ("reason", "low", "unknown")
    before = counted(*known), counted(*unknown)
    answer(ana, "Where does Ana live?")
    answer(ana, "Who is Ana's boss?")
    assert (counted(*known), counted(*unknown)) == (before[0] + 1, before[1] + 1)


def test_a_key_asks_only_about_what_it_opens(ana: Agent) -> None:
    user = person().user
    assert user is not None
    own = Agent(ApiKeyFactory(user=user, read_only=True).key)
    assert answer(own, "Where does Ana live?")["known"], "to ask writes nothing"
    other = person("bo").user
    assert other is not None
    stranger = Agent(ApiKeyFactory(user=other).key)
    for mode in ("recall", "reason"):
        body = {"query": "Where does Ana live?", "mode": mode}
        refused(stranger.send("POST", f"{ANA}/query", body), 401, "out_of_scope")
    refused(stranger.send("POST", f"{ANA}/sessions/x/chat", {"queries": "x"}), 401, "out_of_scope")


def test_a_sessions_key_sees_nothing_of_what_was_said_elsewhere(ana: Agent) -> None:
    ana.post(f"{ANA}/sessions/monday/messages", {"content": "The kraken is due on Friday.", "is_user": True})
    ana.post(f"{ANA}/sessions/tuesday/messages", {"content": "The kraken was a hoax.", "is_user": True})
    agent = Agent(ApiKeyFactory(session=Session.objects.get(name="monday")).key)
    path = f"{ANA}/sessions/monday"
    recalled = agent.post(f"{path}/query", {"query": "kraken"})
    assert [item["text"] for item in recalled["items"]] == ["The kraken is due on Friday."]
    assert answer(agent, "When is the kraken due?", path)["answer"] == "The kraken is due on Friday."
    assert agent.post(f"{path}/chat", {"queries": "Was the kraken a hoax?"})["content"] == "Not known."
    refused(agent.send("POST", f"{ANA}/query", {"query": "kraken", "session": "monday"}), 401, "out_of_scope")
