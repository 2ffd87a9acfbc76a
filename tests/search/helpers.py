"""What the tests of search share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memory import search
from memory.search import index


def index_everything() -> None:
    """Index all that there is."""
    while index.work():
        pass


def texts(found: search.Found | search.Recalled) -> list[str]:
    """What was found, in words."""
    return [hit.text for hit in found.items]


def find(query: str, user: str | None = "ana", app: str = "harbour", **options: Any) -> list[str]:
    """What a user's memory has for a query."""
    filters = search.Filters(**{key: options.pop(key) for key in list(options) if key in _FILTERS})
    return texts(search.find(search.scope(app, user), query, filters=filters, **options))


_FILTERS: Sequence[str] = search.Filters.__slots__
