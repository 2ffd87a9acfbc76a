"""The schema of the whole site: what memory and reasoning each know of it, put together."""

from __future__ import annotations

from typing import Any

from memory.api import examples as of_memory
from memory.api import openapi
from reasoning.api import examples as of_reasoning

EXAMPLES = {**of_memory.BY_SCHEMA, **of_reasoning.BY_SCHEMA}


def complete(result: dict[str, Any], **_generation: Any) -> dict[str, Any]:
    """Return the generated schema with its examples and its shared errors (a hook of drf-spectacular's)."""
    return openapi.complete(result, EXAMPLES)
