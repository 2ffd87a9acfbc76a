"""Events of any kind: appending one or many, and reading the log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from memory import history, ids, log, places, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import HttpRefusal
from memory.errors import Invalid, NotFound
from memory.models import Event

_FIELDS = (
    "id", "kind", "content", "data", "metadata", "author", "origin", "is_user", "occurred_at", "project",
)  # fmt: skip

_EXAMPLE = [
    {"kind": "tool_call", "content": "list_invoices", "data": {"status": "open"}, "id": "call-17"},
    {"kind": "message", "content": "The March invoice is done.", "is_user": True, "author": "user-123"},
]
_QUERY = (
    schemas.parameter("kind", str, "Only events of this kind."),
    schemas.parameter("author", str, "Only events of this user, by id or name."),
    schemas.parameter("since", OpenApiTypes.DATETIME, "Only what occurred then or later."),
    schemas.parameter("until", OpenApiTypes.DATETIME, "Only what occurred before."),
    schemas.CURSOR,
    schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "How many items.", default=50),
    schemas.parameter("reverse", bool, "Newest first.", default=False),
)


class Events(Endpoint):
    """The log of a session, a user or a project."""

    @schemas.describe(
        "create",
        "Append an event, or a list of them, all or none",
        schemas.WRITTEN_EVENTS,
        body=schemas.NEW_EVENTS,
        writes=True,
        sends=_EXAMPLE,
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Append one event, or a list of them, all or none."""
        several = isinstance(self.body, list)
        given = self.body if several else [self.body]
        try:
            new = [self._event(item, (i,)) for i, item in enumerate(given)]
            logged = log.append(**refs, events=new, may_create_app=self.may_create_app, where=())
        except Invalid as error:
            if not several and error.where[:1] == (0,):
                error.where = error.where[1:]
            raise
        answered = [shapes.event(event, event.author_name) for event in logged]
        return shapes.json_response(answered if several else answered[0])

    def _event(self, item: Any, where: tuple[int, ...]) -> log.NewEvent:
        fields = parameters.an_object(item, where)
        parameters.only(fields, _FIELDS, where)
        given = {key: value for key, value in fields.items() if value is not None}
        origin = _origin(given, where)
        if not auth.is_operator(self.grant) and (origin == Event.Origin.OPERATOR or given.get("kind") == "correction"):
            raise HttpRefusal(403, "operator_only", "Only an operator's key records corrections and operators' words")
        for field in ("author", "project"):
            if field in given and not isinstance(given[field], str):
                raise Invalid("Give a string.", (*where, field), "string_type")
        if "project" in given:
            auth.admit_beyond_user(self.grant)
        author = given.get("author")
        return log.NewEvent(
            kind=given.get("kind", "message"),
            content=given.get("content", ""),
            data=given.get("data"),
            metadata=parameters.an_object(given.get("metadata", {}), (*where, "metadata")),
            author=None if author is None else auth.admit_author(self.grant, self.refs, author),
            origin=origin,
            occurred_at=given.get("occurred_at"),
            client_id=given.get("id"),
            project=given.get("project"),
        )

    @schemas.describe("list", "Read the log", schemas.EventCursorPage, query=_QUERY)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a page of the log, in the order in which it was written."""
        size = pagination.limit(self.http)
        author = parameters.query_name(self.http, "author")
        asked = {
            "kind": parameters.query_text(self.http, "kind", most=100),
            "since": parameters.query_moment(self.http, "since"),
            "until": parameters.query_moment(self.http, "until"),
            "cursor": pagination.id_cursor(self.http),
            "reverse": parameters.query_boolean(self.http, "reverse"),
        }
        place = places.find(**refs)
        if place is None:
            raise NotFound("There is no such user, session or project in this app")
        author_id = None if author is None else self._author_id(place.app_id, author)
        found = history.events(place, **asked, author=author_id, limit=size + 1)
        page = pagination.cursor_page(
            found,
            size,
            lambda row: shapes.event(row, row.author.name if row.author else None),
            lambda row: row.public_id,
        )
        return shapes.json_response(page)

    def _author_id(self, app_id: UUID, author: str) -> UUID:
        """Return whose events are asked for. Keys of less than the app are not told whether somebody has that name."""
        try:
            return tenants.find_user(app_id, author).pk
        except NotFound:
            if auth.opens_app(self.grant):
                raise
            return ids.uuid7()  # nobody's


def _origin(given: dict[str, Any], where: tuple[int, ...]) -> str | None:
    """Return who stands behind an event: ``origin``, or what ``is_user`` says in its place."""
    origin = given.get("origin")
    if origin is not None and not isinstance(origin, str):
        raise Invalid("Give a string.", (*where, "origin"), "string_type")
    if "is_user" not in given:
        return origin
    if origin is not None:
        raise Invalid("Give origin or is_user, not both.", (*where, "is_user"))
    is_user = parameters.boolean(given["is_user"], (*where, "is_user"))
    return Event.Origin.USER if is_user else Event.Origin.AGENT
