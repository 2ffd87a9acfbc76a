"""Conclusions: what was ever concluded, and what a human says of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from memory import conclusions, corrections, ids, places, tenants, validation
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.views.representations import named_subject
from memory.errors import Invalid, NotFound
from memory.models import ApiKey, Event, Subject

_QUERY = (
    schemas.parameter("standing", bool, "Only what stands now (true), or what does not (false)."),
    schemas.parameter("pinned", bool, "Only what a human has pinned (true), or not (false)."),
    schemas.parameter("retracted", bool, "Only what a human has retracted (true), or not (false)."),
    schemas.CURSOR,
    schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "How many items.", default=50),
    schemas.OBSERVER,
)
_ORIGINS = {
    ApiKey.Scope.OPERATOR: Event.Origin.OPERATOR,
    ApiKey.Scope.APP: Event.Origin.AGENT,
    ApiKey.Scope.USER: Event.Origin.USER,
    ApiKey.Scope.SESSION: Event.Origin.USER,
    ApiKey.Scope.PROJECT: Event.Origin.AGENT,
    ApiKey.Scope.COLLECTION: Event.Origin.AGENT,
}
"""Who speaks with a key of each scope: a user's key speaks for the user."""


class Conclusions(Endpoint):
    """The statements about a user, a session or a project."""

    @schemas.describe("list", "What was ever concluded, newest first", schemas.ConclusionCursorPage, query=_QUERY)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a page of statements, whether they stand or not, each with a human's last word about it."""
        size = pagination.limit(self.http)
        asked = {name: _either(self, name) for name in ("standing", "pinned", "retracted")}
        cursor = pagination.id_cursor(self.http)
        found = conclusions.page(named_subject(self, refs), **asked, cursor=cursor, limit=size + 1)
        page = pagination.cursor_page(found, size, shapes.known, lambda item: item.conclusion.public_id)
        return shapes.json_response(page)

    @schemas.describe(
        "create",
        "Add a statement that stands whatever a model says",
        schemas.KnownConclusion,
        body=schemas.NewConclusion,
        query=[schemas.OBSERVER],
        writes=True,
        sends={"content": "Ann is allergic to nuts.", "importance": 5, "reason": "She told us on the phone"},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Add a statement, pinned; one that was retracted stands again. It is read at once, without a model."""
        given = _given(self.fields(), ("content", "about", "importance", "reason", "id"))
        content = parameters.required(given, "content")
        subject = self._subject(refs)
        made = corrections.add(
            subject,
            content,
            about=self._about(given, subject),
            importance=_importance(given),
            client_id=given.get("id"),
            **word(self, given),
        )
        return _answer(subject, made.pk)

    def _subject(self, refs: dict[str, str]) -> Subject:
        """Return what the path names, made if it is missing; another user's view is never made so."""
        if "observer" in self.http.GET:
            return named_subject(self, refs)
        place = places.open_place(**refs, may_create_app=self.may_create_app)
        things = {"session": place.session_id, "project": place.project_id, "user": place.user_id}
        kind = next(kind for kind in things if kind in refs)
        return Subject.objects.get(kind=kind, **{f"{kind}_id": things[kind]})

    def _about(self, given: dict[str, Any], subject: Subject) -> UUID | None:
        about = given.get("about")
        if about is None:
            return None
        validation.name(about, ("about",))
        try:
            return tenants.find_user(subject.app_id, auth.admit_author(self.grant, self.refs, about)).pk
        except NotFound:
            raise Invalid("There is no such user in this app.", ("about",), "user") from None


class Conclusion(Endpoint):
    """One statement."""

    http_method_names = ["get", "head", "patch", "delete"]
    writes = frozenset({"PATCH", "DELETE"})

    @schemas.describe("get", "One statement", schemas.KnownConclusion, query=[schemas.OBSERVER])
    def get(self, request: Request, conclusion: str, **refs: str) -> HttpResponse:
        """Return a statement, whether it stands or not."""
        return _answer(named_subject(self, refs), ids.decode(conclusion))

    @schemas.describe(
        "update",
        "Correct, pin or unpin a statement",
        schemas.KnownConclusion,
        body=schemas.ConclusionChange,
        query=[schemas.OBSERVER],
        writes=True,
        sends={"content": "Ann lives in Lisbon.", "reason": "She moved in May"},
    )
    def patch(self, request: Request, conclusion: str, **refs: str) -> HttpResponse:
        """Put other words in its place, say how much it matters, pin or unpin it; return what stands now.

        What is corrected is pinned: other words make another statement, which the answer holds.
        """
        given = _given(self.fields(), ("content", "pinned", "importance", "reason"))
        importance = _importance(given)
        pinned = parameters.boolean(given["pinned"], ("pinned",)) if "pinned" in given else None
        corrected = "content" in given or importance is not None
        if pinned is None and not corrected:
            raise Invalid("Give content, importance or pinned.", (), "missing")
        if pinned is False and corrected:
            raise Invalid("What is corrected is pinned. Unpin it in a request of its own.", ("pinned",))
        subject, found = _found(self, refs, conclusion)
        said = word(self, given)
        if corrected:
            made = corrections.edit(subject, found, given.get("content"), importance=importance, **said)
        else:
            made = (corrections.pin if pinned else corrections.unpin)(subject, found, **said)
        return _answer(subject, made.pk)

    @schemas.describe(
        "delete",
        "Retract a statement",
        schemas.KnownConclusion,
        query=[schemas.parameter("reason", str, "Why."), schemas.OBSERVER],
        writes=True,
    )
    def delete(self, request: Request, conclusion: str, **refs: str) -> HttpResponse:
        """Take a statement out: it stays out, whoever says it again, until it is added or pinned again.

        It is kept, and the versions in which it stood still show it. ``reason`` may come in a JSON body instead.
        """
        given = _given(self.fields(), ("reason",))
        given.setdefault("reason", parameters.query_text(self.http, "reason", most=corrections.REASON_LENGTH) or "")
        subject, found = _found(self, refs, conclusion)
        return _answer(subject, corrections.retract(subject, found, **word(self, given)).pk)


def _given(fields: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    parameters.only(fields, known)
    return {key: value for key, value in fields.items() if value is not None}


def _importance(given: dict[str, Any]) -> int | None:
    if "importance" not in given:
        return None
    return parameters.whole_number(given["importance"], ("importance",), least=1, most=5)


def _either(view: Endpoint, name: str) -> bool | None:
    return parameters.query_boolean(view.http, name) if view.http.GET.get(name) else None


def word(view: Endpoint, given: dict[str, Any]) -> dict[str, Any]:
    """Return whose word it is: the key's."""
    by = "" if view.grant.key_id is None else f"key {ids.encode(view.grant.key_id)}"
    return {"by": by, "origin": _ORIGINS[ApiKey.Scope(view.grant.scope)], "reason": given.get("reason", "")}


def _found(view: Endpoint, refs: dict[str, str], conclusion: str) -> tuple[Subject, UUID]:
    subject = named_subject(view, refs)
    return subject, conclusions.find(subject, ids.decode(conclusion)).conclusion.pk


def _answer(subject: Subject, conclusion: UUID | None) -> HttpResponse:
    subject.refresh_from_db(fields=["line"])
    return shapes.json_response(shapes.known(conclusions.find(subject, conclusion)))
