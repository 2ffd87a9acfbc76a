"""What makes vectors of text."""

from __future__ import annotations

from memory.search.finding import Vector


def embed_query(text: str) -> Vector | None:
    """Return the vector of a query, or None where there is no model. Call it outside any transaction."""
    return None
