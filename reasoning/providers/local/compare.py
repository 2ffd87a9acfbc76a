"""When two statements say the same: normalised words, with numbers, negation and names kept apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from reasoning.providers.local.lexicon import STOP

_WORD = re.compile(r"[^\W_]+(?:[-'.][^\W_]+)*")
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nothing|without|cannot|stopped|quit|cancelled|canceled)\b|n't\b|\bno "
    r"longer\b",
    re.I,
)
_SMALL = STOP - {"he", "she", "his", "her"} | {
    "according",
    "currently",
    "recently",
    "finally",
    "also",
    "well",
    "actually",
}
_SAME = {
    "dogs": "dog", "cats": "cat", "kids": "kid", "children": "kid", "child": "kid", "mom": "mother", "mum": "mother",
    "dad": "father", "loves": "like", "love": "like", "loved": "like", "likes": "like",
    "enjoy": "like", "enjoys": "like",
    "resides": "live", "based": "live", "lives": "live", "living": "live",
}  # fmt: skip


@dataclass(frozen=True)
class Print:
    """What is compared of a statement."""

    words: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    negated: bool


def stem(word: str) -> str:
    """A light English stem: plural, -ing, -ed."""
    if word in _SAME:
        return _SAME[word]
    if word.endswith("'s"):
        word = word[:-2]
    for ending, least in (("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4)):
        if len(word) >= least and word.endswith(ending) and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


@lru_cache(maxsize=8192)
def fingerprint(text: str) -> Print:
    """The parts of ``text`` that decide whether another statement is the same."""
    found = _WORD.findall(text)
    lower = [w.lower() for w in found]
    words = frozenset(stem(w) for w in lower if w not in _SMALL)
    numbers = frozenset(w for w in lower if any(c.isdigit() for c in w))
    names = frozenset(w.lower().removesuffix("'s") for w in found[1:] if w[0].isupper() and w.lower() not in STOP)
    return Print(words, numbers, names, bool(_NEGATION.search(text)))


def jaccard(one: frozenset[str], two: frozenset[str]) -> float:
    """Shared words among all words."""
    if not one and not two:
        return 1.0
    return len(one & two) / len(one | two)


def same(one: str, two: str, least: float = 0.8) -> bool:
    """Whether two statements say the same thing."""
    if one == two:
        return True
    a, b = fingerprint(one), fingerprint(two)
    if a.negated != b.negated or a.numbers != b.numbers or a.names != b.names:
        return False
    if not a.words or not b.words:
        return one.strip().lower() == two.strip().lower()
    return jaccard(a.words, b.words) >= least


class Index:
    """Statements findable by any of their words, so that a batch is compared in linear time."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[int]] = {}
        self._texts: list[str] = []

    def add(self, text: str) -> int:
        """Keep ``text``; its number."""
        number = len(self._texts)
        self._texts.append(text)
        for word in self._keys(text):
            self._by_word.setdefault(word, []).append(number)
        return number

    def find(self, text: str) -> int | None:
        """The number of a kept text that says the same, the earliest one."""
        words = self._keys(text)
        if not words:
            return next((n for n, kept in enumerate(self._texts[:500]) if kept == text), None)
        counts: dict[int, int] = {}
        for word in words:
            for number in self._by_word.get(word, ())[-200:]:
                counts[number] = counts.get(number, 0) + 1
        need = 0.7 * len(words)
        likely = sorted(n for n, count in counts.items() if count >= need)
        return next((n for n in likely if same(self._texts[n], text)), None)

    @staticmethod
    def _keys(text: str) -> frozenset[str]:
        return fingerprint(text).words
