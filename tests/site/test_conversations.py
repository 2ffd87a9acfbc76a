"""Conversations in JSONL: what is read, what is refused, and how they are played."""

import json
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from honcho_site.conversations import Line, Refused, Server, batches, read
from honcho_site.demo import __file__ as demo_file


@pytest.fixture
def written(tmp_path):
    def write(*rows):
        path = tmp_path / "conversation.jsonl"
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write


ROW = {"session": "s", "author": "Ines", "content": "Olá", "occurred_at": "2025-03-03T09:12:00Z", "id": "1"}


def test_a_line_is_read_whole(written):
    assert read(written(ROW, "", {"session": "s", "author": "x", "content": "y", "is_user": True})) == [
        Line("s", "Ines", "Olá", "2025-03-03T09:12:00Z", "1"),
        Line("s", "x", "y", is_user=True),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "line 2"),
        ([1], "line 2: not a JSON object"),
        ({**ROW, "author": ""}, "line 2: 'author' is missing"),
        ({"session": "s", "author": "a"}, "line 2: 'content' is missing"),
        ({**ROW, "text": "x"}, "line 2: there is no text"),
    ],
)
def test_a_wrong_line_is_named(written, row, reason):
    with pytest.raises(Refused, match=reason):
        read(written(ROW, row))


def test_an_empty_file_is_refused(written):
    with pytest.raises(Refused, match="holds no message"):
        read(written())


def test_batches_keep_the_order_and_never_mix_sessions():
    lines = [Line(session, "a", str(number)) for number, session in enumerate("aaabba")]
    cut = [[(line.session, line.content) for line in batch] for batch in batches(lines, 2)]
    assert cut == [[("a", "0"), ("a", "1")], [("a", "2")], [("b", "3"), ("b", "4")], [("a", "5")]]


@pytest.fixture
def asked(monkeypatch):
    """Requests that a Server makes, answered as by the API."""
    requests: list[httpx.Request] = []
    answers: list[httpx.Response] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if answers:
            return answers.pop(0)
        return httpx.Response(200, json=json.loads(request.content) if request.content else {})

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: client(transport=httpx.MockTransport(answer), **options))
    return requests, answers


def test_the_remembered_user_speaks_for_herself_and_others_by_name(asked):
    with Server("http://host", "hk_1", "my app") as server:
        count = server.send(
            "Ines", "s/1", [Line("s/1", "Ines", "hi", "2025-03-03T09:12:00Z", "1"), Line("s/1", "bot", "yo")]
        )
    (request,) = asked[0]
    assert count == 2
    assert request.url.raw_path == b"/v1/apps/my%20app/users/Ines/sessions/s%2F1/events"
    assert request.headers["Authorization"] == "Bearer hk_1"
    assert json.loads(request.content) == [
        {"kind": "message", "content": "hi", "is_user": True, "occurred_at": "2025-03-03T09:12:00Z", "id": "1"},
        {"kind": "message", "content": "yo", "author": "bot"},
    ]


def test_play_sends_everything_and_says_how_much(asked, written, capsys):
    rows = [{**ROW, "id": str(number), "session": f"s{number // 3}"} for number in range(5)]
    call_command("play", str(written(*rows)), key="hk_1", url="http://host", app="a", batch=2)
    assert [len(json.loads(request.content)) for request in asked[0]] == [2, 1, 2]
    assert "5 messages of Ines are in app a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(401, json={"detail": "No such key"}), r"401 No such key Give a key with --key.*create_api_key"),
        (httpx.Response(422, json={"detail": "Too long"}), "422 Too long"),
        (httpx.Response(502, text="<html>"), "502 <html>"),
    ],
)
def test_a_refusal_of_the_server_is_told_with_what_to_do(asked, written, answer, told):
    asked[1].append(answer)
    with pytest.raises(CommandError, match=told):
        call_command("play", str(written(ROW)), url="http://host")


def test_a_server_that_is_not_there_is_told(written):
    with pytest.raises(CommandError, match=r"http://127.0.0.1:9 does not answer.*make run"):
        call_command("play", str(written(ROW)), url="http://127.0.0.1:9")


def test_the_conversation_that_ships_is_whole():
    folder = Path(demo_file).parent
    first, later = read(folder / "conversation.jsonl"), read(folder / "later.jsonl")
    moments = [line.occurred_at for line in (*first, *later)]
    assert len(first) == 16
    assert len(later) == 2
    assert moments == sorted(str(moment) for moment in moments)
    assert len({line.id for line in (*first, *later)}) == 18
    assert {line.author for line in first} == {"Ines", "assistant"}
