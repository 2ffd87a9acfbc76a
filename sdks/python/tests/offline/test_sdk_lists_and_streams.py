"""Lists that end, and answers that come piece by piece."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from scripted import Drip, Server, dripping, said

import honcho

ANSWER = {"mode": "reason", "answer": "Tea,\u2028green.", "known": True, "citations": [{"type": "event", "id": "e"}]}
EVENTS = (
    ": a comment\r\n\r\n"
    'event: delta\ndata: {"text":"Tea,\u2028"}\n\n'
    "event: tomorrow\ndata: {}\n\n"
    'event: delta\r\ndata: {"text":\r\ndata: "green."}\r\n\r\n'
    f"event: done\ndata: {json.dumps(ANSWER, ensure_ascii=False)}\n\n"
).encode()
WHO = {"app_id": "a", "user_id": "u"}


def numbered(request: httpx.Request) -> httpx.Response:
    page, size, total = int(request.url.params.get("page", 1)), 2, 5
    items = [{"id": f"u{n}"} for n in range(size * (page - 1), min(size * page, total))]
    return said({"items": items, "total": total, "page": page, "size": size, "pages": 3})


def with_cursor(request: httpx.Request) -> httpx.Response:
    start = int(request.url.params.get("cursor", 0))
    items = [{"id": f"e{n}"} for n in range(start, min(start + 2, 5))]
    return said({"items": items, "next_cursor": str(start + 2) if start + 2 < 5 else None})


def test_a_list_by_number_is_walked_to_its_end_from_wherever_one_begins() -> None:
    users = Server(numbered).client().apps.users
    assert [user.id for user in users.list(app_id="a")] == ["u0", "u1", "u2", "u3", "u4"]
    page = users.list(app_id="a", page=2)
    assert [user.id for user in page.items] == ["u2", "u3"]
    assert (len(page), page.total, page.has_next) == (2, 5, True)
    assert [user.id for user in page] == ["u2", "u3", "u4"]
    last = page.next_page()
    assert last is not None
    assert last.next_page() is None


def test_a_list_by_cursor_is_walked_to_its_end() -> None:
    server = Server(with_cursor)
    events = server.client().apps.users.events
    assert [event.id for event in events.list(**WHO, kind="message")] == ["e0", "e1", "e2", "e3", "e4"]
    assert [dict(request.url.params).get("kind") for request in server.requests] == ["message"] * 3
    assert [len(page) for page in events.list(**WHO).pages()] == [2, 2, 1]


@pytest.mark.parametrize(
    "reply",
    [
        {"items": [{"id": "e"}], "next_cursor": "same"},
        {"items": [], "page": 1, "pages": 9},
        {"items": [{"id": "e"}], "page": 9, "pages": 9},
    ],
)
def test_no_server_can_keep_a_walk_going_for_ever(reply: Any) -> None:
    items = list(Server(said(reply)).client().apps.users.events.list(**WHO))
    assert len(items) <= 2


def test_asynchronous_lists() -> None:
    async def walk() -> tuple[list[str], list[str], int]:
        client = Server(numbered).async_client()
        page = await client.apps.users.list(app_id="a", page=2)
        every = [user.id async for user in client.apps.users.list(app_id="a")]
        return every, [user.id async for user in page], len([each async for each in page.pages()])

    assert asyncio.run(walk()) == (["u0", "u1", "u2", "u3", "u4"], ["u2", "u3", "u4"], 2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_streamed_answer_is_the_same_however_it_is_cut(size: int) -> None:
    with Server(dripping(EVENTS, size)).client().apps.users.query_stream(**WHO, query="?") as stream:
        assert list(stream) == ["Tea,\u2028", "green."]
        answer = stream.result()
    assert str(answer) == "Tea,\u2028green."
    assert answer.citations[0].id == "e"


def test_a_streamed_answer_can_be_had_whole() -> None:
    stream = Server(dripping(EVENTS)).client().apps.users.query_stream(**WHO, query="?")
    assert stream.result().known is True


def test_asynchronous_streams() -> None:
    async def ask() -> tuple[list[str], str]:
        client = Server(dripping(EVENTS)).async_client()
        async with client.apps.users.query_stream(**WHO, query="?") as stream:
            texts = [text async for text in stream]
        return texts, str(await stream.result())

    assert asyncio.run(ask()) == (["Tea,\u2028", "green."], "Tea,\u2028green.")


@pytest.mark.parametrize("end", [len(EVENTS) - 1, EVENTS.index(b"event: done"), 0])
def test_a_stream_that_is_cut_off_is_an_error_and_no_answer(end: int) -> None:
    stream = Server(dripping(EVENTS[:end])).client().apps.users.query_stream(**WHO, query="?")
    with pytest.raises(honcho.APIConnectionError):
        stream.result()


def test_a_stream_whose_connection_breaks_is_an_error() -> None:
    broken = httpx.Response(200, stream=Drip(EVENTS[:60], 10, then=httpx.ReadError("reset")))
    stream = Server(broken).client().apps.users.query_stream(**WHO, query="?")
    with pytest.raises(honcho.APIConnectionError):
        list(stream)


def test_an_error_in_a_stream_is_raised() -> None:
    body = b'event: delta\ndata: {"text":"a"}\n\nevent: error\ndata: {"detail":"Broke.","code":"provider"}\n\n'
    with Server(dripping(body)).client().apps.users.query_stream(**WHO, query="?") as stream:
        assert next(iter(stream)) == "a"
        with pytest.raises(honcho.InternalServerError, match="Broke"):
            stream.result()


def test_a_refusal_of_a_stream_is_raised_when_it_is_asked_for() -> None:
    with pytest.raises(honcho.UnprocessableEntityError):
        Server(said({"detail": "No.", "code": "invalid"}, 422)).client().apps.users.query_stream(**WHO, query="")


def test_plain_text_is_streamed_as_it_is() -> None:
    server = Server(dripping("Grüner Tee: data: 茶\n\n".encode()))
    with server.client().apps.users.sessions.chat_stream(**WHO, session_id="s", queries="?") as stream:
        assert "".join(stream) == "Grüner Tee: data: 茶\n\n"
    assert stream.result().content == "Grüner Tee: data: 茶\n\n"


def test_plain_text_that_breaks_off_is_no_answer() -> None:
    server = Server(dripping("Green … (The answer broke off here.)".encode()))
    with pytest.raises(honcho.APIConnectionError):
        server.client().apps.users.sessions.chat_stream(**WHO, session_id="s", queries="?").result()


def test_an_export_comes_in_lines_and_says_when_it_is_whole() -> None:
    lines = [
        b'{"type":"header"}\n',
        '{"type":"event","content":"\u2028"}\n'.encode(),
        b'{"type":"end","counts":{"event":1}}\n',
    ]
    with Server(dripping(b"".join(lines), 3)).client().apps.users.export(**WHO) as export:
        assert list(export) == lines
    assert export.result().counts == {"event": 1}
    with pytest.raises(honcho.APIConnectionError):
        Server(dripping(b"".join(lines[:2]))).client().apps.users.export(**WHO).result()
