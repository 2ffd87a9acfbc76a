"""What every address for operators stands on."""

from __future__ import annotations

from memory import ids
from memory.api import auth
from memory.api.endpoint import Endpoint


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
