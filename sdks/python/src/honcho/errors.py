"""What can go wrong, as classes. No message holds the key or what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional


class HonchoError(Exception):
    """Whatever this package raises."""


class APIConnectionError(HonchoError):
    """The server could not be reached, or the connection broke before the answer was whole."""


class APITimeoutError(APIConnectionError):
    """No answer came in time."""


class BufferFullError(HonchoError):
    """The buffer holds as much as it may. The event was not taken; the caller still has it."""


class UnsentEventsError(HonchoError):
    """Events of a buffer did not reach the server in the time that there was."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} events of the buffer were not sent: the server could not be reached in time")
        self.count = count


class APIStatusError(HonchoError):
    """The server refused.

    ``status_code`` is HTTP's, ``code`` the server's machine-readable word, ``detail`` a sentence, or a list with one
    ``{"type", "loc", "msg"}`` for each value that cannot be taken. ``request_id`` finds the request in the server's
    log.
    """

    def __init__(
        self, status_code: int, code: str, detail: Any, request_id: Optional[str], headers: Mapping[str, str]
    ) -> None:
        super().__init__(_message(status_code, code, detail, request_id))
        self.status_code = status_code
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.headers = headers


class BadRequestError(APIStatusError):
    """400: what came is no request that can be understood."""


class AuthenticationError(APIStatusError):
    """401: no key, a wrong one, or one that does not open this."""


class PermissionDeniedError(APIStatusError):
    """403: the key opens this, but not for writing, or not for this."""


class NotFoundError(APIStatusError):
    """404: there is no such thing."""


class ConflictError(APIStatusError):
    """409: it contradicts what is stored."""


class UnprocessableEntityError(APIStatusError):
    """422: a value cannot be taken; ``detail`` names each."""


class RateLimitError(APIStatusError):
    """429: too many requests."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""


_CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error(status: int, body: Any, headers: Mapping[str, str]) -> APIStatusError:
    """Return the error that an answer stands for; ``body`` is its JSON, or its text where it is none."""
    fields = body if isinstance(body, dict) else {}
    detail = fields.get("detail", body if isinstance(body, str) else "")
    code = str(fields.get("code") or "")
    request_id = fields.get("request_id") or headers.get("x-request-id")
    cls = _CLASSES.get(status) or (InternalServerError if status >= 500 else APIStatusError)
    return cls(status, code, detail, request_id, headers)


def _message(status: int, code: str, detail: Any, request_id: Optional[str]) -> str:
    """Return the server's words, without the values that it quotes."""
    words = "; ".join(_problem(item) for item in detail[:5]) if isinstance(detail, list) else str(detail)[:500]
    named = f" (request {request_id})" if request_id else ""
    return f"{status}{f' {code}' if code else ''}: {words}{named}"


def _problem(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)[:200]
    where = ".".join(str(step) for step in item.get("loc", ()))
    return f"{where}: {item.get('msg', '')}"[:300]
