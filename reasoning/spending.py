"""What model calls may cost, and what they have cost.

Before a call, ``reserve`` charges what it may take to its app and prompt version, or refuses; after it, ``settle`` puts
what it took in place of that. So budgets count calls under way, and calls that nobody heard from again, as spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from memory import statements
from memory.statements import Columns
from reasoning.models import Budget, Price, Spend
from reasoning.providers.base import Failure, Usage

MILLION = Decimal(1_000_000)

_ADD = """
INSERT INTO reasoning_spend AS spend (day, app_id, prompt_version_id, provider, model, calls,
                                      input_tokens, output_tokens, cached_tokens, unpriced_tokens, tokens, cost)
VALUES (%(day)s, %(app)s, %(prompt)s, %(provider)s, %(model)s, %(calls)s,
        %(input)s, %(output)s, %(cached)s, %(unpriced)s, greatest(%(tokens)s, 0), greatest(%(cost)s, 0))
    ON CONFLICT {row} DO UPDATE
   SET calls = spend.calls + %(calls)s, input_tokens = spend.input_tokens + %(input)s,
       output_tokens = spend.output_tokens + %(output)s, cached_tokens = spend.cached_tokens + %(cached)s,
       unpriced_tokens = spend.unpriced_tokens + %(unpriced)s,
       tokens = greatest(spend.tokens + %(tokens)s, 0), cost = greatest(spend.cost + %(cost)s, 0)
RETURNING 1
"""

_OF_PROMPT = "(app_id, day, prompt_version_id, provider, model)"
_OF_ANSWERS = "(app_id, day, provider, model) WHERE prompt_version_id IS NULL"


@dataclass(frozen=True, slots=True)
class Account:
    """To whom a call is charged. ``model`` is the one that is asked for; ``day`` is UTC's.

    Without a prompt version it is a call that answers a question.
    ``discount`` is the share of the price, 0 to 1, that is taken off.
    """

    app_id: UUID
    prompt_version_id: UUID | None
    provider: str
    model: str
    day: date
    discount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charge:
    """What budgets count for a call."""

    tokens: int = 0
    cost: Decimal = Decimal(0)


NOTHING = Charge()
UNUSED = Usage()


class CannotAfford(Exception):
    """A call that may not be made now; ``until`` is when it may be asked for again, None where somebody must act."""

    def __init__(self, failure: Failure, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.until = until


_PRICES = Columns(Price)
_PRICE = f"""
SELECT {_PRICES.of("price")} FROM reasoning_price price WHERE model = %s AND provider IN ('', %s) AND since <= %s
 ORDER BY provider DESC, since DESC LIMIT 1
"""  # noqa: S608 - columns of our own models


def price_on(day: date, provider: str, model: str) -> Price | None:
    """Return the price of a model on a day: the provider's own, or else anybody's."""
    for row in statements.rows(_PRICE, [model, provider, day]):
        return _PRICES.read(iter(row))
    return None


def cost_of(price: Price, usage: Usage) -> Decimal:
    """Return what tokens cost."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    cached_price = price.input_price if price.cached_price is None else price.cached_price
    return (
        (usage.input_tokens - cached) * price.input_price
        + cached * cached_price
        + usage.output_tokens * price.output_price
    ) / MILLION


def budgets_of(account: Account) -> QuerySet[Budget]:
    """Return the budgets that a call falls under."""
    return Budget.objects.filter(
        Q(app=None) | Q(app=account.app_id),
        Q(prompt_version=None) | Q(prompt_version=account.prompt_version_id),
    )


_LIMITED = """
SELECT EXISTS (SELECT FROM reasoning_budget WHERE (app_id IS NULL OR app_id = %s)
                  AND (prompt_version_id IS NULL OR prompt_version_id = %s))
"""


def limited(account: Account) -> bool:
    """Say whether a call falls under any budget."""
    [(found,)] = statements.rows(_LIMITED, [account.app_id, account.prompt_version_id])
    return bool(found)


def spent(budget: Budget, day: date) -> Charge:
    """Return what a budget counts in the period that holds ``day``."""
    rows = Spend.objects.all()
    if budget.app_id is not None:
        rows = rows.filter(app=budget.app_id)
    if budget.prompt_version_id is not None:
        rows = rows.filter(prompt_version=budget.prompt_version_id)
    if budget.period == Budget.Period.DAY:
        rows = rows.filter(day=day)
    elif budget.period == Budget.Period.MONTH:
        rows = rows.filter(day__gte=day.replace(day=1), day__lte=day)
    found = rows.aggregate(tokens=Sum("tokens"), cost=Sum("cost"))
    return Charge(found["tokens"] or 0, found["cost"] or Decimal(0))


def reserve(account: Account, projected: Usage) -> Charge:
    """Charge what a call may take to the budgets that it falls under; return the charge, nothing where there are none.

    Locks those budgets until the transaction ends, so that two calls do not both get the last of one, and so that
    whoever changes one meanwhile finds the work that is held for it. Raises :class:`CannotAfford` where one has not
    that much left, or counts money and nobody knows the model's price.
    """
    with transaction.atomic():
        try:
            return _reserve(account, projected)
        except CannotAfford as error:
            refused = error  # past the block's end: to roll it back would give the locks up
    raise refused


def _reserve(account: Account, projected: Usage) -> Charge:
    budgets = list(
        budgets_of(account).select_related("app", "prompt_version").select_for_update(of=("self",)).order_by("pk")
    )
    if not budgets:
        return NOTHING
    expected = cost(account, projected)
    charge = Charge(projected.input_tokens + projected.output_tokens, expected or Decimal(0))
    for budget in budgets:
        if budget.money is not None and expected is None:
            raise CannotAfford(
                Failure.NO_PRICE,
                f"Nobody knows what the model {account.model} of the provider {account.provider} costs, and the budget"
                f" of {budget} counts money: add its price.",
                _price_begins(account),
            )
        _check(budget, charge, account.day)
    _add(account, charge)
    return charge


def cost(account: Account, usage: Usage) -> Decimal | None:
    """Return what a call cost; None where nobody knows the model's price on its day."""
    price = price_on(account.day, account.provider, account.model)
    return None if price is None else cost_of(price, usage) * (1 - account.discount)


def settle(account: Account, charged: Charge, usage: Usage | None, paid: Decimal | None) -> None:
    """Count what a call took, and cost (:func:`cost`), in place of what was charged for it.

    Without a ``usage`` nobody knows what it took: what was charged stays.
    """
    if usage is None:
        _add(account, NOTHING, calls=1)
        return
    tokens = usage.input_tokens + usage.output_tokens
    difference = Charge(tokens - charged.tokens, (paid or Decimal(0)) - charged.cost)
    _add(account, difference, usage, calls=1, unpriced=tokens if paid is None else 0)


def give_back(account: Account, charged: Charge) -> None:
    """Take back what was charged for a call that was never made."""
    if charged != NOTHING:
        _add(account, Charge(-charged.tokens, -charged.cost))


def _check(budget: Budget, charge: Charge, day: date) -> None:
    before = spent(budget, day)
    for limit, used, wanted, unit in (
        (budget.tokens, before.tokens, charge.tokens, "tokens"),
        (budget.money, before.cost, charge.cost, "of money"),
    ):
        if limit is not None and used + wanted > limit:
            raise CannotAfford(
                Failure.OVER_BUDGET,
                f"The budget of {budget} is {amount(limit)} {unit}: {amount(used)} are spent, and the next call may"
                f" take {amount(wanted)}.",
                _next_period(budget.period, day),
            )


def amount(value: int | Decimal) -> str:
    """Return tokens or money for people."""
    return f"{value:,}" if isinstance(value, int) else f"{value.normalize():,f}"


def _price_begins(account: Account) -> datetime | None:
    """Return when the first price that is yet to come holds; None where none was given."""
    coming = Price.objects.filter(model=account.model, provider__in=["", account.provider], since__gt=account.day)
    first = coming.order_by("since").first()
    return None if first is None else _midnight(first.since)


def _next_period(period: str, day: date) -> datetime | None:
    """Return when a period's successor begins; None for the one that never ends."""
    if period == Budget.Period.TOTAL:
        return None
    start = day if period == Budget.Period.DAY else (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    if period == Budget.Period.DAY:
        start += timedelta(days=1)
    return _midnight(start)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _add(account: Account, charge: Charge, usage: Usage = UNUSED, *, calls: int = 0, unpriced: int = 0) -> None:
    statements.rows(
        _ADD.format(row=_OF_PROMPT if account.prompt_version_id else _OF_ANSWERS),
        {
            "day": account.day,
            "app": account.app_id,
            "prompt": account.prompt_version_id,
            "provider": account.provider,
            "model": account.model,
            "calls": calls,
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cached_tokens,
            "unpriced": unpriced,
            "tokens": charge.tokens,
            "cost": charge.cost,
        },
    )
