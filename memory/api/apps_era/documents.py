"""Documents: the texts of a collection."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from memory import collections, validation
from memory.api import pagination, parameters
from memory.api import schemas as common
from memory.api.apps_era import schemas, shapes, shelves
from memory.api.apps_era.collections import shelf_of
from memory.api.apps_era.queries import body_from_query
from memory.api.endpoint import Endpoint, Reading
from memory.api.shapes import json_response
from memory.api.views.conclusions import word

_FIELDS = ("content", "metadata")


class Documents(Endpoint):
    """The documents of a collection."""

    @common.describe(
        "create",
        "Put a document into a collection",
        schemas.Document,
        body=schemas.NewDocument,
        writes=True,
        sends={"content": "Invoices are due within 30 days.", "metadata": {"source": "terms"}},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Put a document into a collection; into `honcho`, add a statement that stands whatever a model says."""
        fields = self.fields()
        parameters.no_typos(fields, _FIELDS)
        content = parameters.required(fields, "content")
        metadata = parameters.metadata(fields)
        return json_response(shapes.document(shelf_of(refs).add(content, metadata, word(self, {}))))


class DocumentList(Reading):
    """The documents of a collection, page by page."""

    @common.describe("list", "List documents", schemas.DocumentPage, body=common.MetadataFilter, query=common.PAGE)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Return a page of documents, oldest first."""
        shelf = shelf_of(refs)
        return pagination.page(self.http, self.fields(), shelf.rows, lambda row: shapes.document(shelf.document(row)))


class DocumentQuery(Reading):
    """The documents of a collection that are most like a text."""

    @common.describe(
        "query",
        "Find the documents that are most like a text",
        schemas.Document(many=True),
        body=schemas.DocumentQuery,
        sends={"query": "When are invoices due?", "top_k": 3},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Return up to `top_k` documents, the most alike first."""
        return _nearest(self.fields(), refs)

    @extend_schema(exclude=True)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Answer 0.0.15 and 0.0.16, which ask in the query."""
        return _nearest(body_from_query(self.http, ("query", "filter", "top_k")), refs)


class Document(Endpoint):
    """One document."""

    @common.describe("get", "Get a document", schemas.Document)
    def get(self, request: Request, document: str, **refs: str) -> HttpResponse:
        """Return a document by its id."""
        return json_response(shapes.document(shelves.find_document(shelf_of(refs), document)))

    @common.describe("update", "Change a document", schemas.Document, body=schemas.DocumentChange, writes=True)
    def put(self, request: Request, document: str, **refs: str) -> HttpResponse:
        """Replace a document's content or its metadata wholly; what is absent or null stays.

        In `honcho` other words correct the statement: the answer holds the one that stands now, which has its own id.
        """
        fields = self.fields()
        parameters.no_typos(fields, _FIELDS)
        metadata = parameters.metadata(fields)
        shelf = shelf_of(refs)
        found = shelves.find_document(shelf, document)
        changed = shelf.edit(found, fields.get("content"), metadata, word(self, {}))
        return json_response(shapes.document(changed))

    @common.describe(
        "delete",
        "Delete a document",
        common.Ended,
        writes=True,
        example={"message": "Document deleted successfully"},
    )
    def delete(self, request: Request, document: str, **refs: str) -> HttpResponse:
        """Delete a document; in `honcho`, retract the statement."""
        shelf = shelf_of(refs)
        shelf.take_out(shelves.find_document(shelf, document), word(self, {}))
        return json_response({"message": "Document deleted successfully"})


def _nearest(fields: dict[str, Any], refs: dict[str, str]) -> HttpResponse:
    parameters.no_typos(fields, ("query", "filter", "top_k"))
    query = validation.text(parameters.required(fields, "query"), ("query",), most=schemas.QUERY_LENGTH, least=1)
    top_k = fields.get("top_k")
    most = 5 if top_k is None else parameters.whole_number(top_k, ("top_k",), least=1, most=50)
    wanted = parameters.metadata(fields, "filter")
    shelf = shelf_of(refs)
    rows = shelf.rows.filter(metadata__contains=wanted) if wanted else shelf.rows
    found = collections.nearest(rows, query, most)
    return json_response([shapes.document(shelf.document(row)) for row in found])
