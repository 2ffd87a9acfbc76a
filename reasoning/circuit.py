"""Pauses of a provider, which every worker keeps.

A refusal for the rate pauses it for as long as it asks; a quota, until an operator acts; failures in a row, for longer
each time. Nothing is claimed meanwhile: what waits stays as it is, and uses up no attempt. When a pause is over, each
drainer begins with one call and doubles with every success.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from memory import audit, clock, statements
from reasoning.models import ProviderState
from reasoning.providers.base import Failure, ProviderError

FAILURES_IN_A_ROW = 5
"""So many failures without a success between them, in all workers together, are an outage."""

SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
ALL_SLOTS = 64
"""Once so many calls at a time go well, the provider is well."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many calls a drainer may have in flight (None: as many as it likes), and when to ask again if none.

    ``ailing_seconds`` is for how long the provider has not been well, None where it is; ``paused_seconds`` how long its
    pause still lasts, None where nobody knows or there is none.
    """

    calls: int | None
    until: datetime | None = None
    ailing_seconds: float | None = field(default=None, compare=False)
    paused_seconds: float | None = field(default=None, compare=False)


def allowances(names: Sequence[str]) -> list[Allowance]:
    """Return what a drainer may do with each of these providers now."""
    states = ProviderState.objects.in_bulk(list(names))
    now = clock.now() if states else None
    return [Allowance(None) if now is None or name not in states else allowed_by(states[name], now) for name in names]


def allowance(name: str) -> Allowance:
    """Return what a drainer may do with a provider now."""
    return allowances([name])[0]


def allowed_by(state: ProviderState, now: datetime) -> Allowance:
    """Return what a provider's state allows at ``now``."""
    ailing = None if state.ailing_since is None else (now - state.ailing_since).total_seconds()
    if state.needs_operator:
        return Allowance(0, None, ailing)
    if state.paused_until is not None and state.paused_until > now:
        return Allowance(0, state.paused_until, ailing, (state.paused_until - now).total_seconds())
    return Allowance(state.slots, None, ailing)


def succeeded(name: str) -> None:
    """Note a call that was answered. Costs one statement where all is well."""
    if not statements.rows("SELECT 1 FROM reasoning_providerstate WHERE name = %s", [name]):
        return
    with transaction.atomic():
        state = ProviderState.objects.select_for_update().filter(pk=name).first()
        if state is None or state.needs_operator:
            return
        if state.paused_until is not None and state.paused_until > clock.now():
            return  # it was in flight when the pause began, and says nothing new
        if state.slots is None or state.slots * 2 > ALL_SLOTS:
            state.delete()
            return
        state.slots, state.failures = state.slots * 2, 0
        state.save()


def failed(name: str, error: ProviderError) -> None:
    """Note a call that failed for the provider's own reasons, and pause it where the rules above say so."""
    if error.failure not in (Failure.TRANSIENT, Failure.RATE_LIMITED, Failure.QUOTA):
        return
    with transaction.atomic():
        # Made or locked in one statement: a success deletes the row, at any moment that it is not locked.
        ProviderState.objects.bulk_create(
            [ProviderState(pk=name)], update_conflicts=True, unique_fields=["name"], update_fields=["changed_at"]
        )
        state = ProviderState.objects.get(pk=name)
        now = clock.now()
        was_paused = state.paused_until is not None and state.paused_until > now
        if not was_paused:  # what was in flight when the pause began says nothing new
            state.failures += 1
        seconds = _pause(error, state.failures)
        if error.failure is Failure.QUOTA:
            state.needs_operator = True
        elif seconds and not (was_paused and error.retry_after is None):
            state.paused_until = max(state.paused_until or now, now + timedelta(seconds=seconds))
        if seconds or state.needs_operator:
            state.slots = 1
            state.ailing_since = state.ailing_since or now
            state.reason = str(error)
        state.save()


@transaction.atomic
def resume(name: str, *, reason: str = "", by: str = "") -> bool:
    """End a pause by an operator's hand; return whether there was one. Calls begin again one at a time."""
    state = ProviderState.objects.select_for_update().filter(pk=name).first()
    if state is None:
        return False
    audit.note("resume provider", state, by=by, reason=reason, before={"needs_operator": state.needs_operator})
    ProviderState.objects.filter(pk=name).update(
        paused_until=None, needs_operator=False, failures=0, slots=1, changed_at=clock.now()
    )
    return True


def _pause(error: ProviderError, failures: int) -> float:
    """Return the seconds of the pause that an error brings; 0 for none yet."""
    if error.failure is Failure.RATE_LIMITED:
        return error.retry_after or _growing(failures)
    if error.failure is Failure.TRANSIENT and failures >= FAILURES_IN_A_ROW:
        return max(_growing(failures - FAILURES_IN_A_ROW + 1), error.retry_after or 0.0)
    return 0.0


def _growing(times: int) -> float:
    longest = min(SHORTEST_SECONDS * 2.0 ** min(max(times - 1, 0), 16), LONGEST_SECONDS)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - not a secret
