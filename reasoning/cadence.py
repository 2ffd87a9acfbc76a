"""When a line is due: what freshness costs.

The first event after a quiet time is reasoned over at once (when the burst has settled); while a conversation
goes on, passes are spaced by an interval, so that the bill grows with time and not with messages; enough waiting
tokens are worth a pass whatever the interval; and nothing waits longer than a stated maximum.
``benchmarks/cadence.py`` measures calls per 100 messages against lag for other values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reasoning.conf import ReasoningSettings

_LOCAL_SETTLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers of :func:`due_at`; seconds and tokens."""

    settle: float
    interval: float
    enough_tokens: int
    max_wait: float


def policy_for(kind: str, settings: ReasoningSettings) -> Policy:
    """Return the policy of a kind of subject. The local reasoner is free: it only waits for a burst to settle."""
    if settings.provider == "local":
        settle = min(_LOCAL_SETTLE_SECONDS, settings.settle_seconds)
        return Policy(settle=settle, interval=0.0, enough_tokens=settings.enough_tokens, max_wait=settle * 5)
    return Policy(
        settle=settings.settle_seconds,
        interval=settings.interval_seconds[kind],
        enough_tokens=settings.enough_tokens,
        max_wait=settings.max_wait_seconds,
    )


def due_at(policy: Policy, *, oldest: datetime, newest: datetime, tokens: int, last_pass: datetime | None) -> datetime:
    """Return when a line is due whose waiting events were recorded from ``oldest`` to ``newest``."""
    if tokens >= policy.enough_tokens:
        return oldest
    due = newest + timedelta(seconds=policy.settle)
    if last_pass is not None:
        due = max(due, last_pass + timedelta(seconds=policy.interval))
    return min(due, oldest + timedelta(seconds=policy.max_wait))
