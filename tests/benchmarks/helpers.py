"""What the tests of the suite's systems share: a small conversation of two people, and a server that notes requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.recall.conversations import Question, Turn

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)

TOLD = (
    ("monday", "Nora", "I adopted a greyhound called Biscuit last week."),
    ("monday", "Piet", "Lovely! I am still painting the kitchen, in a dark green."),
    ("monday", "Nora", "The lighthouse tour on Saturday was cancelled because of the storm."),
    ("friday", "Piet", "I have signed the lease for the bakery in Ghent."),
    ("friday", "Nora", "Biscuit ate one of my running shoes."),
)

TURNS = tuple(
    Turn(f"T{place}", session, author, text, MONDAY + timedelta(days=4 * (session == "friday"), minutes=place))
    for place, (session, author, text) in enumerate(TOLD, start=1)
)


def ask(text: str, **more: Any) -> Question:
    """A question as systems see it."""
    return Question("q", text, None, (), **more)


@dataclass(frozen=True, slots=True)
class Request:
    """What a server was sent."""

    method: str
    path: str
    body: Any
    authorization: str | None


@contextmanager
def recording(answer: Callable[[Request], Any]) -> Iterator[tuple[str, list[Request]]]:
    """A server on the loopback interface that answers with JSON what ``answer`` makes of a request: its address, and
    what it was sent."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.command, self.path, json.loads(body) if body else None, self.headers["Authorization"]
            )
            requests.append(request)
            reply = json.dumps(answer(request)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
