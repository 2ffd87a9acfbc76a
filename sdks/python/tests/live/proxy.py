"""A proxy that loses requests, and replies after the write was done: by chance, but by the same chance each time."""

from __future__ import annotations

import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

LOST_BEFORE, LOST_AFTER, BAD_GATEWAY = 0.15, 0.25, 0.1


class DroppingProxy:
    """Passes on to ``upstream``; of ten requests about five get their answer. ``lost_after`` counts lost replies."""

    def __init__(self, upstream: str, seed: int) -> None:
        self.lost_after = 0
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._upstream = httpx.Client(base_url=upstream, timeout=30)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                proxy.pass_on(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        """Serve one request, or lose it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            fate = self._chance.random()
        handler.close_connection = True
        if fate < LOST_BEFORE:
            return
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in ("host", "connection")}
        answer = self._upstream.request(handler.command, handler.path, content=body, headers=headers)
        if fate < LOST_BEFORE + LOST_AFTER:
            with self._lock:
                self.lost_after += 1
            return
        gone_wrong = fate < LOST_BEFORE + LOST_AFTER + BAD_GATEWAY
        content = b"<html>" if gone_wrong else answer.content
        handler.send_response(502 if gone_wrong else answer.status_code)
        handler.send_header("Content-Type", answer.headers["Content-Type"])
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)

    def __enter__(self) -> DroppingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._upstream.close()
