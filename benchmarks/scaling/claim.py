"""What docs/scaling.md claims, and what came of trying it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.tables import markdown


@dataclass(frozen=True)
class Claim:
    """One sentence, how it was tried, and what came of it. ``held`` is None where it could not be tried here."""

    part: str
    says: str
    tried: str
    outcome: str
    held: bool | None
    figures: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it for a file."""
        return asdict(self)


def left_out(part: str, says: str, program: str) -> Claim:
    """Return a claim that needs a program which is not on PATH."""
    return Claim(part, says, f"needs {program} on PATH", "left out", None)


def table(claims: list[Claim]) -> str:
    """Return claims as a table in Markdown."""
    marks = {True: "yes", False: "**no**", None: "left out"}
    rows = [(each.part, each.says, each.tried, each.outcome, marks[each.held]) for each in claims]
    return markdown(("", "claim", "tried", "outcome", "holds"), rows)
