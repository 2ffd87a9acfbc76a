"""The overview: whether the loop is healthy, at a glance, and where to go from there."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from memory.admin.base import ReadOnlyAdmin
from memory.admin.charts import Series, bars, line_chart, stacked
from memory.admin.links import list_url, may_view
from memory.admin.pages import Page
from memory.models import Proposal
from reasoning import overview
from reasoning.admin.amounts import money, used
from reasoning.models import Budget, Overview, Pass, ProviderState, Quarantined, Work, Worker
from reasoning.overview import SPANS, Concern, Lag, Passes, Spending

REFRESH_SECONDS = 15
DEFAULT_SPAN = "day"

_ASIDE: dict[str, tuple[Any, dict[str, str], str]] = {
    "worker": (Worker, {}, "Workers"),
    "provider": (ProviderState, {}, "Providers"),
    "overdue": (Worker, {}, "Workers"),
    "failing": (Pass, {"outcome__exact": Pass.Outcome.FAILED}, "Failed passes"),
    "held": (Work, {"state__exact": Work.State.HELD}, "Held work"),
    "budget": (Budget, {}, "Budgets"),
    "parked": (Work, {"state__exact": Work.State.PARKED}, "Parked work"),
    "quarantined": (Quarantined, {}, "Quarantine"),
    "proposal": (Proposal, {"state__exact": Proposal.State.OPEN}, "Proposals"),
}
"""Where a concern leads: the model's list, its filters, and the link's words."""


class OverviewPage(Page):
    """The page itself."""

    name, title, permission = "overview", "Overview", "reasoning.view_overview"
    template = "admin/reasoning/overview.html"

    class Media:
        js = ["memory/refresh.js"]

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the figures, their charts, and where they lead."""
        span = SPANS.get(request.GET.get("span", ""), SPANS[DEFAULT_SPAN])
        found = overview.overview(span)
        labels = overview.labels(found.steps, span)
        site = self.model_admin.admin_site.name
        return {
            "found": found,
            "spans": SPANS.values(),
            "seconds": REFRESH_SECONDS,
            "verdict": verdict(found.concerns),
            "concerns": [(concern, _aside(request, concern, site)) for concern in found.concerns],
            "waiting": _waiting(found),
            "tiles": {
                name: _aside(request, Concern(name, ""), site)
                for name in ("parked", "quarantined", "failing", "budget")
            },
            "page_title": "",  # the breadcrumbs name it already
            "spent_today": rounded(found.spending.cost[-1]),
            "tokens_today": found.spending.tokens[-1],
            "budgets": [(budget, used(uses)) for budget, uses in found.spending.budgets],
            "lag_chart": lag_chart(found.lag, labels),
            "passes_chart": passes_chart(found.passes, labels),
            "spending_chart": spending_chart(found.spending),
            "most_passes": overview.MOST_PASSES,
        }


@admin.register(Overview)
class OverviewAdmin(ReadOnlyAdmin[Overview]):
    """The overview in the admin's index; it has no list and no rows, only its page."""

    def get_urls(self) -> list[URLPattern]:
        """Return the page's address, in place of a list's."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="reasoning_overview_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page."""
        return OverviewPage(self).view(request)


def verdict(concerns: list[Concern]) -> tuple[str, str]:
    """Return how the loop is (good, warn or bad) and the words for it."""
    if any(concern.stops for concern in concerns):
        return "bad", "The loop stands still"
    slowed = sum(not concern.asks for concern in concerns)
    if slowed:
        return "warn", f"The loop works, but {slowed} thing{'s are' if slowed > 1 else ' is'} wrong"
    return "good", "The loop is healthy"


def rounded(amount: Decimal) -> str:
    """Return an amount of money as one takes it in at a glance."""
    return money(amount.quantize(Decimal("0.01")) if amount >= 1 else amount)


def lag_chart(lag: Lag, labels: list[str]) -> SafeString:
    """Return the chart of how long events waited."""
    longest = max((value for value in lag.p95 if value is not None), default=0.0)
    size, unit = next(((size, unit) for size, unit in ((3_600, "h"), (60, "min")) if longest >= 2 * size), (1, "s"))
    named = (("half of the passes", lag.p50), ("95 of 100", lag.p95))
    series = [
        Series(name=name, values=[None if value is None else value / size for value in values])
        for name, values in named
    ]
    said = "From the oldest event of a pass until readers had what was made of it."
    return line_chart(series, labels, title="Lag", description=said, unit=unit)


def passes_chart(passes: Passes, labels: list[str]) -> SafeString:
    """Return the chart of how passes ended."""
    series = [
        Series(name="published", values=passes.published),
        Series(name="nothing to change", values=passes.unchanged, tone="quiet"),
        Series(name="quarantined", values=passes.quarantined, tone="warn"),
        Series(name="failed", values=passes.failed, tone="bad"),
    ]
    return stacked(series, labels, title="Passes", description="A pass is one run of reasoning: one call of a model.")


def spending_chart(spending: Spending) -> SafeString:
    """Return the chart of what each day cost; of its tokens where nothing had a price."""
    labels = [day.strftime("%-d %b") for day in spending.days]
    if any(spending.cost):
        values = [float(value) for value in spending.cost]
        return bars(values, labels, title="Spending a day", description="In the currency of the prices; days of UTC.")
    return bars(spending.tokens, labels, title="Tokens a day", description="No model in use has a price; days of UTC.")


def _waiting(found: overview.Overview) -> dict[str, Any]:
    """Return how much waits: lines by state, events, and since when."""
    groups = found.backlog.groups
    lines = {state: sum(group.lines for group in groups if group.state == state) for state in Work.State.values}
    live = [group for group in groups if group.state in (Work.State.WAITING, Work.State.LEASED)]
    moments: list[datetime] = [group.oldest for group in live if group.oldest is not None]
    if found.backlog.new_oldest is not None:
        moments.append(found.backlog.new_oldest)
    return {
        "lines": lines,
        "events": sum(group.events for group in live) + found.backlog.new_events,
        "oldest": min(moments, default=None),
    }


def _aside(request: HttpRequest, concern: Concern, site: str) -> dict[str, str] | None:
    """Return where a concern leads, None where this user may not see that."""
    if concern.code not in _ASIDE:
        return None
    model, filters, words = _ASIDE[concern.code]
    url = list_url(model, site, **filters)
    return {"url": url, "words": words} if url and may_view(request, model) else None
