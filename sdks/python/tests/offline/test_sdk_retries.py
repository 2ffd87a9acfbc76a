"""When a call is sent again, and when not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from scripted import Reply, Server, refused, said

import honcho
from honcho import Honcho

PLACE = {"app_id": "a", "user_id": "u", "session_id": "s"}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for; nobody waits for them."""
    asked: list[float] = []

    async def note(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(time, "sleep", asked.append)
    monkeypatch.setattr(asyncio, "sleep", note)
    return asked


def write(client: Honcho) -> Any:
    return client.apps.users.sessions.messages.create(**PLACE, content="x", is_user=True)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("gone"),
        httpx.ReadTimeout("slow"),
        refused(408),
        refused(429),
        refused(500),
        refused(503),
        refused(409, x_should_retry="true"),
    ],
    ids=str,
)
def test_a_write_is_sent_again_with_the_same_key_and_body(failure: Reply) -> None:
    server = Server(failure, failure, said({"id": "m"}))
    assert write(server.client()).id == "m"
    assert len(server.requests) == 3
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert len({request.content for request in server.requests}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_what_cannot_get_better_is_not_sent_again(status: int) -> None:
    server = Server(refused(status))
    with pytest.raises(honcho.APIStatusError):
        write(server.client())
    assert len(server.requests) == 1


def test_the_server_may_forbid_it() -> None:
    server = Server(refused(500, x_should_retry="false"))
    with pytest.raises(honcho.InternalServerError):
        write(server.client())
    assert len(server.requests) == 1


def test_it_ends(pauses: list[float]) -> None:
    server = Server(httpx.ReadTimeout("slow"))
    with pytest.raises(honcho.APITimeoutError):
        write(server.client(max_retries=5))
    assert len(server.requests) == 6
    assert all(0.5 * 2**n / 2 <= pause <= min(0.5 * 2**n, 8) for n, pause in enumerate(pauses))


def test_pauses_differ_from_client_to_client(pauses: list[float]) -> None:
    for _ in range(4):
        write(Server(refused(500), said({})).client())
    assert len(set(pauses)) == 4


@pytest.mark.parametrize(
    ("headers", "pause"),
    [({"Retry_After": "7"}, 7), ({"retry_after_ms": "1500"}, 1.5), ({"Retry_After": "86400"}, 60)],
)
def test_the_server_says_when_and_is_believed_up_to_a_minute(
    headers: dict[str, str], pause: float, pauses: list[float]
) -> None:
    write(Server(refused(429, **headers), said({})).client())
    assert pauses == [pause]


def test_a_date_says_when_as_well(pauses: list[float]) -> None:
    write(Server(refused(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"), said({})).client())
    assert pauses == [0]


@pytest.mark.parametrize("retry_after", ["soon", "", "-3"])
def test_nonsense_is_no_reason_to_wait_long(retry_after: str, pauses: list[float]) -> None:
    write(Server(refused(429, Retry_After=retry_after), said({})).client())
    assert pauses[0] <= 0.5


def test_what_costs_twice_is_repeated_only_where_it_was_certainly_not_done() -> None:
    def ask(*replies: Reply) -> int:
        server = Server(*replies)
        try:
            server.client().apps.users.query(app_id="a", user_id="u", query="?", mode="reason")
        except honcho.HonchoError:
            return len(server.requests)
        return -len(server.requests)

    assert ask(httpx.ConnectError("refused"), refused(429), said({})) == -3
    assert ask(httpx.ReadTimeout("slow"), said({})) == 1
    assert ask(refused(500), said({})) == 1


def test_an_upload_that_can_be_read_once_is_sent_once() -> None:
    server = Server(refused(503), said({"imported": {"user": 1}}))
    lines = [b"{}\n", b"{}\n"]
    with pytest.raises(honcho.InternalServerError):
        server.client().apps.import_(app_id="a", content=iter(lines))
    assert server.client().apps.import_(app_id="a", content=b"".join(lines)).imported == {"user": 1}
    assert server.requests[-1].headers["Content-Type"] == "application/x-ndjson"


def test_asynchronous_calls_do_the_same(pauses: list[float]) -> None:
    server = Server(httpx.ReadError("reset"), refused(429, Retry_After="3"), said({"imported": {}}))

    async def send() -> Any:
        client = server.async_client()
        await client.apps.users.sessions.messages.create(**PLACE, content="x", is_user=True)
        return await client.apps.import_(app_id="a", content=iter([b"{}\n"]))

    asyncio.run(send())
    assert len({request.headers["Idempotency-Key"] for request in server.requests[:3]}) == 1
    assert pauses[1] == 3
    assert server.requests[-1].content == b"{}\n"
