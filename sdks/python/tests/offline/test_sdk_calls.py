"""What goes over the wire, and what is made of the answers."""

from __future__ import annotations

import asyncio
import inspect
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest
from scripted import KEY, Server, refused, said, sent

import honcho
from honcho import AsyncHoncho, Honcho, models

PLACE = {"app_id": "my app", "user_id": "ann/bob", "session_id": ".."}


def test_names_are_quoted_so_that_none_can_lead_elsewhere() -> None:
    server = Server(said({"context": "x"}))
    server.client().apps.users.sessions.get_context(**PLACE)
    assert server.requests[0].url.raw_path == b"/v1/apps/my%20app/users/ann%2Fbob/sessions/%2E%2E/context"


def test_an_empty_id_is_refused_before_anything_is_sent() -> None:
    server = Server(said({}))
    with pytest.raises(ValueError, match="not empty"):
        server.client().apps.users.sessions.get_context(app_id="a", user_id="", session_id="s")
    assert not server.requests


def test_only_what_is_given_is_sent() -> None:
    server = Server(said({"items": [], "next_cursor": None}))
    honcho = server.client()
    honcho.apps.users.sessions.messages.create(**PLACE, content="é\u2028", is_user=False)
    assert sent(server.requests[-1]) == {"content": "é\u2028", "is_user": False}
    since = datetime(2026, 1, 2, tzinfo=timezone.utc)
    honcho.apps.users.events.list(app_id="a", user_id="u", since=since, reverse=True)
    assert dict(server.requests[-1].url.params) == {"since": "2026-01-02T00:00:00+00:00", "reverse": "true"}
    honcho.apps.users.sessions.get_context(**PLACE, include=["card", "pending"])
    assert dict(server.requests[-1].url.params) == {"include": "card,pending"}


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = datetime(2026, 1, 2)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        Server(said({})).client().apps.users.get_context(app_id="a", user_id="u", at=naive)


def test_half_a_surrogate_pair_is_left_to_the_server_to_refuse() -> None:
    server = Server(refused(422))
    with pytest.raises(honcho.UnprocessableEntityError):
        server.client().apps.users.sessions.messages.create(**PLACE, content="\ud800", is_user=True)
    assert server.requests[0].content == b'{"content":"\\ud800","is_user":true}'


def test_writes_carry_a_key_of_their_own_and_reads_none() -> None:
    server = Server(said({}))
    client = server.client()
    for _ in range(2):
        client.apps.users.sessions.messages.create(**PLACE, content="x", is_user=True)
    client.apps.users.get(app_id="a", user_id="u")
    first, second, read = (request.headers.get("Idempotency-Key") for request in server.requests)
    assert first
    assert second
    assert first != second
    assert read is None


def test_both_clients_have_the_same_calls_with_the_same_parameters() -> None:
    def tree(resource: Any, path: str) -> dict[str, str]:
        found = {}
        for name in dir(resource):
            if name.startswith("_"):
                continue
            value = getattr(resource, name)
            at = f"{path}.{name}"
            found |= {at: str(inspect.signature(value))} if inspect.isfunction(value) else tree(value, at)
        return found

    calls = tree(Honcho().apps, "apps") | tree(Honcho().keys, "keys")
    assert calls == tree(AsyncHoncho().apps, "apps") | tree(AsyncHoncho().keys, "keys")
    assert len(calls) > 120
    assert "kwargs" not in "".join(calls.values())


def test_an_asynchronous_call_sends_the_same() -> None:
    server = Server(said({"context": "Likes tea.", "version": 3}))

    async def ask() -> models.Context:
        async with server.async_client() as honcho:
            return await honcho.apps.users.sessions.get_context(**PLACE, tokens=5)

    context = asyncio.run(ask())
    assert (str(context), context.version) == ("Likes tea.", 3)
    assert server.requests[0].url.params["tokens"] == "5"


def test_an_asynchronous_client_serves_one_event_loop_after_another() -> None:
    async def refuse() -> None:
        with pytest.raises(honcho.APIConnectionError):
            await client.apps.get()

    client = AsyncHoncho("http://127.0.0.1:9", max_retries=0)
    for _ in range(2):
        asyncio.run(refuse())


def test_answers_keep_what_is_unknown_and_bear_what_is_missing() -> None:
    raw = {
        "context": "x",
        "as_of": "2026-11-22T08:45:47.546154Z",
        "behind": {"events": 1, "seconds": 0.5, "new": 1},
        "conclusions": [{"content": "Likes tea.", "held_from": "2026-01-02", "level": "a level of tomorrow"}],
        "card": None,
        "tomorrow": [1],
    }
    context = models.Context(raw)
    assert context.as_of == datetime(2026, 11, 22, 8, 45, 47, 546154, tzinfo=timezone.utc)
    assert context.behind.raw["new"] == 1
    assert str(context.conclusions[0].held_from) == "2026-01-02"
    assert context.conclusions[0].level == "a level of tomorrow"
    assert (context.card, context.version, context.summary) == ([], None, None)
    assert context.raw["tomorrow"] == [1]
    assert models.Context({"as_of": "yesterday", "behind": 3}).as_of == "yesterday"
    assert models.Diff({"from": {"version": 3}}).from_.version == 3
    assert models.Queue({"by_kind": {"user": {"waiting": 2}}}).by_kind["user"].waiting == 2


CLASSES = {
    400: honcho.BadRequestError,
    401: honcho.AuthenticationError,
    403: honcho.PermissionDeniedError,
    404: honcho.NotFoundError,
    409: honcho.ConflictError,
    418: honcho.APIStatusError,
    422: honcho.UnprocessableEntityError,
    429: honcho.RateLimitError,
    500: honcho.InternalServerError,
    503: honcho.InternalServerError,
}


@pytest.mark.parametrize("status", CLASSES)
def test_each_refusal_is_a_class(status: int) -> None:
    with pytest.raises(honcho.APIStatusError) as caught:
        Server(refused(status, "some_code", "Not so.")).client(max_retries=0).apps.get()
    error = caught.value
    assert type(error) is CLASSES[status]
    assert (error.status_code, error.code, error.detail, error.request_id) == (status, "some_code", "Not so.", "r-1")
    assert str(error) == f"{status} some_code: Not so. (request r-1)"


def test_a_refusal_names_the_place_and_not_the_value() -> None:
    detail = [{"type": "string_type", "loc": ["body", 3, "content"], "msg": "Give a string.", "input": "a secret"}]
    with pytest.raises(honcho.UnprocessableEntityError) as caught:
        Server(refused(422, "invalid", detail)).client().apps.get()
    assert "body.3.content: Give a string." in str(caught.value)
    assert "a secret" not in str(caught.value)
    assert caught.value.detail == detail


def test_what_is_no_answer_of_a_honcho_server_is_said_so() -> None:
    with pytest.raises(honcho.HonchoError, match="base_url"):
        Server(httpx.Response(200, text="<html>")).client().apps.get()
    with pytest.raises(honcho.InternalServerError, match="502: Bad Gateway"):
        Server(httpx.Response(502, text="<html>")).client(max_retries=0).apps.get()


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\x00", f"{KEY}é"])
def test_no_message_holds_the_key(key: str) -> None:
    with pytest.raises(ValueError, match="characters that no key has") as caught:
        Honcho(api_key=key)
    assert KEY not in str(caught.value)


def test_neither_a_client_nor_an_error_shows_the_key() -> None:
    client = Server(httpx.ConnectError("no route")).client(max_retries=0)
    with pytest.raises(honcho.APIConnectionError) as caught:
        client.apps.get()
    assert KEY not in f"{client!r} {client._transport.settings!r} {caught.value!r}"
    secret = models.Key({"key": KEY, "id": "1"})
    assert KEY not in repr(secret)
    assert secret.key == KEY


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONCHO_BASE_URL", "https://memory.example/prefix/")
    monkeypatch.setenv("HONCHO_API_KEY", KEY)
    server = Server(said({}))
    Honcho(http_client=httpx.Client(transport=httpx.MockTransport(server))).apps.get("a")
    assert str(server.requests[0].url) == "https://memory.example/prefix/v1/apps?app_id=a"
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    monkeypatch.delenv("HONCHO_BASE_URL")
    assert "http://localhost:8000" in repr(Honcho())
    with pytest.raises(ValueError, match="base_url"):
        Honcho("localhost:8000")
