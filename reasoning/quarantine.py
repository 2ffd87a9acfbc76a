"""What a human decides about a version that a gate stopped, and what it means for the work that waits behind it."""

from __future__ import annotations

from django.db import transaction

from memory import quarantine as store
from memory.models import Representation
from memory.quarantine import discard
from reasoning import following, signals

__all__ = ["discard", "publish"]


@transaction.atomic
def publish(representation: Representation, *, reason: str, by: str) -> Representation:
    """Let readers have what a quarantined version says, and let its line go on from there, parked or not.

    Raises what :func:`memory.quarantine.publish` raises. A pass of the line that is under way finds that the line has
    moved on.
    """
    made = store.publish(representation, reason=reason, by=by)
    following.look_again(made.line_id)
    transaction.on_commit(signals.wake, robust=True)
    return made
