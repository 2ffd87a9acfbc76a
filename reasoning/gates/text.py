"""Text as the gates read it."""

from __future__ import annotations

import re
import unicodedata

_SHAPELESS = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\u206a-\u206f\ufeff\uffa0"
"""Characters without a shape, for a character class: joiners, marks, fillers, invisible operators."""

_UNSEEN = re.compile(f"[{_SHAPELESS}\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f\U000e0000-\U000e01ef]+")
_SPACE = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
"""White space in a line, but for the one plain space that it becomes."""

_LINES = re.compile(r"\s*\n\s*")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})


def seen(text: str) -> str:
    """Return ``text`` as a reader sees it: compatible forms made one (NFKC), without what has no shape."""
    return text if text.isascii() else unicodedata.normalize("NFKC", _UNSEEN.sub("", text))


def flat(text: str) -> str:
    """Return ``text`` for matching: as seen, case folded, quotation marks plain, white space collapsed, lines kept."""
    return _LINES.sub("\n", _SPACE.sub(" ", seen(text).casefold().translate(_PLAIN))).strip()


def same(text: str) -> str:
    """Return what two statements share that say the same; as ``memory.publishing.fingerprint`` sees it."""
    return " ".join(text.casefold().split())
