"""What addresses of the loop stand on: operators' keys, and the refusal of what no provider could answer."""

from __future__ import annotations

import math

from memory import ids
from memory.api import auth
from memory.api.endpoint import Endpoint
from memory.api.errors import HttpRefusal
from reasoning.chain import ProviderFailed


class OperatorEndpoint(Endpoint):
    """An address for operators' keys alone."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return what the path names, once the key is an operator's."""
        auth.admit_operator(self.grant)
        return kwargs

    @property
    def by(self) -> str:
        """Who acts, as it is kept with what is done."""
        return "" if self.grant.key_id is None else f"key {ids.encode(self.grant.key_id)}"


def unavailable(error: ProviderFailed) -> HttpRefusal:
    """Return the refusal of what no provider could answer."""
    if error.retry_after is None:
        return HttpRefusal(502, error.code, error.message)
    return HttpRefusal(503, error.code, error.message, {"Retry-After": str(math.ceil(error.retry_after))})
