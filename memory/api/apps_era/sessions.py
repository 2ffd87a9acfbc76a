"""Sessions: conversations."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from memory import cloning, places, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.apps_era import users
from memory.api.endpoint import Endpoint, Making, Reading
from memory.api.views import erasure
from memory.models import App, User

_MAKING_FIELDS = ("name", "metadata")


class Sessions(Endpoint):
    """The session of the key, or the one asked for; and new ones."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return the session in ``session_id``, or the key's own."""
        if self.http.method == "POST":
            return kwargs
        session = parameters.query_name(self.http, "session_id")
        return kwargs | {"session": auth.claim(self.grant, "session") if session is None else session}

    @schemas.describe(
        "get",
        "Get the key's own session, or the one asked for",
        schemas.Session,
        query=[schemas.parameter("session_id", str, "Id or name; default: the key's own.")],
    )
    def get(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Return a session."""
        return _answer(app, user, session)

    @schemas.describe("create", "Make a session", schemas.Session, body=schemas.NewSession, writes=True)
    @transaction.atomic
    def post(self, request: Request, app: str, user: str) -> HttpResponse:
        """Begin a session, with a name if one is given; a name that the user's sessions have already is refused."""
        fields = self.fields()
        parameters.no_typos(fields, _MAKING_FIELDS)
        metadata = parameters.metadata(fields)
        place = places.open_place(app, user, may_create_app=self.may_create_app)
        owner = User(id=place.user_id, app_id=place.app_id)
        row, _ = tenants.make_session(App(id=place.app_id), owner, fields.get("name"), metadata, fresh=True)
        return shapes.json_response(shapes.session(row, owner.pk))


class SessionList(Reading):
    """The sessions of a user, page by page."""

    @schemas.describe("list", "List sessions", schemas.SessionPage, body=schemas.SessionFilter, query=schemas.PAGE)
    def post(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a page of sessions, oldest first; ``is_active`` true leaves out those that have ended."""
        fields = self.fields()
        only_active = fields.get("is_active") is not None and parameters.boolean(fields["is_active"], ("is_active",))
        owner = users.find(app, user)
        rows = tenants.sessions_of(owner)
        if only_active:
            rows = rows.filter(is_active=True)
        return pagination.page(self.http, fields, rows, lambda row: shapes.session(row, owner.pk))


class SessionByName(Endpoint):
    """One session."""

    @schemas.describe("get_by_name", "Get a session by name", schemas.Session)
    def get(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Return a session by its name or id."""
        return _answer(app, user, session)


class SessionGetOrCreate(Making):
    """One session, made if it is missing."""

    @schemas.describe("get_or_create", "Get a session by name, made if it is missing", schemas.Session, writes=True)
    def get(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Return a session by its name; begin it if it is missing."""
        place = places.open_place(app, user, session, may_create_app=self.may_create_app)
        owner = User(id=place.user_id, app_id=place.app_id)
        return shapes.json_response(shapes.session(tenants.find_session(owner, session), owner.pk))


class OneSession(SessionByName):
    """One session, which can be described anew and ended."""

    @schemas.describe("get_by_id", "Get a session", schemas.Session)
    def get(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Return a session by its id or name."""
        return super().get(request, app, user, session)

    @schemas.describe("update", "Change a session", schemas.Session, body=schemas.MetadataChange, writes=True)
    def put(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Replace a session's metadata wholly; what is absent or null stays."""
        metadata = parameters.metadata(self.fields())
        owner = users.find(app, user)
        row = tenants.change(tenants.find_session(owner, session), metadata=metadata)
        return shapes.json_response(shapes.session(row, owner.pk))

    @schemas.describe(
        "delete", "End a session, or erase it", erasure.ENDED_OR_ERASED, query=erasure.SESSION_QUERY, writes=True
    )
    def delete(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """End a session: it is no longer active. With `erase` it is erased, and all that was made of it."""
        row = tenants.find_session(users.find(app, user), session)
        if parameters.query_boolean(self.http, "erase"):
            return erasure.erase_session(self, row)
        tenants.end_session(row)
        return shapes.json_response({"message": "Session deleted successfully"})


class Clone(Endpoint):
    """A session that begins as another one. The clients ask for it with GET; it is a write all the same."""

    http_method_names = ["get"]
    writes = frozenset({"GET"})
    repeatable = frozenset({"GET"})

    @schemas.describe(
        "clone",
        "Begin a session with the metadata and messages of this one",
        schemas.Session,
        query=[
            schemas.parameter("message_id", str, "The last message to copy; default: the newest."),
            schemas.parameter("deep_copy", bool, "Copy its metamessages too.", default=False),
        ],
        writes=True,
    )
    def get(self, request: Request, app: str, user: str, session: str) -> HttpResponse:
        """Begin a session with the metadata and the messages of this one; they have ids of their own."""
        message = parameters.query_name(self.http, "message_id")
        deep = parameters.query_boolean(self.http, "deep_copy")
        owner = users.find(app, user)
        row = cloning.clone(owner, tenants.find_session(owner, session), upto=message, deep=deep)
        return shapes.json_response(shapes.session(row, owner.pk))


def _answer(app: str, user: str, session: str) -> HttpResponse:
    owner = users.find(app, user)
    return shapes.json_response(shapes.session(tenants.find_session(owner, session), owner.pk))
