"""Search over events and statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from memory import search, validation
from memory.api import parameters, schemas, search_schemas, shapes
from memory.api.endpoint import Reading
from memory.errors import Invalid
from memory.models import Event
from memory.search.scopes import TYPES

_FIELDS = ("query", "limit", "in", "mode", "filters")
_FILTERS = ("kind", "author", "origin", "session", "project", "since", "until", "metadata")
_IN = {f"{name}s": name for name in TYPES}
_MOST_WORDS = 20

_SENDS = {"query": "Which invoices did we talk about?", "limit": 5, "filters": {"kind": "message", "since": "30d"}}


class Search(Reading):
    """Search in an app, or in what belongs to a user, a session or a project of it."""

    @schemas.describe(
        "search",
        "Find events and statements, by words and by meaning",
        search_schemas.Found,
        body=search_schemas.SearchQuery,
        sends=_SENDS,
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Return the best of what there is for a query.

        Any of its words is enough, and rare words count more. Where embeddings are configured, what means the same in
        other words is found too; `note` says so where they are not. What was written a moment ago is found. A filter
        that names nothing there is finds nothing.
        """
        fields = self.fields()
        parameters.only(fields, _FIELDS)
        given = {key: value for key, value in fields.items() if value is not None}
        query = validation.text(
            parameters.required(given, "query"), ("query",), most=search_schemas.MOST_QUERY, least=1
        )
        limit = parameters.whole_number(given.get("limit", 10), ("limit",), least=1, most=search_schemas.MOST_ITEMS)
        mode = _one_of(given.get("mode", search.Mode.HYBRID.value), ("mode",), search.Mode.values)
        where = search.scope(**refs)
        filters = _filters(where, given)
        vector = None if mode == search.Mode.LEXICAL else search.embed_query(query)
        return shapes.json_response(
            _found(search.find(where, query, limit=limit, filters=filters, mode=mode, vector=vector))
        )


def _filters(where: search.Scope, given: dict[str, Any]) -> search.Filters:
    types = [_IN[word] for word in _several(given.get("in", list(_IN)), ("in",), _IN)]
    asked = parameters.an_object(given.get("filters", {}), ("filters",))
    parameters.only(asked, _FILTERS, ("filters",))
    asked = {key: value for key, value in asked.items() if value is not None}
    moments: dict[str, Any] = {
        name: validation.since(asked[name], ("filters", name)) for name in ("since", "until") if name in asked
    }
    refs = {name: _ref(asked, name) for name in ("author", "session", "project")}
    metadata = parameters.an_object(asked.get("metadata", {}), ("filters", "metadata"))
    validation.metadata(metadata, ("filters", "metadata"), most=search_schemas.MOST_QUERY)
    return search.filters(
        where,
        **refs,
        types=types,
        kinds=_several(asked.get("kind", []), ("filters", "kind")),
        origins=_several(asked.get("origin", []), ("filters", "origin"), Event.Origin.values),
        metadata=metadata,
        **moments,
    )


def _ref(asked: dict[str, Any], name: str) -> str | None:
    return None if name not in asked else validation.name(asked[name], ("filters", name))


def _several(value: Any, where: tuple[str, ...], known: Any = None) -> Sequence[str]:
    """Return one word or a list of them as a list."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or len(words) > _MOST_WORDS:
        raise Invalid(f"Give a word, or a list of at most {_MOST_WORDS}.", where, "list_type")
    if known is None:
        return [validation.text(word, (*where, i), most=100, least=1) for i, word in enumerate(words)]
    return [_one_of(word, (*where, i), known) for i, word in enumerate(words)]


def _one_of(word: Any, where: tuple[str | int, ...], known: Any) -> str:
    if not isinstance(word, str) or word not in known:
        raise Invalid(f"Use one of {', '.join(known)}.", where, "enum")
    return word


def _found(found: search.Found) -> shapes.Shape:
    known = found.embedding
    return {
        "items": [_item(hit) for hit in found.items],
        "mode": found.mode.value,
        "embedding": known and {"model": known.model, "indexed": known.indexed, "waiting": known.waiting},
        "note": found.note,
    }


def _item(hit: search.Hit) -> shapes.Shape:
    return {
        "type": hit.type,
        "score": round(hit.score, 6),
        "ranks": {"lexical": hit.lexical_rank, "semantic": hit.semantic_rank},
        "highlights": [{"text": part.text, "marks": [list(mark) for mark in part.marks]} for part in hit.highlights],
        hit.type: _row(hit.row),
    }


def _row(row: search.FoundEvent | search.FoundStatement) -> shapes.Shape:
    return shapes.event(row, row.author) if isinstance(row, search.FoundEvent) else shapes.found_statement(row)
