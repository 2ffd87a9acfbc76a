"""A server that says what a test tells it to, reached without a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any, Callable, Union

import httpx

from honcho import AsyncHoncho, Honcho

KEY = "hk_very_secret"
Reply = Union[httpx.Response, Exception, Callable[[httpx.Request], httpx.Response]]


class Server:
    """Answers with one reply after another (the last again and again) and remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[httpx.Request] = []
        self._replies = list(replies)
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append(request)
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer an asynchronous client."""
        await request.aread()
        return self(request)

    def client(self, **options: Any) -> Honcho:
        """Return a client of this server."""
        transport = httpx.MockTransport(self)
        return Honcho("http://server", KEY, http_client=httpx.Client(transport=transport), **options)

    def async_client(self, **options: Any) -> AsyncHoncho:
        """Return a client of this server."""
        transport = httpx.MockTransport(self.answer)
        return AsyncHoncho("http://server", KEY, http_client=httpx.AsyncClient(transport=transport), **options)


def said(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return an answer in JSON; underscores in the names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def refused(status: int, code: str = "code", detail: Any = "No.", **headers: str) -> httpx.Response:
    """Return an error as the server words it."""
    return said({"detail": detail, "code": code, "request_id": "r-1"}, status, **headers)


def dripping(body: bytes, size: int = 1) -> httpx.Response:
    """Return an answer that comes in pieces of so many bytes."""
    return httpx.Response(200, stream=Drip(body, size))


class Drip(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces."""

    def __init__(self, body: bytes, size: int, then: Union[Exception, None] = None) -> None:
        self.body, self.size, self.then = body, size, then

    def __iter__(self) -> Iterator[bytes]:
        yield from (self.body[i : i + self.size] for i in range(0, len(self.body), self.size))
        if self.then is not None:
            raise self.then

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


def sent(request: httpx.Request) -> Any:
    """Return the JSON of a request."""
    return json.loads(request.content)
