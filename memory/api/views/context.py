"""What an agent should know now. One statement of SQL, stored text, no model."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from memory import feeds, ids, reading, waiting
from memory.api import auth, etags, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter

_PARTS = ("conclusions", "summary", "card", "pending")
_PENDING = 50
MOST_TOKENS = 100_000

_QUERY = (
    schemas.TOKENS,
    *schemas.WHICH,
    schemas.WAIT,
    schemas.POSITION,
    schemas.parameter("include", str, "Comma-separated: conclusions, summary, card, pending."),
)


class Context(Endpoint):
    """What is known of a user, and of a session where the path names one."""

    replicated = True

    @schemas.describe("get_context", "What an agent should know now", schemas.Context, query=_QUERY)
    def get(self, request: Request, app: str, user: str, session: str | None = None) -> HttpResponse:
        """Return the context in natural language, with its version and how fresh it is."""
        asked = which_version(self)
        tokens = parameters.query_integer(self.http, "tokens", least=1, most=MOST_TOKENS)
        parts = parameters.query_words(self.http, "include", _PARTS)
        seconds = wait_seconds(self, asked)
        found = reading.context(app, user, session, tokens=tokens, **asked)
        if seconds and found.behind_events:
            waiting.until_read([view.subject_id for view in (found.user, found.session) if view], seconds)
            found = reading.context(app, user, session, tokens=tokens, **asked)
        pending = _pending(found) if "pending" in parts else None
        tag = etags.of(found.tag, found.user.subject_id, self.http, pending)
        if (same := etags.unchanged(self.http, tag)) is not None:
            return same
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


def wait_seconds(view: Endpoint, asked: dict[str, Any]) -> float:
    """Return how long the query asks to wait for reasoning; nobody waits for what was served once (``asked``)."""
    seconds = parameters.query_seconds(view.http, "wait", most=waiting.LONGEST)
    if seconds and (asked["at"] is not None or asked["version"] is not None):
        raise InvalidParameter("query", "wait", "Only what is served now can be waited for: leave out at and version.")
    return seconds


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
            {"subject": kind, **shapes.standing(item)} for kind, view in views for item in reading.statements(view)
        ]
    return extra


def _pending(found: reading.Context) -> list[shapes.Shape]:
    view = found.session or found.user
    return [shapes.pending(event) for event in feeds.tail(view.subject_id, view.covers_to, _PENDING, by=view.at)]
