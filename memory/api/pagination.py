"""Lists: pages by number as the apps-era clients ask for them, and pages by cursor for what only grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from memory import ids
from memory.api import parameters, shapes
from memory.api.errors import InvalidParameter

M = TypeVar("M", bound=Model)
T = TypeVar("T")

MOST_PAGES = 10_000_000


def page(
    request: HttpRequest,
    body: dict[str, Any],
    rows: QuerySet[M],
    shape: Callable[[M], shapes.Shape],
    *,
    first: Sequence[M] = (),
) -> HttpResponse:
    """Return a page of rows in the order in which they were made, filtered by their metadata.

    ``first`` are items without metadata that are in no table and older than all rows.
    """
    number = parameters.query_integer(request, "page", least=1, most=MOST_PAGES) or 1
    size = parameters.query_integer(request, "size", least=1, most=100) or 50
    reverse = parameters.query_boolean(request, "reverse")
    wanted = parameters.metadata(body, "filter")
    if wanted:
        rows, first = rows.filter(metadata__contains=wanted), ()
    stored = rows.count()
    total = stored + len(first)
    start = (number - 1) * size
    before = 0 if reverse else len(first)
    ordered = rows.order_by("-pk" if reverse else "pk")
    found = [
        *([] if reverse else first[start : start + size]),
        *(ordered[max(start - before, 0) : max(start + size - before, 0)] if start < before + stored else ()),
        *(first[max(start - stored, 0) : max(start + size - stored, 0)] if reverse else ()),
    ]
    return shapes.json_response(
        {
            "items": [shape(row) for row in found],
            "total": total,
            "page": number,
            "size": size,
            "pages": -(-total // size),
        }
    )


def cursor_page(found: Sequence[T], limit: int, shape: Callable[[T], shapes.Shape], mark: Callable[[T], str]) -> Any:
    """Return a page of up to ``limit`` items, of which one more was asked for, and where the next one begins."""
    shown = found[:limit]
    more = len(found) > limit
    return {"items": [shape(item) for item in shown], "next_cursor": mark(shown[-1]) if more else None}


def limit(request: HttpRequest, *, default: int = 50, most: int = 200) -> int:
    """Return how many items a page shall have."""
    return parameters.query_integer(request, "limit", least=1, most=most) or default


def id_cursor(request: HttpRequest) -> Any:
    """Return the id in ``cursor``, None where there is none."""
    value = request.GET.get("cursor")
    if value is None:
        return None
    found = ids.decode(value)
    if found is None:
        raise InvalidParameter("query", "cursor", "Give the next_cursor of the page before.", "cursor")
    return found
