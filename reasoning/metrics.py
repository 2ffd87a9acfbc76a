"""Prometheus metrics.

Counters and the histogram live in files that all processes of a machine share (``PROMETHEUS_MULTIPROC_DIR``), so
that the web's ``/metrics`` tells of the worker too. What the database knows better, it is asked at each scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.db import OperationalError, connection, transaction
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from memory import quarantine
from reasoning import budgets
from reasoning.gates import Problem
from reasoning.models import Budget, PromptVersion
from reasoning.providers.base import Usage
from reasoning.spending import Account

EVENTS_WRITTEN = Counter("honcho_events_written_total", "Events written to the log.")
DURATION = Histogram(
    "honcho_reasoning_duration_seconds",
    "Duration of a reasoning pass, from claim to publication.",
    ["kind", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
)
for _kind in ("user", "observed", "session", "project"):
    DURATION.labels(_kind, "published")  # shown from the start, at zero

FAILURES = Counter("honcho_reasoning_failures_total", "Failed passes by class.", ["failure"])
CALLS = Counter("honcho_reasoning_calls_total", "Model calls.", ["model", "prompt"])
TOKENS = Counter("honcho_reasoning_tokens_total", "Tokens of model calls.", ["model", "prompt", "direction"])
COST = Counter(
    "honcho_reasoning_cost_total", "Money that model calls cost, in the currency of the prices.", ["model", "prompt"]
)
UNPRICED = Counter(
    "honcho_reasoning_unpriced_tokens_total", "Tokens of model calls whose price nobody knows.", ["model"]
)
QUARANTINED = Counter("honcho_reasoning_quarantined_total", "Answers that a gate stopped.", ["gate"])

QUERIES = Counter("honcho_queries_total", "Questions to memory, by what came of them.", ["mode", "level", "outcome"])
QUERY_DURATION = Histogram(
    "honcho_query_duration_seconds",
    "How long a question to memory took, up to the last word of a streamed answer.",
    ["mode", "level"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
)

_STATEMENT_TIMEOUT = "500ms"


def count_call(account: Account, version: PromptVersion | None, usage: Usage, cost: Decimal | None) -> None:
    """Count what a call took, by the model that was asked for and the prompt version, None for an answer."""
    prompt = "answers" if version is None else _prompt(version)
    CALLS.labels(account.model, prompt).inc()
    TOKENS.labels(account.model, prompt, "input").inc(usage.input_tokens)
    TOKENS.labels(account.model, prompt, "output").inc(usage.output_tokens)
    if cost is None:
        UNPRICED.labels(account.model).inc(usage.input_tokens + usage.output_tokens)
    else:
        COST.labels(account.model, prompt).inc(float(cost))


def count_stopped(problems: Iterable[Problem]) -> None:
    """Count an answer once for each gate that stopped it or a part of it."""
    for gate in {problem.gate for problem in problems}:
        QUARANTINED.labels(gate).inc()


class DatabaseCollector(Collector):
    """Gauges that one query at scrape time tells best."""

    def describe(self) -> Iterable[Metric]:
        """Promise nothing, so that registering asks nothing of the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Ask the database how much waits and for how long."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'")
            cursor.execute("SELECT kind, state, count(*) FROM reasoning_work WHERE state <> 'idle' GROUP BY 1, 2")
            by_state = cursor.fetchall()
            cursor.execute(
                "SELECT extract(epoch FROM now() - least("
                " (SELECT min(oldest) FROM reasoning_work WHERE state IN ('waiting', 'leased') AND NOT bulk),"
                " (SELECT min(event.recorded_at) FROM (SELECT event_id FROM memory_feedentry"
                "    WHERE position IS NULL ORDER BY event_id LIMIT 1000) entry"
                "  JOIN memory_event event ON event.id = entry.event_id)))"
            )
            oldest = cursor.fetchone()[0]
            cursor.execute("SELECT extract(epoch FROM now() - max(beat_at)) FROM reasoning_worker")
            beat = cursor.fetchone()[0]
            cursor.execute(
                "SELECT name, needs_operator OR coalesce(paused_until > now(), false) FROM reasoning_providerstate"
            )
            providers = cursor.fetchall()
        lines = GaugeMetricFamily(
            "honcho_reasoning_lines", "Lines of reasoning with work, by state.", labels=["kind", "state"]
        )
        for kind, state, count in by_state:
            lines.add_metric([kind, state], count)
        yield lines
        yield GaugeMetricFamily(
            "honcho_reasoning_tasks_queued",
            "Lines of reasoning that wait or are being worked on.",
            value=sum(count for _, state, count in by_state if state in ("waiting", "leased")),
        )
        yield GaugeMetricFamily(
            "honcho_reasoning_oldest_waiting_seconds",
            "Age of the oldest event that waits (and is neither held, parked nor read again in bulk).",
            value=float(oldest or 0),
        )
        paused = GaugeMetricFamily(
            "honcho_provider_paused", "Whether nobody calls a provider now (1).", labels=["provider"]
        )
        for name, is_paused in providers:
            paused.add_metric([name], int(is_paused))
        yield paused
        if beat is not None:
            yield GaugeMetricFamily(
                "honcho_worker_heartbeat_age_seconds", "Time since any worker was last seen alive.", value=float(beat)
            )
        yield from _slower_gauges()


def _slower_gauges() -> Iterator[Metric]:
    """Yield what tables that grow for ever know; nothing where that takes too long, so that the rest is told."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'")
            undecided = quarantine.undecided().count()
            limited = list(Budget.objects.select_related("app", "prompt_version").defer("prompt_version__instructions"))
            uses = budgets.uses(limited)
    except OperationalError:
        return
    yield GaugeMetricFamily(
        "honcho_quarantined_undecided", "Versions that a gate stopped and nobody has ruled upon.", value=undecided
    )
    labels = ["budget", "period", "unit"]
    ratio = GaugeMetricFamily("honcho_budget_used_ratio", "How much of a budget is used in its period.", labels=labels)
    limit = GaugeMetricFamily("honcho_budget_limit", "What a budget allows in its period.", labels=labels)
    for budget in limited:
        for use in uses[budget.pk]:
            shown = [_scope(budget), budget.period, use.unit]
            ratio.add_metric(shown, use.ratio)
            limit.add_metric(shown, float(use.limit))
    yield ratio
    yield limit


def _scope(budget: Budget) -> str:
    """Return what a budget limits, unlike any other's."""
    app = f"app {budget.app}" if budget.app else ""
    prompt = f"prompt {_prompt(budget.prompt_version)}" if budget.prompt_version else ""
    return ", ".join(part for part in (app, prompt) if part) or "site"


def _prompt(version: PromptVersion) -> str:
    return f"{version.kind}-{version.number}" if version.app_id is None else version.public_id


def render(multiprocess_directory: str | None) -> bytes:
    """Return all metrics in Prometheus's text format, over every process that shares the directory.

    (django-prometheus's own view leaves out collectors that are not files.)
    """
    registry = REGISTRY
    if multiprocess_directory:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=multiprocess_directory)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(_database_registry())


def _database_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    return registry
