"""Users: who is remembered."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from memory import places, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.apps_era.apps import MAKING_FIELDS
from memory.api.endpoint import Endpoint, Making, Reading
from memory.api.views.erasure import ErasesUser
from memory.models import App, User


class Users(Endpoint):
    """The user of the key, or the one asked for; and new ones."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return the user in ``user_id``, or the key's own."""
        if self.http.method == "POST":
            return kwargs
        user = parameters.query_name(self.http, "user_id")
        return kwargs | {"user": auth.claim(self.grant, "user") if user is None else user}

    @schemas.describe(
        "get",
        "Get the key's own user, or the one asked for",
        schemas.User,
        query=[schemas.parameter("user_id", str, "Id or name; default: the key's own.")],
    )
    def get(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a user."""
        return shapes.json_response(shapes.user(find(app, user)))

    @schemas.describe("create", "Make a user", schemas.User, body=schemas.NewUser, writes=True)
    @transaction.atomic
    def post(self, request: Request, app: str) -> HttpResponse:
        """Make a user; a name that is taken is refused."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        name = parameters.required(fields, "name")
        metadata = parameters.metadata(fields)
        place = places.open_place(app, may_create_app=self.may_create_app)
        row, _ = tenants.make_user(App(id=place.app_id), name, metadata, fresh=True)
        return shapes.json_response(shapes.user(row))


class UserList(Reading):
    """The users of an app, page by page."""

    @schemas.describe("list", "List users", schemas.UserPage, body=schemas.MetadataFilter, query=schemas.PAGE)
    def post(self, request: Request, app: str) -> HttpResponse:
        """Return a page of users, oldest first."""
        rows = User.objects.filter(app_id=tenants.find_app(app).pk)
        return pagination.page(self.http, self.fields(), rows, shapes.user)


class UserByName(Endpoint):
    """One user."""

    @schemas.describe("get_by_name", "Get a user by name", schemas.User)
    def get(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a user by its name or id."""
        return shapes.json_response(shapes.user(find(app, user)))


class UserGetOrCreate(Making):
    """One user, made if it is missing."""

    @schemas.describe("get_or_create", "Get a user by name, made if it is missing", schemas.User, writes=True)
    def get(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a user by its name; make it if it is missing."""
        place = places.open_place(app, user, may_create_app=self.may_create_app)
        return shapes.json_response(shapes.user(tenants.find_user(place.app_id, user)))


class OneUser(ErasesUser, UserByName):
    """One user, who can be renamed, described anew and erased."""

    @schemas.describe("get_by_id", "Get a user", schemas.User)
    def get(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a user by its id or name."""
        return super().get(request, app, user)

    @schemas.describe("update", "Change a user", schemas.User, body=schemas.UserChange, writes=True)
    def put(self, request: Request, app: str, user: str) -> HttpResponse:
        """Rename a user or replace its metadata wholly; what is absent or null stays."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        auth.admit_name(self.grant, "user", fields.get("name"))
        row = tenants.change(find(app, user), name=fields.get("name"), metadata=parameters.metadata(fields))
        return shapes.json_response(shapes.user(row))


def find(app: str, user: str) -> User:
    """Return a user by the names or ids of a path."""
    return tenants.find_user(tenants.find_app(app).pk, user)
