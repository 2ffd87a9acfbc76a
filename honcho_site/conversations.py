"""Conversations in JSONL, and the HTTP calls that play them: what ``manage.py play`` and ``make demo`` share.

A line is ``{"session", "author", "content", "occurred_at", "id"}``, with ``"is_user": true`` where the line is the
remembered user's whatever its author is called. ``occurred_at``, ``id`` and ``is_user`` may be missing.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

TIMEOUT = 60.0


class Refused(Exception):
    """The server, or the file, is not what it should be; the text says what to do."""


@dataclass(frozen=True)
class Line:
    """One message of a conversation."""

    session: str
    author: str
    content: str
    occurred_at: str | None = None
    id: str | None = None
    is_user: bool = False


def read(path: Path) -> list[Line]:
    """Read a conversation, or say which line is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    lines = []
    for number, row in enumerate(text.splitlines(), 1):
        if row.strip():
            try:
                lines.append(_line(json.loads(row)))
            except (ValueError, TypeError) as error:
                raise Refused(f"{path}, line {number}: {error}") from error
    if not lines:
        raise Refused(f"{path} holds no message.")
    return lines


def _line(row: Any) -> Line:
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for name in ("session", "author", "content"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise ValueError(f"{name!r} is missing or is no text")
    known = {name: row[name] for name in Line.__dataclass_fields__ if name in row}
    unknown = set(row) - set(known)
    if unknown:
        raise ValueError(f"there is no {', '.join(sorted(unknown))} in a conversation's line")
    return Line(**known)


def batches(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Cut into runs of one session, of at most ``size`` lines each, in order."""
    for _, run in itertools.groupby(lines, key=lambda line: line.session):
        while batch := list(itertools.islice(run, size)):
            yield batch


class Server:
    """The API of a Honcho server, as far as playing a conversation needs it."""

    def __init__(self, url: str, key: str | None, app: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)
        self._app = app

    def __enter__(self) -> "Server":
        """Keep connections open for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._client.close()

    def send(self, user: str, session: str, lines: Sequence[Line]) -> int:
        """Append messages to a session; returns how many the server answered for."""
        events = []
        for line in lines:
            mine = line.is_user or line.author == user
            event: dict[str, Any] = {"kind": "message", "content": line.content}
            event |= {"is_user": True} if mine else {"author": line.author}
            event |= {"occurred_at": line.occurred_at} if line.occurred_at else {}
            event |= {"id": line.id} if line.id else {}
            events.append(event)
        answer = self._call("POST", f"{self._user(user)}/sessions/{quote(session, safe='')}/events", json=events)
        return len(answer["items"]) if isinstance(answer, dict) else len(answer)

    def context(self, user: str, session: str) -> dict[str, Any]:
        """What an agent should know now."""
        found: dict[str, Any] = self._call("GET", f"{self._user(user)}/sessions/{quote(session, safe='')}/context")
        return found

    def representation(self, user: str) -> dict[str, Any]:
        """What is known of a user, in its structured form."""
        found: dict[str, Any] = self._call("GET", f"{self._user(user)}/representation")
        return found

    def version(self, user: str, number: int) -> dict[str, Any]:
        """One version of a user's representation, with what it added and retired."""
        found: dict[str, Any] = self._call("GET", f"{self._user(user)}/representation/versions/{number}")
        return found

    def _user(self, user: str) -> str:
        return f"/v1/apps/{quote(self._app, safe='')}/users/{quote(user, safe='')}"

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Refused(
                f"{self._client.base_url} does not answer ({error or type(error).__name__}). Is it running (`make "
                "run`)?"
            ) from error
        if answer.is_error:
            raise Refused(f"{method} {path}: {answer.status_code} {_reason(answer)}{_advice(answer.status_code)}")
        return answer.json()


def _reason(answer: httpx.Response) -> str:
    """What the server says of its refusal."""
    try:
        body = answer.json()
        return str(body.get("detail", body))
    except (ValueError, AttributeError):
        return answer.text[:300]


def _advice(status: int) -> str:
    if status in (401, 403):
        return " Give a key with --key or HONCHO_API_KEY; make one with: manage.py create_api_key NAME --scope operator"
    return ""
