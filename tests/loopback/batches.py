"""Files and batches of the loopback server, kept in memory as OpenAI keeps them, or spoilt as they are told to be."""

from __future__ import annotations

import email
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

Answer = Callable[[dict[str, Any]], tuple[int, Any] | None]
"""Answers the body of one request with a status and a body; with None where it answers nothing at all."""


class Handled(NamedTuple):
    """A status, and a body as it is (bytes) or as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = {}


@dataclass(frozen=True)
class Trouble:
    """What becomes of one attempt to create a batch: an error, or (``lost``) no reply, ``made`` as it may be."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    lost: bool = False
    made: bool = True


class Batches:
    """All files and batches.

    A batch ends when it is asked after, unless ``hold`` is set: as ``ends`` says, with an answer to its first
    ``answered`` lines (None: to all). ``codes`` say why it failed. ``watch`` is called before each request, ``created``
    after each new batch; ``troubles`` happen to the next new ones. Without ``offered`` there are no batches.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.reset()

    def reset(self) -> None:
        """Forget everything; complete every batch at once."""
        self.files: dict[str, bytes] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.uploads = 0
        self.hold = False
        self.offered = True
        self.ends = "completed"
        self.answered: int | None = None
        self.codes: list[str] = []
        self.troubles: deque[Trouble] = deque()
        self.watch: Callable[[str, str], None] = lambda method, path: None
        self.created: Callable[[dict[str, Any]], None] = lambda row: None
        self.spoil: Callable[[list[dict[str, Any]]], list[Any]] = lambda lines: lines
        """Makes of the lines of an answer file what is sent; text as it is."""

    def asked(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """The requests of a batch."""
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Handled | None:
        """Serve one request under ``/v1``; None to drop the connection."""
        parts = urlsplit(target)
        place = parts.path.removeprefix("/v1/").split("/")
        self.watch(method, parts.path)
        if not self.offered:
            return _error(404, "no such path")
        match method, place:
            case "POST", ["files"]:
                return self._upload(headers, body)
            case "GET", ["files", name, "content"] if name in self.files:
                return Handled(200, self.files[name])
            case "DELETE", ["files", name] if name in self.files:
                del self.files[name]
                return Handled(200, {"id": name, "object": "file", "deleted": True})
            case "POST", ["batches"]:
                return self._create(json.loads(body))
            case "GET", ["batches"]:
                return self._list(dict(parse_qsl(parts.query)))
            case "GET", ["batches", name] if name in self.rows:
                return Handled(200, self._followed(self.rows[name]))
            case "POST", ["batches", name, "cancel"] if name in self.rows:
                return self._cancel(self.rows[name])
        return _error(404, "no such path")

    def _upload(self, headers: dict[str, str], body: bytes) -> Handled:
        message = email.message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
        parts: dict[Any, Any] = {each.get_param("name", header="content-disposition"): each for each in message.walk()}
        if parts["purpose"].get_payload().strip() != "batch":
            return _error(400, "the purpose is not batch")
        self.uploads += 1
        return Handled(200, self._file(parts["file"].get_payload(decode=True)))

    def _file(self, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.rows)}-{len(self.files)}-{self.uploads}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "created_at": 0, "purpose": "batch"}

    def _create(self, wanted: dict[str, Any]) -> Handled | None:
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble and not trouble.lost:
            return _error(trouble.status, "It cannot be created.", trouble.code, trouble.headers)
        if trouble and not trouble.made:
            return None
        if wanted["input_file_id"] not in self.files or wanted["completion_window"] != "24h":
            return _error(400, "the file or the window is wrong")
        row = {
            **wanted,
            "id": f"batch_{len(self.rows) + 1}",
            "object": "batch",
            "created_at": int(time.time()),
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        }
        self.rows[row["id"]] = row
        self.created(row)
        return None if trouble else Handled(200, row)

    def _list(self, query: dict[str, str]) -> Handled:
        rows = list(reversed(self.rows.values()))
        names = [row["id"] for row in rows]
        rows = rows[names.index(query["after"]) + 1 :] if "after" in query else rows
        limit = int(query.get("limit", 20))
        return Handled(200, {"object": "list", "data": rows[:limit], "has_more": len(rows) > limit})

    def _cancel(self, row: dict[str, Any]) -> Handled:
        if row["status"] in {"validating", "in_progress"}:
            row["status"] = "cancelling"
        return Handled(200, row)

    def _followed(self, row: dict[str, Any]) -> dict[str, Any]:
        """A batch that has come as far as it may."""
        if row["status"] == "cancelling":
            self._end(row, "cancelled")
        elif row["status"] in {"validating", "in_progress"}:
            if self.hold:
                row["status"] = "in_progress"
            else:
                self._end(row, self.ends)
        return row

    def _end(self, row: dict[str, Any], status: str) -> None:
        row["status"] = status
        if status == "failed":
            row["errors"] = {"object": "list", "data": [{"code": code, "message": "No."} for code in self.codes]}
            return
        asked = self.asked(row)
        some = asked if self.answered is None else asked[: self.answered]
        lines = [self._line(request) for request in some]
        lines += [_unanswered(request, f"batch_{status}") for request in asked[len(some) :]]
        well = [line for line in lines if line["response"] and line["response"]["status_code"] == 200]
        for key, found in (("output_file_id", well), ("error_file_id", [line for line in lines if line not in well])):
            if found:
                texts = (each if isinstance(each, str) else json.dumps(each) for each in self.spoil(found))
                row[key] = self._file("\n".join(texts).encode() + b"\n")["id"]

    def _line(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer(request["body"])
        if answer is None:
            return _unanswered(request, "server_error")
        status, body = answer
        response = {"status_code": status, "request_id": "r", "body": body}
        return {"id": "l", "custom_id": request["custom_id"], "response": response, "error": None}


def _unanswered(request: dict[str, Any], code: str) -> dict[str, Any]:
    error = {"code": code, "message": "This request was not executed."}
    return {"id": "l", "custom_id": request["custom_id"], "response": None, "error": error}


def _error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Handled:
    error = {"message": message, "type": "invalid_request_error", "code": code or None}
    return Handled(status, {"error": error}, headers or {})
