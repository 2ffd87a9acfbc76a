"""One POST to a receiver: in a bounded time, to a checked address, and without a look at what is answered.

httpcore, not httpx, as the connection has to be made to the very address that was checked. Redirects are not followed
and proxies of the environment not used; the name is still what the certificate is checked for.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from memory.webhooks import addresses

TOTAL_SECONDS = 15.0
"""How long an attempt may take, however slowly the receiver answers."""

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt: the HTTP status (None: no answer), and what is wrong in a word ("" if nothing is).

    ``retry_after`` is how many seconds the receiver asked to wait.
    """

    status: int | None
    error: str
    retry_after: float = 0.0


def post(url: str, headers: dict[str, str], body: bytes) -> Answer:
    """Send ``body`` and return what became of it. Nothing is raised for what the receiver does, or its network."""
    parsed = httpcore.URL(url)
    sent = {
        **headers,
        "Host": _host(parsed),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "django-honcho-webhooks",
    }
    try:
        with (
            httpcore.ConnectionPool(network_backend=_Checked(TOTAL_SECONDS), ssl_context=_ssl_context()) as pool,
            pool.stream("POST", parsed, headers=list(sent.items()), content=body) as response,
        ):
            return _judged(response)
    except addresses.Refused:
        return Answer(None, "address_refused")
    except httpcore.TimeoutException:
        return Answer(None, "timeout")
    except httpcore.ConnectError as error:
        return Answer(None, "tls" if isinstance(error.__context__, ssl.SSLError) else "connect")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
        return Answer(None, "network")


def _judged(response: httpcore.Response) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Answer(status, "")
    if 300 <= status < 400:
        return Answer(status, "redirect")
    return Answer(status, "gone" if status == 410 else "http_status", _retry_after(response.headers))


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float:
    value = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return float(value) if value.isdigit() and len(value) < 10 else 0.0


def _host(url: httpcore.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return host if url.port is None else f"{host}:{url.port}"


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class _Checked(httpcore.NetworkBackend):
    """Connects to addresses that may be connected to, and lets nothing last beyond the end of the attempt."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers, all of them checked."""
        try:
            found = addresses.resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("The name was not found.") from error
        for address in found[:-1]:
            try:
                return self._connect(address, port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connect(found[-1], port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        seconds = min(CONNECT_SECONDS, _left(self.end))
        return _Bounded(self.backend.connect_tcp(address, port, timeout=seconds), self.end)


class _Bounded(httpcore.NetworkStream):
    """A stream of which every part ends at a given moment."""

    def __init__(self, stream: httpcore.NetworkStream, end: float) -> None:
        self.stream, self.end = stream, end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, before the end."""
        return self.stream.read(max_bytes, timeout=_left(self.end))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, before the end."""
        self.stream.write(buffer, timeout=_left(self.end))

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS with the host's name, before the end."""
        return _Bounded(self.stream.start_tls(ssl_context, server_hostname, timeout=_left(self.end)), self.end)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the stream."""
        return self.stream.get_extra_info(info)


def _left(end: float) -> float:
    """Return how many seconds are left; raises what httpcore raises where none are."""
    left = end - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("The attempt has taken its time.")
    return left
