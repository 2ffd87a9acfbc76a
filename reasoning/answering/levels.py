"""How deep an answer goes: each level does all that the ones before it do, and more."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Level:
    """What is done for an answer.

    ``tokens`` bounds what the model is shown at first, ``hits`` how much of it is searched for. The model may ask for
    ``searches`` more rounds, each of which shows half as much again. ``asks_again`` an answer that names no source, and
    ``verifies`` one that does, with a call each.
    """

    name: str
    tokens: int
    hits: int
    searches: int = 0
    asks_again: bool = False
    verifies: bool = False

    @property
    def most_calls(self) -> int:
        """How many calls of a model an answer takes at most."""
        return 1 + self.searches + self.asks_again + self.verifies

    def within(self, context: int) -> Level:
        """Return this level with no more shown at first than a third of a model's context, in tokens (0: as it is).

        Two searches add another third.
        """
        return replace(self, tokens=min(self.tokens, context // 3)) if context else self


LEVELS = {
    level.name: level
    for level in (
        Level("minimal", tokens=800, hits=8),
        Level("low", tokens=2_000, hits=16),
        Level("medium", tokens=4_000, hits=32, searches=1, asks_again=True),
        Level("high", tokens=8_000, hits=64, searches=2, asks_again=True, verifies=True),
        Level("max", tokens=16_000, hits=100, searches=4, asks_again=True, verifies=True),
    )
}
"""By name, from the quickest to the deepest."""

DEFAULT = "low"
