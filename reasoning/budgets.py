"""What budgets have used, and what they cannot count: for whoever looks, not for the loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q

from memory import clock
from reasoning.conf import ReasoningSettings
from reasoning.models import Budget, Label, Price, PromptVersion

# Each kind of scope has a query of its own, of which one runs: their indexes differ. What counts is what
# ``reasoning.spending.spent`` counts.
_USED = """
SELECT budget.id, coalesce(sum(used.tokens), 0), coalesce(sum(used.cost), 0)
  FROM reasoning_budget budget
 CROSS JOIN LATERAL (
       SELECT CASE budget.period WHEN 'day' THEN today WHEN 'month' THEN date_trunc('month', today)::date
                                 ELSE '-infinity' END AS since
         FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) clock) period
 CROSS JOIN LATERAL (
       SELECT sum(tokens) AS tokens, sum(cost) AS cost FROM reasoning_spend
        WHERE budget.app_id IS NOT NULL AND app_id = budget.app_id AND day >= period.since
          AND (budget.prompt_version_id IS NULL OR prompt_version_id = budget.prompt_version_id)
       UNION ALL
       SELECT sum(tokens), sum(cost) FROM reasoning_spend
        WHERE budget.app_id IS NULL AND budget.prompt_version_id IS NOT NULL
          AND prompt_version_id = budget.prompt_version_id AND day >= period.since
       UNION ALL
       SELECT sum(tokens), sum(cost) FROM reasoning_spend
        WHERE budget.app_id IS NULL AND budget.prompt_version_id IS NULL AND day >= period.since) used
 WHERE budget.id = ANY(%s)
 GROUP BY budget.id
"""


@dataclass(frozen=True, slots=True)
class Use:
    """One of the limits of a budget, in ``tokens`` or ``money``, and how much of it is used."""

    unit: str
    used: int | Decimal
    limit: int | Decimal

    @property
    def ratio(self) -> float:
        """How much of the limit is used; 1 is all of it. A limit of nothing is used up."""
        return float(self.used / self.limit) if self.limit else 1.0


def uses(budgets: Sequence[Budget]) -> dict[int, list[Use]]:
    """Return the limits of each budget by its key, with what counts against them in the period that runs now."""
    with connection.cursor() as cursor:
        cursor.execute(_USED, [[budget.pk for budget in budgets]])
        used = {pk: (int(tokens), cost) for pk, tokens, cost in cursor.fetchall()}
    found = {}
    for budget in budgets:
        tokens, cost = used.get(budget.pk, (0, Decimal(0)))
        limits = (("tokens", tokens, budget.tokens), ("money", cost, budget.money))
        found[budget.pk] = [Use(unit, amount, limit) for unit, amount, limit in limits if limit is not None]
    return found


def unpriced_models(app: UUID | None = None, prompt_version: UUID | None = None) -> list[str]:
    """Return the models that may be asked for live prompts (of one app, or for one version) and that have no price."""
    versions = PromptVersion.objects.filter(Q(pk=prompt_version) if prompt_version else Q(labels__name=Label.Name.LIVE))
    if app is not None and prompt_version is None:
        versions = versions.filter(Q(app=None) | Q(app=app))
    named = [model for model, _ in versions.values_list("model").annotate(Count("pk"))]
    known = set(Price.objects.filter(since__lte=clock.now().astimezone(UTC).date()).values_list("provider", "model"))
    asked = _asked(named, ReasoningSettings.load())
    return sorted({model for provider, model in asked if not {("", model), (provider, model)} & known})


def _asked(named: Iterable[str], settings: ReasoningSettings) -> set[tuple[str, str]]:
    """Return each provider that costs money with each model that it may be asked for."""
    steps = [("openai", "")] if settings.provider == "openai" else []
    for place, given in enumerate(settings.fallbacks, start=2):
        if given["PROVIDER"] == "openai":
            steps.append((str(given.get("NAME", f"openai-{place}")), str(given.get("MODEL", ""))))
    return {(provider, model or name or settings.model) for provider, model in steps for name in named}
