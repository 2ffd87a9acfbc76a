"""What both transports do alike: build the request, read the answer, decide whether and when to send it again."""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, Optional, TypeVar, Union

import httpx

from honcho._call import Call
from honcho.errors import APIConnectionError, APIStatusError, APITimeoutError, HonchoError, status_error

T = TypeVar("T")

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_RETRY_AFTER = 60.0
CONNECT_TIMEOUT = 5.0

_NOT_DONE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the server has certainly not done what was asked."""


@dataclass(frozen=True)
class Settings:
    """Where to send calls, and how patiently. Times are in seconds."""

    base_url: str
    api_key: Optional[str] = field(repr=False)
    timeout: float
    max_retries: int
    user_agent: str

    def __post_init__(self) -> None:
        """Refuse what no request could be made of. No message holds the key."""
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must begin with http:// or https://")
        if self.api_key is not None and (not self.api_key.isascii() or not self.api_key.isprintable()):
            raise ValueError("The API key holds characters that no key has; was a line break copied with it?")


class Attempts:
    """One call, sent as often as it takes and is safe."""

    def __init__(self, call: Call[Any], settings: Settings) -> None:
        self._call = call
        self._settings = settings
        self._content = call.payload()
        self._key = str(uuid.uuid4()) if call.writes else None
        self._failed = 0

    def request(self) -> dict[str, Any]:
        """Return the request for httpx: the same each time, but for the number of the attempt."""
        call, settings = self._call, self._settings
        headers = {"Accept": "application/json", "User-Agent": settings.user_agent}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        if self._key is not None:
            headers["Idempotency-Key"] = self._key
        if self._content is not None:
            headers["Content-Type"] = call.content_type
        return {
            "method": call.method,
            "url": settings.base_url.rstrip("/") + call.path,
            "params": call.parameters(),
            "headers": headers,
            "content": self._content,
            "timeout": httpx.Timeout(settings.timeout + call.patience, connect=CONNECT_TIMEOUT),
        }

    def pause(self, error: Union[httpx.HTTPError, APIStatusError]) -> float:
        """Return for how many seconds to wait before the next attempt; raises what the caller gets if there is none."""
        self._failed += 1
        if self._failed > self._settings.max_retries or not self._may_repeat(error):
            _give_up(error)
        asked = None if isinstance(error, httpx.HTTPError) else retry_after(error)
        if asked is not None:
            return min(asked, LONGEST_RETRY_AFTER)
        return backoff(self._failed, LONGEST_PAUSE)

    def _may_repeat(self, error: Union[httpx.HTTPError, APIStatusError]) -> bool:
        if not isinstance(self._content, (bytes, type(None))):  # an iterable can be read once
            return False
        if isinstance(error, httpx.HTTPError):
            return isinstance(error, httpx.TransportError) and (self._call.repeatable or isinstance(error, _NOT_DONE))
        told = error.headers.get("x-should-retry")
        if told in ("true", "false"):
            return told == "true"
        if self._call.repeatable:
            return error.status_code in (408, 429) or error.status_code >= 500
        return error.status_code in (429, 503)


def backoff(failures: int, longest: float) -> float:
    """Return how many seconds to wait after so many failures in a row: longer each time, and never the same."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 30), longest) * random.uniform(0.5, 1.0)  # noqa: S311


def check(response: httpx.Response) -> httpx.Response:
    """Return a response that says yes. Raises :class:`honcho.APIStatusError` for any other."""
    if response.is_success:
        return response
    try:
        body = response.json()
    except ValueError:
        body = response.reason_phrase
    raise status_error(response.status_code, body, response.headers)


def decode(call: Call[T], response: httpx.Response) -> T:
    """Return what the response says, in the call's words."""
    try:
        data = json.loads(response.content) if response.content else None
    except ValueError:
        raise HonchoError("The answer is not JSON. Is base_url the address of a Honcho server?") from None
    return call.parse(data)


def broken(error: httpx.HTTPError) -> APIConnectionError:
    """Return our error for one of the connection; it names neither address nor headers."""
    if isinstance(error, httpx.TimeoutException):
        return APITimeoutError("The server did not answer in time")
    return APIConnectionError(f"The connection to the server failed: {type(error).__name__}")


def _give_up(error: Union[httpx.HTTPError, APIStatusError]) -> NoReturn:
    if isinstance(error, APIStatusError):
        raise error
    raise broken(error) from error


def retry_after(error: APIStatusError) -> Optional[float]:
    """Return how many seconds the server asks to wait, None where it does not say."""
    milliseconds = error.headers.get("retry-after-ms")
    value = error.headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(float(milliseconds) / 1000, 0.0)
        if value is not None:
            return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0) if value else None
    except (TypeError, ValueError):
        return None
