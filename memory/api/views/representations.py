"""Representations: the structured form, the versions before, and the way back to one of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from memory import history, ids, reading, restoring, retention, validation, waiting
from memory.api import auth, etags, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.api.parameters import MOST_VERSION
from memory.api.views.context import MOST_TOKENS, wait_seconds, which_version
from memory.errors import Invalid, NotFound
from memory.models import Subject

_REASON_LENGTH = 2_000

_QUERY = (
    schemas.CURSOR,
    schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "How many items.", default=20),
    schemas.OBSERVER,
)


class Representation(Endpoint):
    """What is concluded about a user, a session or a project."""

    replicated = True

    @schemas.describe(
        "get",
        "The structured form of what is concluded",
        schemas.StructuredRepresentation,
        query=(*schemas.WHICH, schemas.TOKENS, schemas.WAIT, schemas.POSITION),
    )
    def get(self, request: Request, **refs: Any) -> HttpResponse:
        """Return the current version, or the one asked for, with its conclusions and their sources."""
        asked = which_version(self)
        tokens = parameters.query_integer(self.http, "tokens", least=1, most=MOST_TOKENS)
        _no_observer_but_of_users(asked, refs)
        seconds = wait_seconds(self, asked)
        view = reading.representation(**refs, **asked)
        if seconds and view.behind_events:
            waiting.until_read([view.subject_id], seconds)
            view = reading.representation(**refs, **asked)
        tag = etags.of(f"v{view.number or 0}", view.subject_id, self.http)
        if (same := etags.unchanged(self.http, tag)) is not None:
            return same
        return shapes.json_response(_structured(view, tokens), headers={"ETag": tag})


class Versions(Endpoint):
    """The history of a representation."""

    @schemas.describe("list", "The history, newest first", schemas.VersionCursorPage, query=_QUERY)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a page of versions, newest first, with what made each and how much it changed."""
        size = pagination.limit(self.http, default=20, most=100)
        before = parameters.query_integer(self.http, "cursor", least=1, most=MOST_VERSION)
        found = history.versions(named_subject(self, refs), before=before, limit=size + 1)
        return shapes.json_response(
            pagination.cursor_page(found, size, shapes.version, lambda item: str(item.representation.number))
        )


class Version(Endpoint):
    """One version of a representation."""

    @schemas.describe(
        "get", "One version: its text, and what it added and retired", schemas.VersionDetail, query=[schemas.OBSERVER]
    )
    def get(self, request: Request, number: str, **refs: str) -> HttpResponse:
        """Return a version with its text and what it added and retired.

        What a quarantined version says may hold a secret, or instructions to whoever reads it: only an operator's key
        gets it.
        """
        return _shown(self, _detail(self, number, refs))


class Kept(Endpoint):
    """Whether a version is kept whole, however old it gets."""

    @schemas.describe(
        "keep",
        "Keep a version whole, however old it gets",
        schemas.VersionDetail,
        body=schemas.KeepVersion,
        query=[schemas.OBSERVER],
        writes=True,
        sends={"reason": "What the customer was told in March"},
    )
    def put(self, request: Request, number: str, **refs: str) -> HttpResponse:
        """Keep a version, and say why; takes an app's or an operator's key."""
        auth.admit_beyond_user(self.grant)
        found = _detail(self, number, refs)
        fields = self.fields()
        parameters.only(fields, ("reason",))
        reason = validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1)
        retention.keep(found.representation, reason=reason, by=by_of(self))
        return _shown(self, found)

    @schemas.describe(
        "release",
        "Let a version be thinned like any other when it is old",
        schemas.VersionDetail,
        query=[schemas.OBSERVER],
        writes=True,
    )
    def delete(self, request: Request, number: str, **refs: str) -> HttpResponse:
        """Keep a version no longer than any other; takes an app's or an operator's key."""
        auth.admit_beyond_user(self.grant)
        found = _detail(self, number, refs)
        retention.release(found.representation)
        return _shown(self, found)


class Rollback(Endpoint):
    """The way back to an earlier version."""

    @schemas.describe(
        "rollback",
        "Make a new version that equals an older one",
        schemas.StructuredRepresentation,
        body=schemas.Rollback,
        query=[schemas.OBSERVER],
        writes=True,
        sends={"to": 3, "reason": "Version 4 mixed up two people"},
    )
    def post(self, request: Request, **refs: Any) -> HttpResponse:
        """Make a new version that equals version ``to``, and say why; takes an app's or an operator's key.

        With `then` the events that were read since stay read (`stay`), or are read again (`reason_again`).
        """
        auth.admit_beyond_user(self.grant)
        fields = self.fields()
        parameters.only(fields, ("to", "reason", "then"))
        to = parameters.whole_number(parameters.required(fields, "to"), ("to",), least=1, most=MOST_VERSION)
        reason = validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1)
        then = fields.get("then", restoring.Onward.STAY)
        if then not in schemas.THEN:
            raise Invalid(f"Use one of {', '.join(schemas.THEN)}.", ("then",), "literal_error")
        subject = named_subject(self, refs)
        made = restoring.roll_back(subject, to, reason=reason, by=by_of(self), then=restoring.Onward(then))
        observer = parameters.query_name(self.http, "observer")
        view = reading.representation(**refs, observer=observer, version=made.number)
        return shapes.json_response(_structured(view, None))


def by_of(view: Endpoint) -> str:
    """Return who acts, as it is kept with what is done."""
    return "" if view.grant.key_id is None else f"key {ids.encode(view.grant.key_id)}"


def _detail(view: Endpoint, number: str, refs: dict[str, str]) -> history.VersionDetail:
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:12]) <= MOST_VERSION):
        raise InvalidParameter("path", "number", "Give the number of a version.", "int_parsing")
    return history.version_detail(named_subject(view, refs), int(number))


def _shown(view: Endpoint, found: history.VersionDetail) -> HttpResponse:
    return shapes.json_response(shapes.version_detail(found, with_quarantined=auth.is_operator(view.grant)))


def _no_observer_but_of_users(asked: dict[str, Any], refs: dict[str, str]) -> None:
    if asked["observer"] is not None and ("session" in refs or "project" in refs):
        raise InvalidParameter("query", "observer", "Only a user is seen by an observer.")


def _structured(view: reading.View, tokens: int | None) -> shapes.Shape:
    text = view.text if tokens is None else view.within(tokens).text
    return shapes.representation(view, text, reading.statements(view))


def named_subject(view: Endpoint, refs: dict[str, str]) -> Subject:
    """Return the subject that the path names, as the observer in the query sees it if there is one."""
    observer = parameters.query_name(view.http, "observer")
    if observer is not None:
        auth.admit_beyond_user(view.grant)
    _no_observer_but_of_users({"observer": observer}, refs)
    named = {"user": None, "session": None, "project": None} | refs
    app, user, session, project = named["app"], named["user"], named["session"], named["project"]
    if app is None:
        raise NotFound("App not found")
    return reading.subject(app, user=user, session=session, project=project, observer=observer)
