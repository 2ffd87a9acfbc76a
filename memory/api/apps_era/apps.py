"""Apps: the tenants. Making and listing them takes an operator's key."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from memory import places, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint, Making, Reading
from memory.api.views.erasure import ErasesApp
from memory.models import App

MAKING_FIELDS = ("name", "metadata")


class Apps(Endpoint):
    """The app of the key, or the one asked for; and new ones."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return the app in ``app_id``, or the key's own; a new app is no key's own."""
        if self.http.method == "POST":
            return {}
        app = parameters.query_name(self.http, "app_id")
        return {"app": auth.claim(self.grant, "app") if app is None else app}

    @schemas.describe(
        "get",
        "Get the key's own app, or the one asked for",
        schemas.App,
        query=[schemas.parameter("app_id", str, "Id or name; default: the key's own.")],
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return an app."""
        return shapes.json_response(shapes.app(tenants.find_app(app)))

    @schemas.describe("create", "Make an app", schemas.App, body=schemas.NewApp, writes=True)
    def post(self, request: Request) -> HttpResponse:
        """Make an app; a name that is taken is refused."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        name = parameters.required(fields, "name")
        row, _ = tenants.make_app(name, parameters.metadata(fields), fresh=True)
        return shapes.json_response(shapes.app(row))


class AppList(Reading):
    """All apps, page by page."""

    @schemas.describe("list", "List apps", schemas.AppPage, body=schemas.MetadataFilter, query=schemas.PAGE)
    def post(self, request: Request) -> HttpResponse:
        """Return a page of apps, oldest first."""
        return pagination.page(self.http, self.fields(), App.objects.all(), shapes.app)


class AppByName(Endpoint):
    """One app."""

    @schemas.describe("get_by_name", "Get an app by name", schemas.App)
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return an app by its name or id."""
        return shapes.json_response(shapes.app(tenants.find_app(app)))


class AppGetOrCreate(Making):
    """One app, made if it is missing."""

    @schemas.describe("get_or_create", "Get an app by name, made if it is missing", schemas.App, writes=True)
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return an app by its name; make it if it is missing."""
        place = places.open_place(app, may_create_app=self.may_create_app)
        return shapes.json_response(shapes.app(App.objects.get(pk=place.app_id)))


class OneApp(ErasesApp, AppByName):
    """One app, which can be renamed, described anew and erased."""

    @schemas.describe("get_by_id", "Get an app", schemas.App)
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return an app by its id or name."""
        return super().get(request, app)

    @schemas.describe("update", "Change an app", schemas.App, body=schemas.AppChange, writes=True)
    def put(self, request: Request, app: str) -> HttpResponse:
        """Rename an app or replace its metadata wholly; what is absent or null stays."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        auth.admit_name(self.grant, "app", fields.get("name"))
        row = tenants.change(tenants.find_app(app), name=fields.get("name"), metadata=parameters.metadata(fields))
        return shapes.json_response(shapes.app(row))
