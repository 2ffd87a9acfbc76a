"""How pages write tokens and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from reasoning.budgets import Use

NEARLY = 0.8


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums of spending, for a row of a table."""

    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    unpriced_tokens: int
    tokens: int
    cost: Decimal

    @property
    def shown_cost(self) -> str:
        """The money, as far as it is known."""
        return cost(self.cost, self.unpriced_tokens)


def money(value: Decimal | None) -> str:
    """Return an amount of money in as many digits as it takes, "unknown" where there is none."""
    if value is None:
        return "unknown"
    places = 2 if abs(value) >= 100 else 4 if abs(value) >= Decimal("0.01") else 9
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".")


def cost(value: Decimal, unpriced_tokens: int) -> str:
    """Return what something cost, where nobody may have known the price of some of its tokens."""
    if not unpriced_tokens:
        return money(value)
    return f"{money(value)} and unknown" if value else "unknown"


def used(limits: Sequence[Use]) -> SafeString:
    """Return what is used of limits, each with a badge that is loud where little is left."""
    return format_html_join("", '<div class="honcho-limit">{}</div>', ((_used(limit),) for limit in limits))


def _used(limit: Use) -> SafeString:
    unit = "tokens" if limit.unit == "tokens" else "in money"
    loud = "honcho-bad" if limit.ratio >= 1 else "honcho-warn" if limit.ratio >= NEARLY else "honcho-good"
    return format_html(
        '<meter class="honcho-meter" min="0" max="1" high="{}" optimum="0" value="{}" aria-hidden="true"></meter>'
        ' {} of {} {} <span class="honcho-badge {}">{} %</span>',
        NEARLY, min(limit.ratio, 1.0),
        _amount(limit.used), _amount(limit.limit), unit, loud, f"{int(limit.ratio * 100):,}",
    )  # fmt: skip


def _amount(value: int | Decimal) -> str:
    return f"{value:,}" if isinstance(value, int) else money(value)
