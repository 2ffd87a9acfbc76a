"""One description of each call, before anybody has sent it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Callable, Generic, TypeVar, Union
from urllib.parse import quote

T = TypeVar("T")

When = Union[datetime, str]
"""A moment with a time zone, or text: ``2026-11-22T08:45:47Z``, or an age such as ``7d``, ``12h``, ``30m``."""

JSON = Mapping[str, Any]

NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Call(Generic[T]):
    """What to send, and how to read the answer.

    ``writes``: an Idempotency-Key goes along, the same each time that the call is sent. ``repeatable``: it may be sent
    again although it may have been done. ``patience``: seconds that the server may take beyond the usual.
    """

    method: str
    path: str
    parse: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: Union[bytes, Iterable[bytes], None] = None
    content_type: str = "application/json"
    writes: bool = False
    repeatable: bool = True
    patience: float = 0.0

    def with_query(self, **more: Any) -> Call[T]:
        """Return the same call with other parameters in its query."""
        return replace(self, query={**self.query, **more})

    def parameters(self) -> dict[str, str]:
        """Return the query as text, without what is not given. Raises ValueError for a moment without a time zone."""
        return {name: _as_text(value) for name, value in self.query.items() if value is not None}

    def payload(self) -> Union[bytes, Iterable[bytes], None]:
        """Return the body as it is sent."""
        return self.content if self.body is None else encode(self.body)


def path(*parts: str) -> str:
    """Return ``/v1`` and the parts, each quoted. Raises ValueError for an empty one."""
    return "/v1/" + "/".join(quoted(part) for part in parts)


def quoted(part: str) -> str:
    """Return an id or a name as a part of a path. Raises ValueError for an empty one."""
    if not isinstance(part, str) or not part:
        raise ValueError("An id or a name in a path must be text that is not empty")
    # "." and ".." would be taken for steps of the path.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None: what is not given is not sent."""
    return {name.rstrip("_"): value for name, value in fields.items() if value is not None}


def encode(body: Any) -> bytes:
    """Return ``body`` as JSON. Raises TypeError or ValueError for what JSON cannot hold."""
    try:
        return _dump(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair: let the server say which field holds it
        return _dump(body, ensure_ascii=True).encode()


def _dump(body: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(body, default=_moment, allow_nan=False, ensure_ascii=ensure_ascii, separators=(",", ":"))


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("Give moments with a time zone")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return _moment(value)
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    return str(value)


def as_is(data: Any) -> Any:
    """Return the answer as it is."""
    return data
