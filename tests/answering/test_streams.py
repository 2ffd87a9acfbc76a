"""Answers as they are written, over real HTTP: what comes when, and what becomes of a stream that breaks off."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from reasoning.models import Budget, Spend
from tests.answering.conftest import ANA, QUESTION
from tests.api.conftest import Agent, refused
from tests.loop.helpers import others_connected
from tests.loopback.server import LoopbackModel
from tests.store.helpers import until

pytestmark = pytest.mark.django_db

SESSION = f"{ANA}/sessions/monday"
LONG = "She sails in the harbour [1]. " + "And sails on and on in the harbour [1]. " * 10
SPOKEN = LONG.replace(" [1]", "").strip()

Told = tuple[str, Any]


@contextmanager
def stream(live_server: Any, agent: Agent, path: str, body: Any) -> Iterator[httpx.Response]:
    headers = {"Authorization": f"Bearer {agent.key}"}
    with httpx.stream("POST", f"{live_server.url}{path}", json=body, headers=headers, timeout=20) as response:
        yield response


def ask(**more: Any) -> dict[str, Any]:
    return {"query": QUESTION, "mode": "reason", "stream": True} | more


def told(lines: Iterator[str]) -> Iterator[Told]:
    """The events of a stream: name and data. Comments are none."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
        else:
            assert not line or line.startswith(":")


def spoken(events: list[Told]) -> str:
    return "".join(data["text"] for name, data in events if name == "delta")


@pytest.fixture
def monday(ana: Agent) -> Agent:
    ana.post(f"{SESSION}/messages", {"content": "It is a fine day.", "is_user": True})
    return ana


def test_pieces_arrive_while_the_model_still_writes(live_server: Any, ana: Agent, model: LoopbackModel) -> None:
    model.then("pause", body=LONG)
    with stream(live_server, ana, f"{ANA}/query", ask()) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["X-Accel-Buffering"] == "no"
        events = told(response.iter_lines())
        first = next(events)
        assert first == ("delta", {"text": "She sails in the harbour."})
        assert model.in_flight == 1, "the model has not ended"
        until(lambda: not others_connected(), "no connection is held")
        model.go.set()
        rest = list(events)
    assert spoken([first, *rest]) == SPOKEN
    name, done = rest[-1]
    assert name == "done"
    assert (done["answer"], done["known"], len(done["citations"])) == (SPOKEN, True, 1)
    assert done["usage"]["calls"] == 1
    assert Spend.objects.get().input_tokens == done["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_nothing_is_said_before_a_source_is_named(ana: Agent, model: LoopbackModel, level: str) -> None:
    model.always("answer", body="She was born in Paris. She loves it [99].")
    events = streamed(ana, level=level)
    assert spoken(events) == "Not known."
    assert (events[-1][0], events[-1][1]["known"], events[-1][1]["citations"]) == ("done", False, [])


def streamed(agent: Agent, **more: Any) -> list[Told]:
    response = agent.send("POST", f"{ANA}/query", ask(**more))
    assert response.status_code == 200
    return list(told(iter(b"".join(response.streaming_content).decode().splitlines())))


@pytest.mark.parametrize("body", ["SEARCH: shellfish", "NOT KNOWN", "<think>[1] hm</think>She sails [1].", "[1]", ""])
def test_what_is_no_answer_is_not_streamed(ana: Agent, model: LoopbackModel, body: str) -> None:
    model.always("answer", body=body)
    events = streamed(ana, level="medium")
    assert spoken(events) == events[-1][1]["answer"] == ("She sails." if "sails" in body else "Not known.")


def test_a_deep_answer_is_streamed_once_it_is_verified(ana: Agent, model: LoopbackModel) -> None:
    model.then("answer", body="She was born in Paris [1].")
    model.then("answer", body=LONG)
    events = streamed(ana, level="high")
    assert spoken(events) == SPOKEN
    assert len(events) > 3
    assert events[-1][1]["usage"]["calls"] == 2


def test_a_stream_says_what_the_whole_answer_says(ana: Agent, model: LoopbackModel) -> None:
    for body in ("A [1, 2].\n\n- b [1]\n- c [ 2 ; 1 ]\n", " [1] Array[2] x[0] y [see] [1", "d [1][2]! e"):
        model.always("answer", body=body)
        events = streamed(ana)
        whole = ana.post(f"{ANA}/query", ask(stream=False))
        assert spoken(events) == events[-1][1]["answer"] == whole["answer"]
        assert events[-1][1]["citations"] == whole["citations"]


def test_a_stream_that_breaks_off_says_so(ana: Agent, model: LoopbackModel) -> None:
    Budget.objects.create(period="day", tokens=100_000)
    model.then("break_off", body=LONG)
    events = streamed(ana)
    assert spoken(events)
    name, error = events[-1]
    assert name == "error"
    assert (error["code"], set(error)) == ("provider_failed", {"detail", "code", "request_id"})
    assert Spend.objects.get().tokens > 0, "what was said is counted"


def test_a_server_that_knows_no_streams_is_understood(ana: Agent, model: LoopbackModel) -> None:
    whole = {"choices": [{"message": {"content": "She sails [1]."}, "finish_reason": "stop"}], "model": "old"}
    model.then("status", status=400, body={"error": {"message": "Unknown parameter: 'stream_options'"}})
    model.then("http", body=whole)
    events = streamed(ana)
    assert (spoken(events), events[-1][1]["model"]) == ("She sails.", "old")
    assert ["stream_options" in call.body for call in model.calls] == [True, False]


def test_a_piece_may_hold_what_unicode_takes_for_a_lines_end(ana: Agent, model: LoopbackModel) -> None:
    said = {"choices": [{"delta": {"content": "She\u2028sails [1]."}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(said, ensure_ascii=False)}\r\n\r\ndata: [DONE]\n\n"
    model.then("http", body=body, headers={"Content-Type": "text/event-stream"})
    assert spoken(streamed(ana)) == "She\u2028sails."


@pytest.mark.django_db(transaction=True)
def test_what_nobody_waits_for_is_not_asked_and_not_charged(ana: Agent, model: LoopbackModel) -> None:
    Budget.objects.create(period="day", tokens=100_000)
    ana.send("POST", f"{ANA}/query", ask()).close()
    assert model.count == 0
    assert Spend.objects.get().tokens == 0


def test_who_goes_away_ends_the_models_call(
    live_server: Any, ana: Agent, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    Budget.objects.create(period="day", tokens=100_000)
    model.then("pause", body=LONG)
    monkeypatch.setattr("reasoning.answering.calls.BEAT_SECONDS", 0.02)
    with stream(live_server, ana, f"{ANA}/query", ask()) as response:
        next(told(response.iter_lines()))
    until(lambda: model.in_flight == 0, "the call has ended")
    assert not model.go.is_set()
    until(lambda: Spend.objects.get().calls == 1, "what was said is counted")


def test_the_apps_eras_chat_streams_bare_text(live_server: Any, monday: Agent, model: LoopbackModel) -> None:
    for path, body in ((f"{SESSION}/chat", {"stream": True}), (f"{SESSION}/chat/stream", {})):
        model.go.clear()
        model.then("pause", body=LONG)
        with stream(live_server, monday, path, {"queries": QUESTION, **body}) as response:
            assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            pieces = response.iter_text()
            first = next(pieces)
            assert first.startswith("She sails in the harbour")
            assert model.in_flight == 1
            model.go.set()
            assert first + "".join(pieces) == SPOKEN


def test_a_chat_that_breaks_off_does_not_look_whole(live_server: Any, monday: Agent, model: LoopbackModel) -> None:
    body = {"queries": QUESTION, "stream": True}
    model.then("break_off", body=LONG)
    with stream(live_server, monday, f"{SESSION}/chat", body) as response:
        text = response.read().decode()
    assert text.startswith("She sails in the harbour.")
    assert text.endswith(" … (The answer broke off here.)")
    model.then("status", status=500)
    with stream(live_server, monday, f"{SESSION}/chat", body) as response:
        assert response.status_code == 503, "what fails before the first word has a status"


def test_chat_answers_one_question_or_several(monday: Agent, model: LoopbackModel) -> None:
    found = monday.post(f"{SESSION}/chat", {"queries": [QUESTION, "And what is she allergic to?"]})
    assert set(found) == {"content"}
    assert "harbour" in found["content"]
    assert "shellfish" in found["content"]
    model.then("answer", body="NOT KNOWN")
    assert monday.post(f"{SESSION}/chat", {"queries": QUESTION, "stream": False}) == {"content": "Not known."}


def test_chat_in_a_session_that_nobody_knows_is_404(monday: Agent, model: LoopbackModel) -> None:
    for body in ({"queries": "x"}, {"queries": "x", "stream": True}):
        refused(monday.send("POST", f"{ANA}/sessions/none/chat", body), 404, "not_found")
    refused(monday.send("POST", f"{ANA}/sessions/none/chat/stream", {"queries": "x"}), 404, "not_found")
    assert model.count == 0


@pytest.mark.parametrize("queries", ["", [], ["x"] * 26, ["x" * 10_001], [1], None, {"a": 1}])
def test_what_chat_cannot_be_asked_is_refused(monday: Agent, queries: Any) -> None:
    [problem] = refused(monday.send("POST", f"{SESSION}/chat", {"queries": queries}), 422, "invalid")
    assert problem["loc"][:2] == ["body", "queries"]
