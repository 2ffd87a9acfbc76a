"""The two ways to send a call: one that blocks and one that is awaited. What both decide is in ``_attempts``."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Optional, TypeVar

import httpx

from honcho._attempts import Attempts, Settings, check, decode
from honcho._call import Call
from honcho.errors import APIStatusError

T = TypeVar("T")


class SyncTransport:
    """Sends calls and waits for their answers. Threads may share it."""

    def __init__(self, settings: Settings, http_client: Optional[httpx.Client] = None) -> None:
        self.settings = settings
        self._given = http_client
        self._own: Optional[httpx.Client] = None
        self._pid = os.getpid()

    def with_settings(self, settings: Settings) -> SyncTransport:
        """Return a transport with connections of its own, over the same client where one was given."""
        return SyncTransport(settings, self._given)

    def send(self, call: Call[T]) -> T:
        """Return the answer to a call. Raises :class:`honcho.HonchoError`."""
        return decode(call, self._exchange(call, stream=False))

    def open(self, call: Call[Any]) -> httpx.Response:
        """Return the answer to a call as soon as it begins; the caller reads and closes it."""
        return self._exchange(call, stream=True)

    def close(self) -> None:
        """Close the connections; a client that was given stays open."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _exchange(self, call: Call[Any], *, stream: bool) -> httpx.Response:
        attempts = Attempts(call, self.settings)
        while True:
            try:
                client = self._client()
                response = client.send(client.build_request(**attempts.request()), stream=stream)
                if stream and not response.is_success:
                    response.read()
                    response.close()
                return check(response)
            except (httpx.HTTPError, APIStatusError) as error:
                pause = attempts.pause(error)
            time.sleep(pause)

    def _client(self) -> httpx.Client:
        if self._given is not None:
            return self._given
        if self._own is None or self._pid != os.getpid():  # two processes must not talk over one connection
            self._own = httpx.Client()
            self._pid = os.getpid()
        return self._own


class AsyncTransport:
    """Sends calls without blocking the event loop."""

    def __init__(self, settings: Settings, http_client: Optional[httpx.AsyncClient] = None) -> None:
        self.settings = settings
        self._given = http_client
        self._own: Optional[httpx.AsyncClient] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    async def send(self, call: Call[T]) -> T:
        """Return the answer to a call. Raises :class:`honcho.HonchoError`."""
        return decode(call, await self._exchange(call, stream=False))

    async def open(self, call: Call[Any]) -> httpx.Response:
        """Return the answer to a call as soon as it begins; the caller reads and closes it."""
        return await self._exchange(call, stream=True)

    async def close(self) -> None:
        """Close the connections; a client that was given stays open."""
        if self._own is not None:
            await self._own.aclose()
            self._own = None

    async def _exchange(self, call: Call[Any], *, stream: bool) -> httpx.Response:
        attempts = Attempts(call, self.settings)
        while True:
            try:
                client = self._client()
                request = attempts.request()
                if not isinstance(request["content"], (bytes, type(None))):
                    request["content"] = _awaited(request["content"])
                response = await client.send(client.build_request(**request), stream=stream)
                if stream and not response.is_success:
                    await response.aread()
                    await response.aclose()
                return check(response)
            except (httpx.HTTPError, APIStatusError) as error:
                pause = attempts.pause(error)
            await asyncio.sleep(pause)

    def _client(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        if self._own is None or self._loop is not loop:  # connections belong to the loop that opened them
            self._own = httpx.AsyncClient()
            self._loop = loop
        return self._own


async def _awaited(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
