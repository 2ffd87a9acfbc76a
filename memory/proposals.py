"""Four eyes: what one person proposes, another confirms, before it is done.

With ``HONCHO["FOUR_EYES"]`` the functions that choose what serves ask for a confirmed proposal (:func:`demand`),
whoever calls them. One is confirmed in the same transaction in which it is used, so that nobody else can use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from memory import audit, clock
from memory.conf import MemorySettings
from memory.errors import Conflict, Invalid
from memory.models import App, Proposal

State = Proposal.State
T = TypeVar("T")


def asked_for() -> bool:
    """Whether promotions need a second person."""
    return MemorySettings.load().four_eyes


def propose(act: str, obj: Model, *, verb: str, data: Mapping[str, Any], reason: str, by: str) -> Proposal:
    """Propose an act on an object and return the proposal. ``data`` is what its form was filled in with, as JSON.

    Raises :class:`Invalid` without a reason or a name, and :class:`Conflict` where it is proposed already.
    """
    if not reason.strip() or not by:
        raise Invalid("Say why, and who you are.", ("reason",))
    app: App | None = getattr(obj, "app", None)
    proposal = Proposal(
        app=app, act=act, verb=verb, kind=audit.kind_of(type(obj)), object_id=str(obj.pk), what=str(obj)[:300],
        data=dict(data), reason=reason, by=by,
    )  # fmt: skip
    with transaction.atomic():
        try:
            with transaction.atomic():
                proposal.save(force_insert=True)
        except IntegrityError:
            raise Conflict(f"“{verb}” is proposed for it already, and waits for somebody to confirm it.") from None
        audit.note("propose", proposal, by=by, app=app, reason=reason, after={"act": act})
    return proposal


def open_for(obj: Model, act: str) -> Proposal | None:
    """Return the proposal of an act on an object that nobody has decided about, None where there is none."""
    kind = audit.kind_of(type(obj))
    return Proposal.objects.filter(kind=kind, object_id=str(obj.pk), act=act, state=State.OPEN).first()


def confirm(proposal: Proposal, do: Callable[[], T], *, by: str, reason: str = "") -> T:
    """Confirm a proposal and do it, in one transaction; return what ``do`` returns.

    Raises :class:`Conflict` for one that is decided already, or was made by the same person; whatever ``do`` raises
    leaves it open.
    """
    with transaction.atomic():
        locked = _decide(proposal, State.CONFIRMED, by, reason)
        done = do()
        Proposal.objects.filter(pk=locked.pk, used_at=None).update(used_at=clock.now())
    return done


def decline(proposal: Proposal, *, by: str, reason: str) -> Proposal:
    """Decide that it will not be done; return the proposal. Raises :class:`Conflict` as :func:`confirm` does."""
    with transaction.atomic():
        return _decide(proposal, State.DECLINED, by, reason)


def withdraw(proposal: Proposal, *, by: str, reason: str = "") -> Proposal:
    """Take a proposal back that one has made; return it. Raises :class:`Conflict` for one of somebody else's."""
    with transaction.atomic():
        return _decide(proposal, State.WITHDRAWN, by, reason)


def demand(obj: Model) -> None:
    """Use the confirmation that somebody else gave for an act on ``obj``; nothing where four eyes are not asked for.

    Call it in the transaction that does the act. Raises :class:`Conflict` where there is none.
    """
    if not asked_for():
        return
    kind = audit.kind_of(type(obj))
    confirmed = Proposal.objects.filter(kind=kind, object_id=str(obj.pk), state=State.CONFIRMED, used_at=None)
    if not confirmed.update(used_at=clock.now()):
        raise Conflict(
            f"A second person must confirm this: propose it in the admin, on the page of {obj}; whoever else may do "
            "it confirms it there, under Proposals."
        )


def _decide(proposal: Proposal, state: str, by: str, reason: str) -> Proposal:
    locked = Proposal.objects.select_for_update(of=("self",)).get(pk=proposal.pk)
    if locked.state != State.OPEN:
        raise Conflict(f"It is {locked.get_state_display().lower()} already.")
    if not by or (locked.by == by) != (state == State.WITHDRAWN):
        mine = "Somebody else made it: decline it." if state == State.WITHDRAWN else "You made it: another must decide."
        raise Conflict(mine)
    locked.state, locked.decided_by, locked.decided_because, locked.decided_at = state, by, reason, clock.now()
    locked.save(update_fields=["state", "decided_by", "decided_because", "decided_at"])
    audit.note(_ACTS[State(state)], locked, by=by, app=locked.app, reason=reason, after={"act": locked.act})
    return locked


_ACTS = {
    State.CONFIRMED: "confirm proposal",
    State.DECLINED: "decline proposal",
    State.WITHDRAWN: "withdraw proposal",
}
