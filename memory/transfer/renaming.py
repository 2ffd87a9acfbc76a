"""New ids for what is stored elsewhere already: the same for the same id in the same app, wherever it is said.

An id keeps all but its last 32 bits, which are random: so rows keep their order, which is that of their ids. Those bits
are turned over by a mask that belongs to the app, so that no new id is an old one, and a file that comes again gets
the ids that it got before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from memory import ids, publishing
from memory.models import Conclusion, Event, Representation
from memory.transfer.formats import Row, Table


@dataclass(frozen=True)
class Renaming:
    """How ids of a file become ids of an app."""

    mask: int

    @classmethod
    def into(cls, app_id: UUID) -> Renaming:
        """Return the one that belongs to an app."""
        return cls(int.from_bytes(hashlib.sha256(app_id.bytes).digest()[:4]) | 1)

    def id(self, old: UUID) -> UUID:
        """Return the new id of what has an old one."""
        return UUID(int=old.int ^ self.mask)

    def row(self, table: Table, row: Row) -> Row:
        """Return a row with new ids, also in the JSON that is known to hold some."""
        new = {name: self.id(value) if isinstance(value, UUID) else value for name, value in row.items()}
        if table.model is Event and row.get("kind") == "correction" and isinstance(row["data"], dict):
            new["data"] = _changed(row["data"], ("conclusion", "replaced_by"), self._public)
        if table.model is Representation and not table.updates:
            new["made_by"] = _changed(row["made_by"], ("correction",), self._public)
            new["draft"] = row["draft"] and self._draft(row["draft"])
        if table.model is Conclusion:
            new["fingerprint"] = _fingerprint(row, new["about_id"])
        return new

    def _public(self, old: Any) -> Any:
        found = ids.decode(old) if isinstance(old, str) else None
        return old if found is None else ids.encode(self.id(found))

    def _plain(self, old: str | None) -> str | None:
        return None if old is None else str(self.id(UUID(old)))

    def _draft(self, draft: dict[str, Any]) -> dict[str, Any]:
        """Return what a quarantined version would have changed, with new ids (``memory.publishing`` wrote it)."""
        return {
            **draft,
            "added": [
                {
                    **item,
                    "evidence": [self._plain(event) for event in item["evidence"]],
                    "premises": [self._plain(premise) for premise in item.get("premises", ())],
                    "about": self._plain(item["about"]),
                }
                for item in draft["added"]
            ],
            "retired": [{**item, "conclusion": self._plain(item["conclusion"])} for item in draft["retired"]],
        }


def _changed(found: dict[str, Any], names: tuple[str, ...], change: Callable[[Any], Any]) -> dict[str, Any]:
    return found | {name: change(found[name]) for name in names if name in found}


def _fingerprint(row: Row, about_id: UUID | None) -> str:
    """Return a statement's mark under the new id of whom it is about: the mark of its words where it had that."""
    content = row["content"]
    if row["fingerprint"] == publishing.fingerprint_of_words(content, row["about_id"]):
        return publishing.fingerprint_of_words(content, about_id)
    return publishing.fingerprint(content, about_id)
