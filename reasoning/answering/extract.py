"""An answer without a model: the sentences of memory that bear on a question, as they stand.

Offline and deterministic. It reads words, not meanings: it answers where a statement says the question's own words, or
words that stand close to them, and otherwise does not know.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reasoning.answering.evidence import CONCLUSION, Item
from reasoning.providers.local.compare import fingerprint, stem
from reasoning.providers.local.lexicon import word_set

LEAST = 0.6
"""How much of what a question asks for a sentence must say."""

CLOSE = 0.75
"""How near to the best one another must come to be said too."""

MOST_SAID = 5

_ASKED = frozenset(
    map(
        stem,
        word_set(
            """
            what which who whom whose when where why how does did do is are was were can could would should tell know
            known about user users person anything something name say said current currently please give list any
            """
        ),
    )
)
"""Words of questions that say nothing of what is asked for."""

_NEAR = [
    frozenset(map(stem, word_set(group)))
    for group in (
        "goal want plan hope aim intend wish focus working trying",
        "like love prefer enjoy favourite favorite fan preference",
        "dislike hate avoid",
        "live lives home city reside moved address",
        "work job profession occupation employer career works",
        "family wife husband partner mother father sister brother son daughter child",
        "pet dog cat",
        "eat food diet allergic allergy",
        "tool use uses using software",
    )
]
"""Words that stand for one another between a question and its answer."""


def extract(question: str, items: Sequence[Item], names: Collection[str] = ()) -> list[Item]:
    """Return the items that answer a question, the best first; none where nothing bears on it.

    ``names`` are whom the question is about: that a sentence is about them too says nothing.
    """
    ignored = _ASKED | {stem(word) for name in names for word in name.lower().split()}
    asked = [_group(word) for word in sorted(fingerprint(question).words - ignored)]
    if not asked:
        return []
    scored = [(_bears(asked, item), item) for item in items]
    best = max((score for score, _ in scored), default=0.0)
    if best < LEAST:
        return []
    near = [(score, item) for score, item in scored if score >= max(LEAST, best * CLOSE)]
    # A conclusion says for itself what an event says in its talk; then the order of what was found.
    near.sort(key=lambda pair: (-pair[0], pair[1].type != CONCLUSION, pair[1].number))
    return _without_echoes([item for _, item in near])[:MOST_SAID]


def _group(word: str) -> frozenset[str]:
    return frozenset({word}).union(*(group for group in _NEAR if word in group))


def _bears(asked: Sequence[frozenset[str]], item: Item) -> float:
    """Return how much of what is asked for an item says, 0 to 1. A question is no answer."""
    if item.text.rstrip().endswith("?"):
        return 0.0
    words = fingerprint(item.text).words
    return sum(bool(group & words) for group in asked) / len(asked)


def _without_echoes(items: Sequence[Item]) -> list[Item]:
    """Leave out what says only what an item before it says already."""
    kept: list[Item] = []
    for item in items:
        words = fingerprint(item.text).words
        if not any(len(words & fingerprint(other.text).words) >= 0.8 * len(words) for other in kept):
            kept.append(item)
    return kept
