"""Makes our own data set from hand-written material; see ``scenes`` for how that is written."""

from __future__ import annotations

from pathlib import Path

from benchmarks.recall.conversations import Conversation
from benchmarks.recall.datasets.generate.compose import compose
from benchmarks.recall.datasets.generate.filler import Filler
from benchmarks.recall.datasets.generate.scenes import Script, read_script

MATERIAL = Path(__file__).parent / "material"
SEED = 6


def scripts() -> list[Script]:
    """Return what is written, in the order of the names. Raises BadMaterial."""
    return [read_script(path) for path in sorted((MATERIAL / "scenes").glob("*.txt"))]


def generate(seed: int = SEED) -> list[Conversation]:
    """Return the conversations, the same ones for the same seed. Raises BadMaterial."""
    filler = Filler(MATERIAL)
    return [compose(script, filler, seed) for script in scripts()]
