"""What a human decides about a version that a gate stopped, and what it means for the work that waits behind it."""

from __future__ import annotations

from django.db import transaction

from memory import quarantine as store
from memory.models import Representation
from memory.quarantine import discard
from reasoning import disposition, following, signals
from reasoning.models import Work

__all__ = ["ask_anew", "discard", "publish"]


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


@transaction.atomic
def ask_anew(representation: Representation, *, reason: str, by: str) -> bool:
    """Discard a quarantined version and let its line be tried again; return whether that was parked.

    Raises what :func:`memory.quarantine.discard` raises.
    """
    discard(representation, reason=reason, by=by)
    tried = disposition.retry(Work.objects.filter(line=representation.line_id), reason=reason, by=by)
    transaction.on_commit(signals.wake, robust=True)
    return bool(tried)
