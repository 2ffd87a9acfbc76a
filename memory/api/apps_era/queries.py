"""What older clients put into the query and newer ones into the body."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.http import HttpRequest

from memory.api.errors import InvalidParameter


def body_from_query(request: HttpRequest, names: Collection[str]) -> dict[str, Any]:
    """Return what the body would hold: each of ``names`` that the query has, as JSON where it is JSON.

    Raises :class:`InvalidParameter` for a ``filter`` that is not JSON.
    """
    return {name: _value(name, request.GET[name]) for name in names if name in request.GET}


def _value(name: str, given: str) -> Any:
    if name == "filter":
        try:
            return json.loads(given)
        except ValueError:
            raise InvalidParameter("query", name, 'Give JSON, such as {"key": "value"}.', "json_invalid") from None
    if given in ("true", "false"):
        return given == "true"
    return int(given) if name == "top_k" and given.isascii() and given.isdigit() else given
