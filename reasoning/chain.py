"""Who is asked: a chain of providers, each there for when those before it cannot answer.

A step that fails for reasons of its own pauses for everybody (``reasoning.circuit``), and once it has ailed for as long
as the next step waits, the next one is asked instead. What a step refuses, or answers with nonsense down to a single
event, goes on to the next step by itself (``Work.step``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from memory.errors import Refusal
from reasoning import circuit
from reasoning.circuit import Allowance
from reasoning.providers.base import Failure, ProviderError, Step

RETRY_SECONDS = 5.0
"""When to ask again after a failure that may be over soon, where the provider does not say."""


class ProviderFailed(Refusal):
    """The provider gave no answer that can be used. ``retry_after`` is in how many seconds to ask again.

    It is None where asking again is of no use before somebody has acted.
    """

    code = "provider_failed"

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @classmethod
    def by(cls, step: Step, error: ProviderError) -> Self:
        """Return what to tell a caller of a step's error."""
        waits = error.failure in (Failure.TRANSIENT, Failure.RATE_LIMITED)
        return cls(f"{step.name}: {error}", (error.retry_after or RETRY_SECONDS) if waits else None)


def available(chain: Sequence[Step]) -> list[Step]:
    """Return the steps that are not paused, in order. Raises :class:`ProviderFailed` where all are."""
    allowed = circuit.allowances([step.name for step in chain])
    found = [step for step, may in zip(chain, allowed, strict=True) if may.calls != 0]
    if not found:
        seconds = [may.paused_seconds for may in allowed if may.paused_seconds is not None]
        names = " and ".join(step.name for step in chain)
        raise ProviderFailed(
            f"{names} {'is' if len(chain) == 1 else 'are'} paused: see the provider states in the admin.",
            min(seconds, default=None),
        )
    return found


class Rooms:
    """How many calls may begin now, by step; ``take`` gives one away."""

    def __init__(
        self, steps: Sequence[Step], allowed: Sequence[Allowance], in_flight: Sequence[int], capacity: int
    ) -> None:
        self._steps = steps
        self._allowed = allowed
        self.free = max(capacity - sum(in_flight), 0)
        self._left = [
            self.free if may.calls is None else max(may.calls - busy, 0)
            for may, busy in zip(allowed, in_flight, strict=True)
        ]

    def total(self) -> int:
        """Return how many calls may begin for work that no step has failed."""
        return min(self.free, sum(left for place, left in enumerate(self._left) if self._in_turn(0, place)))

    def take(self, begin: int) -> int | None:
        """Return the step that takes a call which begins at step ``begin``, None where none can."""
        for place in range(min(begin, len(self._steps) - 1), len(self._steps)):
            if self._left[place] > 0 and self._in_turn(begin, place):
                self._left[place] -= 1
                return place
        return None

    def _in_turn(self, begin: int, place: int) -> bool:
        """Whether all steps from ``begin`` up to ``place`` have ailed for long enough."""
        wait = self._steps[place].after_seconds
        return all(may.ailing_seconds is not None and may.ailing_seconds >= wait for may in self._allowed[begin:place])
