"""What the gates say of an answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from reasoning.providers.base import Answer


class Gate(enum.StrEnum):
    """Which gate an answer, or a part of it, did not pass."""

    EMPTY = "empty"
    """Nothing where something must stand: a statement without text, a summary or a card that would be lost."""

    SCHEMA = "schema"
    """A number that stands for nothing."""

    SOURCES = "sources"
    """A statement without evidence, or with evidence that the model was not shown."""

    SHRUNK = "shrunk"
    GROWN = "grown"
    INSTRUCTIONS = "instructions"
    """A prompt injection that would become memory."""

    SECRETS = "secrets"
    """Credentials."""

    LANGUAGE = "language"


@dataclass(frozen=True)
class Problem:
    """What a gate found, in words for people that quote neither a secret nor the content."""

    gate: Gate
    text: str


@dataclass(frozen=True)
class Verdict:
    """What may become of an answer.

    ``answer`` is what may be published if nothing is ``refused``; ``withheld`` says which parts are not in it, and
    ``held_back`` has the statements among those (it adds them and does nothing else).
    """

    answer: Answer
    refused: tuple[Problem, ...] = ()
    withheld: tuple[Problem, ...] = ()
    held_back: Answer = field(default_factory=Answer)
