"""A proxy between a client and the server that loses requests and replies, as networks and restarts do."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASS = "pass"
NO_REQUEST = "no request"
"""The connection breaks before the server hears of the request."""
NO_REPLY = "no reply"
"""The server has done what it was asked, and the connection breaks before it says so."""
HALF_REPLY = "half reply"
"""The connection breaks in the middle of the reply."""
BUSY = "busy"
"""The proxy answers in the server's place that it is away."""

BAD_DAY = (NO_REPLY, PASS, HALF_REPLY, NO_REQUEST, PASS, BUSY, NO_REPLY, NO_REPLY, PASS)
_NOT_OURS = {"connection", "transfer-encoding", "content-length", "date", "server"}


class DroppingProxy(ThreadingHTTPServer):
    """Passes requests on to ``upstream`` and does with each what ``fates`` says, over and over."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str, fates: Sequence[str] = BAD_DAY) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.met: list[str] = []
        self._fates = itertools.cycle(fates)
        self._turn = threading.Lock()

    def next_fate(self) -> str:
        """Return what becomes of the next request."""
        with self._turn:
            self.met.append(next(self._fates))
            return self.met[-1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of broken connections: they are what this is for."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DroppingProxy

    def _pass_on(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.server.next_fate()
        if fate == NO_REQUEST:
            return
        if fate == BUSY:
            self._reply(503, [("Retry-After", "0")], b"{}")
            return
        status, headers, reply = self._ask(body)
        if fate == PASS:
            self._reply(status, headers, reply)
        elif fate == HALF_REPLY:
            self._reply(status, headers, reply, cut=len(reply) // 2)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return what the server answers."""
        server = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            server.request(self.command, self.path, body or None, kept)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _reply(self, status: int, headers: Sequence[tuple[str, str]], body: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _NOT_OURS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def dropping(upstream: str, fates: Sequence[str] = BAD_DAY) -> Iterator[DroppingProxy]:
    """Run a proxy before ``upstream``."""
    proxy = DroppingProxy(upstream, fates)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
