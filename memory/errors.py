"""What the store refuses, in words for people. The API turns each into an answer (``memory.api.errors``)."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """Something that the caller asked for cannot be done. ``code`` is stable and machine-readable."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(Refusal):
    """There is no such thing in this app."""

    code = "not_found"


class Erased(Refusal):
    """It was there and has been erased."""

    code = "erased"


class Conflict(Refusal):
    """It contradicts what is stored."""

    code = "conflict"


class Invalid(Refusal):
    """A value cannot be taken. ``where`` is the path to it: ``("messages", 3, "content")``."""

    code = "invalid"

    def __init__(self, message: str, where: Sequence[str | int] = (), kind: str = "value_error") -> None:
        super().__init__(message)
        self.where = tuple(where)
        self.kind = kind


class TooLarge(Refusal):
    """It is larger than the stated limit."""

    code = "too_large"
