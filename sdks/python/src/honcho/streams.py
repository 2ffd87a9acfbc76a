"""Answers that come piece by piece."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, Callable, Generic, Optional, Protocol, TypeVar

import httpx

from honcho._attempts import broken
from honcho._call import Call
from honcho._transport import AsyncTransport, SyncTransport
from honcho.errors import APIConnectionError, status_error

D = TypeVar("D")
R = TypeVar("R")
D_co = TypeVar("D_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound="Stream[Any, Any]")
A = TypeVar("A", bound="AsyncStream[Any, Any]")

_CUT_OFF = "The connection ended before the answer was whole"
_BROKE_OFF = " … (The answer broke off here.)"
"""With this the server ends bare text where it cannot go on: there is no frame in which to say so."""


class Decoder(Protocol[D_co, R_co]):
    """Makes pieces of what arrives, and the whole in the end."""

    def feed(self, chunk: bytes) -> Iterable[D_co]:
        """Return the pieces that are whole now."""

    def end(self) -> R_co:
        """Return the whole; raises :class:`honcho.APIConnectionError` where something is missing."""


class Stream(Generic[D, R]):
    """An answer that comes piece by piece::

    with honcho.apps.users.query_stream(...) as stream:
        for text in stream:
            print(text, end="")
    print(stream.result().citations)
    """

    def __init__(self, transport: SyncTransport, call: Call[Decoder[D, R]]) -> None:
        self._decoder: Decoder[D, R] = call.parse(None)
        self._response = transport.open(call)
        self._pieces = self._read()
        self._whole: Optional[R] = None

    def __iter__(self) -> Iterator[D]:
        return self._pieces

    def _read(self) -> Iterator[D]:
        try:
            for chunk in self._response.iter_bytes():
                yield from self._decoder.feed(chunk)
            self._whole = self._decoder.end()
        except httpx.HTTPError as error:
            raise broken(error) from error
        finally:
            self.close()

    def result(self) -> R:
        """Return the whole answer, once all of it is here."""
        for _ in self._pieces:
            pass
        if self._whole is None:
            raise APIConnectionError(_CUT_OFF)
        return self._whole

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class AsyncStream(Generic[D, R]):
    """An answer that comes piece by piece::

    async with honcho.apps.users.query_stream(...) as stream:
        async for text in stream:
            print(text, end="")
    print((await stream.result()).citations)
    """

    def __init__(self, transport: AsyncTransport, call: Call[Decoder[D, R]]) -> None:
        self._transport = transport
        self._call = call
        self._decoder: Decoder[D, R] = call.parse(None)
        self._response: Optional[httpx.Response] = None
        self._pieces = self._read()
        self._whole: Optional[R] = None

    def __aiter__(self) -> AsyncIterator[D]:
        return self._pieces

    async def _opened(self) -> httpx.Response:
        if self._response is None:
            self._response = await self._transport.open(self._call)
        return self._response

    async def _read(self) -> AsyncIterator[D]:
        response = await self._opened()
        try:
            async for chunk in response.aiter_bytes():
                for piece in self._decoder.feed(chunk):
                    yield piece
            self._whole = self._decoder.end()
        except httpx.HTTPError as error:
            raise broken(error) from error
        finally:
            await self.close()

    async def result(self) -> R:
        """Return the whole answer, once all of it is here."""
        async for _ in self._pieces:
            pass
        if self._whole is None:
            raise APIConnectionError(_CUT_OFF)
        return self._whole

    async def close(self) -> None:
        """Let go of the connection."""
        if self._response is not None:
            await self._response.aclose()

    async def __aenter__(self: A) -> A:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()


class Lines:
    """Whole lines of what arrives. Only a line feed ends one: JSON text may hold every other separator."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are whole now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


class ServerSentEvents(Generic[R]):
    """``delta`` events with a text each, then ``done`` with the whole answer."""

    def __init__(self, parse: Callable[[Any], R]) -> None:
        self._parse = parse
        self._lines = Lines()
        self._event = ""
        self._data: list[bytes] = []
        self._done: Optional[R] = None

    def feed(self, chunk: bytes) -> Iterable[str]:
        """Return the texts that are whole now. Raises what an ``error`` event says."""
        for line in self._lines.feed(chunk):
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"event":
                self._event = value.strip().decode()
            elif name == b"data":
                self._data.append(value[1:] if value.startswith(b" ") else value)
            elif not name and not value:
                yield from self._dispatch()

    def _dispatch(self) -> Iterable[str]:
        event, data = self._event, b"\n".join(self._data)
        self._event, self._data = "", []
        if event == "delta":
            yield json.loads(data)["text"]
        elif event == "done":
            self._done = self._parse(json.loads(data))
        elif event == "error":
            raise status_error(500, json.loads(data), {})

    def end(self) -> R:
        """Return what ``done`` said."""
        if self._done is None:
            raise APIConnectionError(_CUT_OFF)
        return self._done


class PlainText(Generic[R]):
    """Text without a frame."""

    def __init__(self, parse: Callable[[Any], R]) -> None:
        self._parse = parse
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._texts: list[str] = []

    def feed(self, chunk: bytes) -> Iterable[str]:
        """Return the text that is whole now."""
        text = self._decode(chunk)
        self._texts.append(text)
        return [text] if text else []

    def end(self) -> R:
        """Return all of the text. Raises :class:`honcho.APIConnectionError` where it says that it is not all."""
        text = "".join(self._texts)
        if text.endswith(_BROKE_OFF):
            raise APIConnectionError(_CUT_OFF)
        return self._parse({"content": text})


class ExportLines(Generic[R]):
    """Lines of JSON as bytes, the line feed with them; the last says how many of each kind there were."""

    def __init__(self, parse: Callable[[Any], R]) -> None:
        self._parse = parse
        self._lines = Lines()
        self._last = b"{}"

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Return the lines that are whole now."""
        for line in self._lines.feed(chunk):
            self._last = line
            yield line + b"\n"

    def end(self) -> R:
        """Return the last line; without it the export was cut off."""
        last = json.loads(self._last)
        if last.get("type") != "end":
            raise APIConnectionError(_CUT_OFF)
        return self._parse(last)
