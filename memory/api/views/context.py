"""What an agent should know now. One statement of SQL, stored text, no model."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.request import Request

from memory import feeds, history, ids, reading
from memory.api import auth, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.models import Representation

_PARTS = ("conclusions", "summary", "card", "pending")
_PENDING = 50
MOST_TOKENS = 100_000

_QUERY = (
    schemas.TOKENS,
    *schemas.WHICH,
    schemas.parameter("include", str, "Comma-separated: conclusions, summary, card, pending."),
)
_EXAMPLE = {
    "context": "Works on automating invoices with Stripe.\n## Known\n- Prefers Python.",
    "version": 3,
    "session_version": 2,
    "as_of": "2026-11-22T08:45:47.546154Z",
    "behind": {"events": 0, "seconds": 0.0},
    "app_id": "2JZudj8m3cYqfZLbkJ4Hpf",
    "user_id": "2JZudj8nJaAqcdNWpGW3Rw",
    "session_id": "2JZudj8pWuUwph9xfE9tvk",
}


class Context(Endpoint):
    """What is known of a user, and of a session where the path names one."""

    @schemas.describe("get_context", "What an agent should know now", schemas.Context, query=_QUERY, example=_EXAMPLE)
    def get(self, request: Request, app: str, user: str, session: str | None = None) -> HttpResponse:
        """Return the context in natural language, with its version and how fresh it is."""
        asked = which_version(self)
        tokens = parameters.query_integer(self.http, "tokens", least=1, most=MOST_TOKENS)
        parts = parameters.query_words(self.http, "include", _PARTS)
        found = reading.context(app, user, session, tokens=tokens, **asked)
        pending = _pending(found) if "pending" in parts else None
        tag = _tag(found, pending, self.http.META.get("QUERY_STRING", ""))
        if _has(self.http.headers.get("If-None-Match"), tag):
            return HttpResponse(status=304, headers={"ETag": tag})
        body = _shape(found) | _extra(found, parts)
        if pending is not None:
            body["pending"] = pending
        return shapes.json_response(body, headers={"ETag": tag})


def which_version(view: Endpoint) -> dict[str, Any]:
    """Return ``observer``, ``at`` and ``version`` as the query gives them."""
    observer = parameters.query_name(view.http, "observer")
    if observer is not None:
        auth.admit_beyond_user(view.grant)
    at = parameters.query_when(view.http, "at")
    version = parameters.query_integer(view.http, "version", least=1, most=parameters.MOST_VERSION)
    if at is not None and version is not None:
        raise InvalidParameter("query", "version", "Give at or version, not both.")
    return {"observer": observer, "at": at, "version": version}


def _shape(found: reading.Context) -> shapes.Shape:
    return {
        "context": found.text,
        "version": found.version,
        "session_version": None if found.session is None else found.session.number or 0,
        "as_of": shapes.moment(found.as_of),
        "behind": shapes.behind(found.behind_events, found.behind_seconds),
        "app_id": ids.encode(found.app_id),
        "user_id": ids.encode(found.user_id),
        "session_id": None if found.session_id is None else ids.encode(found.session_id),
        **shapes.as_served(found.user.at),
    }


def _extra(found: reading.Context, parts: frozenset[str]) -> shapes.Shape:
    """Return the parts that were asked for; only the conclusions ask the database again."""
    extra: shapes.Shape = {}
    if "card" in parts:
        extra["card"] = found.user.card
    if "summary" in parts:
        view = found.session or found.user
        extra["summary"] = {"short": view.short_summary, "long": view.long_summary}
    if "conclusions" in parts:
        views = [("user", found.user)] + ([("session", found.session)] if found.session else [])
        extra["conclusions"] = [
            {"subject": kind, **shapes.statement(item)} for kind, view in views for item in _standing(view)
        ]
    return extra


def _standing(view: reading.View) -> list[history.Statement]:
    if view.number is None:
        return []
    return history.statements(Representation.objects.get(subject=view.subject_id, number=view.number))


def _pending(found: reading.Context) -> list[shapes.Shape]:
    view = found.session or found.user
    return [shapes.pending(event) for event in feeds.tail(view.subject_id, view.covers_to, _PENDING, by=view.at)]


def _tag(found: reading.Context, pending: list[shapes.Shape] | None, query: str) -> str:
    """Return what changes when the answer does, but for how far behind it is: a weak validator."""
    newest = "" if not pending else pending[-1]["id"]
    distinct = hashlib.sha256(f"{found.user.subject_id} {query} {newest}".encode()).hexdigest()[:12]
    return f'W/"{found.tag}-{distinct}"'


def _has(if_none_match: str | None, tag: str) -> bool:
    if not if_none_match:
        return False
    tags = parse_etags(if_none_match)
    return "*" in tags or tag.removeprefix("W/") in {item.removeprefix("W/") for item in tags}
