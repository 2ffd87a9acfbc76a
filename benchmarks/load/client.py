"""Clients that keep their connections and each have one request under way: a loop over sockets, one thread for all.

A client library would take as much processor as the server does on the same machine; this takes little.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 120.0
_HEAD_END = b"\r\n\r\n"
_PIECE = 1 << 18


class Failed(Exception):
    """The server answered with an error, or not at all; the text says what."""


def request(
    method: str, target: str, key: str = "", body: Any = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request as it is sent: ``body`` becomes JSON."""
    content = body_of(body)
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if content or method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def body_of(body: Any) -> bytes:
    """Return a body as it is sent."""
    return b"" if body is None else json.dumps(body).encode()


@dataclass
class Driven:
    """What came of a number of requests. ``size`` is the bytes of an answer's body, the largest of all."""

    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    size: int = 0


@dataclass
class _Connection:
    link: socket.socket
    unsent: bytes | memoryview = b""
    got: bytearray = field(default_factory=bytearray)
    began: float = 0.0


def drive(port: int, requests: Iterable[bytes], clients: int) -> Driven:
    """Send requests over so many connections, each the next as soon as it has its answer; return how long each took.

    Raises :class:`Failed` at the first answer of 400 or more, and where no answer comes within two minutes.
    """
    waiting = iter(requests)
    driven = Driven()
    with selectors.DefaultSelector() as selector:
        open_ones = [_Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(clients)]
        try:
            for each in open_ones:
                each.link.setblocking(False)
                each.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(each.link, selectors.EVENT_READ, each)
            began = time.perf_counter()
            under_way = sum(_next(selector, each, waiting) for each in open_ones)
            while under_way:
                ready = selector.select(PATIENCE)
                if not ready:
                    raise Failed(f"no answer within {PATIENCE:g} s")
                for key, events in ready:
                    each = key.data
                    if events & selectors.EVENT_WRITE:
                        _send(selector, each)
                    if events & selectors.EVENT_READ and _received(each, driven):
                        under_way -= not _next(selector, each, waiting)
            driven.elapsed = time.perf_counter() - began
        finally:
            for each in open_ones:
                each.link.close()
    return driven


def _next(selector: selectors.BaseSelector, each: _Connection, waiting: Iterable[bytes]) -> bool:
    """Begin the next request on a connection; say whether there was one."""
    message = next(iter(waiting), None)
    if message is None:
        return False
    each.unsent, each.began = memoryview(message), time.perf_counter()
    each.got.clear()
    _send(selector, each)
    return True


def _send(selector: selectors.BaseSelector, each: _Connection) -> None:
    """Send what the socket takes; be told when it takes more, where that is not all."""
    with contextlib.suppress(BlockingIOError):
        each.unsent = each.unsent[each.link.send(each.unsent) :]
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if each.unsent else 0)
    if selector.get_key(each.link).events != wanted:
        selector.modify(each.link, wanted, each)


def _received(each: _Connection, driven: Driven) -> bool:
    """Take what has come; note the answer and say so where it is whole."""
    piece = each.link.recv(_PIECE)
    if not piece:
        raise Failed(f"the server closed the connection after {bytes(each.got[:200])!r}")
    each.got += piece
    head, found, body = bytes(each.got[:4096]).partition(_HEAD_END)
    if not found:
        return False
    status, length = _read_head(head)
    if len(each.got) < len(head) + len(_HEAD_END) + length:
        return False
    if status >= 400:
        raise Failed(f"{status}: {body[:300].decode(errors='replace')}")
    driven.seconds.append(time.perf_counter() - each.began)
    driven.size = max(driven.size, length)
    return True


def _read_head(head: bytes) -> tuple[int, int]:
    """Return the status of an answer, and the length of its body."""
    first, *lines = head.split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines)
    status = int(first.split(b" ", 2)[1])
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        raise Failed("the answer came in pieces, which this client does not read")
    return status, int(headers.get(b"content-length", 0))
