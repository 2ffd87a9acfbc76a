"""A network between client and server that loses answers."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_A_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding"}


@contextmanager
def losing_answers(url: str) -> Iterator[tuple[str, list[str]]]:
    """Pass requests on to a server, but drop the answer to each first try of a write.

    Gives the address to use instead, and a list that grows by the request line of each answer that was lost.
    """
    lost: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        """Passes one request on."""

        def handle_one_request(self) -> None:
            """Read a request, have it answered, and pass the answer on or lose it."""
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with closing(HTTPConnection(urlsplit(url).netloc, timeout=30)) as server:
                server.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
                answer = server.getresponse()
                content = answer.read()
            self.close_connection = True
            if self.command != "GET" and self.headers["x-stainless-retry-count"] == "0":
                lost.append(self.requestline)
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_A_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}", lost
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
