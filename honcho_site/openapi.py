"""The schema of the whole site: what memory and reasoning each know of it, put together."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request

from memory.api import examples as of_memory
from memory.api import openapi
from reasoning.api import examples as of_reasoning

EXAMPLES = {**of_memory.BY_SCHEMA, **of_reasoning.BY_SCHEMA}


def complete(result: dict[str, Any], **_generation: Any) -> dict[str, Any]:
    """Return the generated schema with its examples and its shared errors (a hook of drf-spectacular's)."""
    return openapi.complete(result, EXAMPLES)


@cache
def _generated(public: bool) -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=public)  # type: ignore[no-untyped-call]
    return schema


class OncePerProcess(SchemaGenerator):
    """Generates the schema for the first who asks: it takes seconds, and changes with the code only."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> dict[str, Any]:
        """Return the schema of the site, the same for every caller."""
        return _generated(public)
