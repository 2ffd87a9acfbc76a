"""Collections: documents that belong together, a user's."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from memory import collections, concluded, places, tenants
from memory.api import auth, pagination, parameters
from memory.api import schemas as common
from memory.api.apps_era import schemas, shapes, shelves, users
from memory.api.apps_era.apps import MAKING_FIELDS
from memory.api.endpoint import Endpoint, Reading
from memory.api.shapes import json_response


class Collections(Endpoint):
    """The collection of the key, or the one asked for; and new ones."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return the collection in ``collection_id``, or the key's own."""
        if self.http.method == "POST":
            return kwargs
        collection = parameters.query_name(self.http, "collection_id")
        return kwargs | {"collection": auth.claim(self.grant, "collection") if collection is None else collection}

    @common.describe(
        "get",
        "Get the key's own collection, or the one asked for",
        schemas.Collection,
        query=[common.parameter("collection_id", str, "Id or name; default: the key's own.")],
    )
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a collection."""
        return json_response(shapes.collection(shelf_of(refs).collection))

    @common.describe("create", "Make a collection", schemas.Collection, body=schemas.NewCollection, writes=True)
    @transaction.atomic
    def post(self, request: Request, app: str, user: str) -> HttpResponse:
        """Make a collection; a name that is taken is refused, and so is the reserved one."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        name = parameters.required(fields, "name")
        metadata = parameters.metadata(fields)
        place = places.open_place(app, user, may_create_app=self.may_create_app)
        row = collections.make(tenants.find_user(place.app_id, user), name, metadata)
        return json_response(shapes.collection(row))


class CollectionList(Reading):
    """The collections of a user, page by page."""

    @common.describe("list", "List collections", schemas.CollectionPage, body=common.MetadataFilter, query=common.PAGE)
    def post(self, request: Request, app: str, user: str) -> HttpResponse:
        """Return a page of collections, oldest first: `honcho` first, once something was concluded of the user."""
        owner = users.find(app, user)
        subject = tenants.subject_of(owner)
        first = [] if subject.line_id is None else [concluded.collection_of(owner, subject)]
        return pagination.page(self.http, self.fields(), collections.of(owner), shapes.collection, first=first)


class CollectionByName(Endpoint):
    """One collection."""

    @common.describe("get_by_name", "Get a collection by name", schemas.Collection)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a collection by its name or id; `honcho` is what was concluded of the user."""
        return json_response(shapes.collection(shelf_of(refs).collection))


class OneCollection(CollectionByName):
    """One collection, which can be renamed, described anew and deleted."""

    @common.describe("get_by_id", "Get a collection", schemas.Collection)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return a collection by its id or name."""
        return super().get(request, **refs)

    @common.describe("update", "Change a collection", schemas.Collection, body=schemas.CollectionChange, writes=True)
    def put(self, request: Request, **refs: str) -> HttpResponse:
        """Rename a collection or replace its metadata wholly; what is absent or null stays."""
        fields = self.fields()
        parameters.no_typos(fields, MAKING_FIELDS)
        auth.admit_name(self.grant, "collection", fields.get("name"))
        row = shelf_of(refs).rename(fields.get("name"), parameters.metadata(fields))
        return json_response(shapes.collection(row))

    @common.describe(
        "delete",
        "Delete a collection and its documents",
        common.Ended,
        writes=True,
        example={"message": "Collection deleted successfully"},
    )
    def delete(self, request: Request, **refs: str) -> HttpResponse:
        """Delete a collection and its documents."""
        shelf_of(refs).remove()
        return json_response({"message": "Collection deleted successfully"})


def shelf_of(refs: dict[str, str]) -> shelves.Shelf:
    """Return the collection that a path names."""
    return shelves.find(users.find(refs["app"], refs["user"]), refs["collection"])
