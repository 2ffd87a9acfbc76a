"""What a run may take: checked before each of its calls, like ``reasoning.spending`` does for everybody.

A run's row is locked before any budget: whoever checks and whoever settles come in the same order.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import connection

from reasoning import spending
from reasoning.models import Pass, Reprocess
from reasoning.providers.base import Usage
from reasoning.spending import Account, Charge

OPEN = (Reprocess.State.RUNNING, Reprocess.State.DONE)
"""The states in which a run's passes may begin."""


class Stopped(Exception):
    """The run of a pass may make no call now: it was paused, or has just been since its budget is used up."""


def check(run_id: UUID, account: Account, projected: Usage) -> Charge:
    """Return what a call of a run is to be charged, or pause the run and raise :class:`Stopped`.

    A run is not paused while passes of a batch are out: what they leave over of what they are charged may be enough.
    Locks the run until the transaction ends; the pause holds only if that is committed.
    """
    run = Reprocess.objects.select_for_update().get(pk=run_id)
    if run.state not in OPEN:
        raise Stopped
    expected = spending.cost(account, projected)
    charge = Charge(projected.input_tokens + projected.output_tokens, expected or Decimal(0))
    if problem := _problem(run, charge, priced=expected is not None, account=account):
        if not _waits_for_batch(run):
            run.state, run.state_reason = Reprocess.State.PAUSED, problem
            run.save(update_fields=["state", "state_reason"])
        raise Stopped
    return charge


def _problem(run: Reprocess, charge: Charge, *, priced: bool, account: Account) -> str:
    """Say why a call does not fit; nothing where it does."""
    if run.money_budget is not None and not priced:
        return (
            f"No price: nobody knows what the model {account.model} of the provider {account.provider} costs, and this"
            " run's budget counts money. Add the price and resume."
        )
    for limit, used, wanted, unit in (
        (run.token_budget, run.tokens, charge.tokens, "tokens"),
        (run.money_budget, run.cost, charge.cost, "of money"),
    ):
        if limit is not None and used + wanted > limit:
            return (
                f"The budget of this run is {spending.amount(limit)} {unit}: {spending.amount(used)} are spent, and the"
                f" next call may take {spending.amount(wanted)}. Raise it and resume."
            )
    return ""


def _waits_for_batch(run: Reprocess) -> bool:
    charged = Pass.objects.filter(run=run, outcome=Pass.Outcome.RUNNING, run_tokens__gt=0)
    return run.carrier == Reprocess.Carrier.BATCH and charged.exists()


_ADD = """
UPDATE reasoning_reprocess SET tokens = greatest(tokens + %(tokens)s, 0), cost = greatest(cost + %(cost)s, 0)
 WHERE id = %(run)s
"""


def add(run_id: UUID, charge: Charge) -> None:
    """Count a charge (below 0: less) for a run."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, {"run": run_id, "tokens": charge.tokens, "cost": charge.cost})


def settle(run_id: UUID, charged: Charge, usage: Usage | None, paid: Decimal | None) -> None:
    """Count what a call took, and cost, in place of what was charged for it; nothing where nobody knows."""
    if usage is not None:
        tokens = usage.input_tokens + usage.output_tokens
        add(run_id, Charge(tokens - charged.tokens, (paid or Decimal(0)) - charged.cost))
