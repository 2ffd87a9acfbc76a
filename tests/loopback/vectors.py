"""Embeddings that need no model: texts with like words have like vectors, and it is the same every time."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

DIMENSIONS = 64


def vector(text: str, dimensions: int = DIMENSIONS, salt: str = "") -> list[float]:
    """A vector of length 1 in which each word of the text has one direction, which ``salt`` turns."""
    found = [0.0] * dimensions
    for word in re.findall(r"\w+", text.casefold()) or [""]:
        hashed = zlib.crc32(f"{salt}{word}".encode())
        found[hashed % dimensions] += 1.0 if hashed & 1024 else -1.0
        found[(hashed >> 11) % dimensions] += 0.5
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [round(value / length, 6) for value in found]


def embedded(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call for embeddings. A model ``name-96`` makes vectors of 96 dimensions."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    model = body["model"]
    size = re.search(r"-(\d+)$", model)
    dimensions = int(size[1]) if size else DIMENSIONS
    data = [
        {"object": "embedding", "index": place, "embedding": vector(text, dimensions, model)}
        for place, text in enumerate(texts)
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
