"""Vectors that this process made a moment ago, so that a text is embedded once.

What is concluded of a user is often concluded of a session too, word for word, and both are embedded soon after.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

MOST = 4_000
"""So many are remembered, by what their texts hash to: no text is kept. Of 384 dimensions they take 6 MB."""

_made: OrderedDict[tuple[int, bytes], array[float]] = OrderedDict()


def find(model: int, texts: Iterable[str]) -> dict[str, Sequence[float]]:
    """Return the vectors by a model (the id of its row) that are remembered, by their texts."""
    found = {text: _made.get(_key(model, text)) for text in texts}
    return {text: vector for text, vector in found.items() if vector is not None}


def remember(model: int, vectors: Mapping[str, Sequence[float]]) -> None:
    """Remember the vectors of texts by a model, and forget the oldest of all that are too many."""
    _made.update({_key(model, text): array("f", vector) for text, vector in vectors.items()})
    while len(_made) > MOST:
        _made.popitem(last=False)


def forget() -> None:
    """Forget all."""
    _made.clear()


def _key(model: int, text: str) -> tuple[int, bytes]:
    return model, hashlib.sha256(text.encode()).digest()
