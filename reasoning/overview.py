"""How the loop is doing, for whoever looks: what waits, how long it takes, what fails, what it costs.

Every function makes a fixed number of statements, and none looks at more than ``MOST_PASSES`` of the newest passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import F, Sum

from memory import clock, quarantine
from memory.models import Proposal
from reasoning import backlog, budgets, circuit, health
from reasoning.backlog import Backlog
from reasoning.budgets import Use
from reasoning.conf import ReasoningSettings
from reasoning.models import Budget, Experiment, Pass, ProviderState, Reprocess, Spend, Work, Worker

MOST_PASSES = 20_000
"""Figures are of so many of the newest passes at most."""

LAG_SAMPLE = 2_000
"""Of so many published passes, evenly taken from those, it is looked up how long their oldest event had waited."""

MOST_COUNTED = 10_000
MOST_BUDGETS = 500
SHOWN = 20
SPENDING_DAYS = 15
OVERDUE_SECONDS = 120.0
"""Work that is due for so long, and that nobody has begun, says that the loop does not keep up."""

FAILING_SHARE = 0.2
FAILING_LEAST = 10
"""A share of failed passes is said where at least so many have ended."""

_PASSES = """
WITH recent AS (SELECT started_at, outcome, failure FROM reasoning_pass
                 WHERE started_at > %(since)s ORDER BY started_at DESC LIMIT %(most)s)
SELECT date_bin(make_interval(secs => %(step)s), started_at, %(since)s), outcome, failure, count(*)
  FROM recent GROUP BY 1, 2, 3
"""

# The oldest event that a pass read is the first after where its line stood. (What a run reads again is old anyway.)
_LAG = """
WITH recent AS (SELECT started_at, ended_at, representation_id, covers_from FROM reasoning_pass
                 WHERE started_at > %(since)s AND outcome = 'published' AND task = 'read' AND run_id IS NULL
                 ORDER BY started_at DESC LIMIT %(most)s),
     placed AS (SELECT *, row_number() OVER (ORDER BY started_at) AS place, count(*) OVER () AS of FROM recent),
     sample AS (SELECT * FROM placed WHERE place %% greatest(1, ceil(of::numeric / %(sample)s)::bigint) = 0),
     waited AS (SELECT date_bin(make_interval(secs => %(step)s), sample.started_at, %(since)s) AS bucket,
                       greatest(0, extract(epoch FROM sample.ended_at - event.recorded_at))::float AS seconds
                  FROM sample
                  JOIN memory_representation made ON made.id = sample.representation_id
                  JOIN memory_feedentry entry
                    ON entry.subject_id = made.subject_id AND entry.position = sample.covers_from + 1
                  JOIN memory_event event ON event.id = entry.event_id)
SELECT bucket, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds)
  FROM waited GROUP BY GROUPING SETS ((bucket), ())
"""

_OVERDUE = "SELECT extract(epoch FROM now() - min(due_at)) FROM reasoning_work WHERE due_at IS NOT NULL AND NOT bulk"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to now, in equal steps."""

    name: str
    label: str
    step: timedelta
    steps: int


SPANS = {
    span.name: span
    for span in (
        Span("hour", "Last hour", timedelta(minutes=2), 30),
        Span("day", "Last 24 hours", timedelta(minutes=30), 48),
        Span("week", "Last 7 days", timedelta(hours=4), 42),
    )
}


@dataclass(frozen=True, slots=True)
class Passes:
    """The passes of a span: how many ended how, for each step, and the classes of failure, the most frequent first.

    ``whole`` says whether all of the span's are counted, or its newest ``MOST_PASSES`` alone.
    """

    published: list[int]
    unchanged: list[int]
    quarantined: list[int]
    failed: list[int]
    failures: list[tuple[str, int]]
    whole: bool

    @property
    def ended(self) -> int:
        """How many passes have ended."""
        return sum(map(sum, (self.published, self.unchanged, self.quarantined, self.failed)))

    @property
    def failing(self) -> float:
        """Which share of them failed, 0 to 1."""
        return sum(self.failed) / self.ended if self.ended else 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How long the oldest event of a pass had waited, in seconds, until readers had what was made of it.

    ``p50`` and ``p95`` by step (None: nothing was published), ``overall`` the 50th, 95th and 99th percentile of all.
    """

    p50: list[float | None]
    p95: list[float | None]
    overall: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent on each day (UTC) up to today, and today's budgets, those with least left first."""

    days: list[date]
    cost: list[Decimal]
    tokens: list[int]
    unpriced_today: int
    budgets: list[tuple[Budget, list[Use]]]


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker, how many seconds ago it was seen, and whether that is so long ago that it must be dead."""

    worker: Worker
    seconds: float
    silent: bool


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that is not well: until when nobody calls it (None: it is called again), or until somebody acts."""

    state: ProviderState
    paused_until: datetime | None
    needs_operator: bool


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that keeps the loop from its work (``stops``), slows it, or waits for a human (``asks``)."""

    code: str
    text: str
    stops: bool = False
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the page shows, as of one moment."""

    now: datetime
    span: Span
    steps: list[datetime]
    backlog: Backlog
    passes: Passes
    lag: Lag
    spending: Spending
    workers: list[Beat]
    providers: list[Provider]
    under_way: list[Experiment | Reprocess]
    quarantined: int
    proposals: int
    overdue_seconds: float
    problems: dict[str, str]
    concerns: list[Concern] = field(default_factory=list)


def overview(span: Span) -> Overview:
    """Return how the loop does now and did during a span. A fixed number of statements, whatever there is."""
    now = clock.now()
    since = _begin(now, span)
    found = Overview(
        now=now,
        span=span,
        steps=[since + span.step * place for place in range(span.steps)],
        backlog=backlog.of_site(),
        passes=passes(since, span),
        lag=lag(since, span),
        spending=spending(now.astimezone(UTC).date()),
        workers=workers(now),
        providers=providers(now),
        under_way=under_way(),
        quarantined=quarantine.undecided()[: MOST_COUNTED + 1].count(),
        proposals=Proposal.objects.filter(state=Proposal.State.OPEN)[: MOST_COUNTED + 1].count(),
        overdue_seconds=overdue_seconds(),
        problems=health.problems(),
    )
    found.concerns.extend(concerns(found))
    return found


def passes(since: datetime, span: Span) -> Passes:
    """Return how the passes since a moment ended. One statement."""
    outcome = Pass.Outcome
    counts = {name: [0] * span.steps for name in outcome.values}
    failures: Counter[str] = Counter()
    total = 0
    with connection.cursor() as cursor:
        cursor.execute(_PASSES, {"since": since, "step": span.step.total_seconds(), "most": MOST_PASSES})
        for bucket, name, failure, count in cursor.fetchall():
            counts[name][_place(bucket, since, span)] += count
            total += count
            if failure and name == outcome.FAILED:
                failures[failure] += count
    failed = [a + b for a, b in zip(counts[outcome.FAILED], counts[outcome.ABANDONED], strict=True)]
    return Passes(
        published=counts[outcome.PUBLISHED],
        unchanged=counts[outcome.UNCHANGED],
        quarantined=counts[outcome.QUARANTINED],
        failed=failed,
        failures=failures.most_common(),
        whole=total < MOST_PASSES,
    )


def lag(since: datetime, span: Span) -> Lag:
    """Return how long events waited that passes read since a moment. One statement."""
    p50: list[float | None] = [None] * span.steps
    p95: list[float | None] = [None] * span.steps
    overall = None
    given: dict[str, datetime | float] = {
        "since": since,
        "step": span.step.total_seconds(),
        "most": MOST_PASSES,
        "sample": LAG_SAMPLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LAG, given)
        for bucket, percentiles in cursor.fetchall():
            if bucket is not None:
                place = _place(bucket, since, span)
                p50[place], p95[place], _ = percentiles
            elif percentiles is not None:
                overall = tuple(percentiles)
    return Lag(p50, p95, overall)


def spending(today: date) -> Spending:
    """Return what was spent lately, and which of the budgets (the site's, then apps', so many) are most used."""
    days = [today - timedelta(days=ago) for ago in reversed(range(SPENDING_DAYS))]
    rows = Spend.objects.filter(day__gte=days[0], day__lte=today).order_by().values("day")
    found = {
        row["day"]: row
        for row in rows.annotate(all_cost=Sum("cost"), all_tokens=Sum("tokens"), unpriced=Sum("unpriced_tokens"))
    }
    limited = list(
        Budget.objects.select_related("app", "prompt_version")
        .defer("prompt_version__instructions")
        .order_by(F("app").asc(nulls_first=True), "pk")[:MOST_BUDGETS]
    )
    uses = budgets.uses(limited) if limited else {}
    used = sorted(limited, key=lambda budget: -max(use.ratio for use in uses[budget.pk]))
    return Spending(
        days=days,
        cost=[found[day]["all_cost"] if day in found else Decimal(0) for day in days],
        tokens=[found[day]["all_tokens"] if day in found else 0 for day in days],
        unpriced_today=found[today]["unpriced"] if today in found else 0,
        budgets=[(budget, uses[budget.pk]) for budget in used[:SHOWN]],
    )


def workers(now: datetime) -> list[Beat]:
    """Return the workers that were seen last, newest first. One statement."""
    silence = ReasoningSettings.load().worker_silence_seconds
    found = []
    for worker in Worker.objects.order_by("-beat_at")[:SHOWN]:
        seconds = max((now - worker.beat_at).total_seconds(), 0.0)
        found.append(Beat(worker, seconds, seconds > silence))
    return found


def providers(now: datetime) -> list[Provider]:
    """Return the providers that are not well. One statement."""
    found = []
    for state in ProviderState.objects.order_by("name")[:SHOWN]:
        allowed = circuit.allowed_by(state, now)
        found.append(Provider(state, allowed.until if allowed.calls == 0 else None, state.needs_operator))
    return found


def under_way() -> list[Experiment | Reprocess]:
    """Return the experiments and runs that are not over, newest first. Two statements."""
    experiments = Experiment.objects.filter(state__in=[Experiment.State.RUNNING, Experiment.State.PAUSED])
    going_on = [Reprocess.State.RUNNING, Reprocess.State.PAUSED, Reprocess.State.DONE]
    runs = Reprocess.objects.filter(state__in=going_on).select_related("prompt_version")
    return [
        *experiments.order_by("-pk")[:SHOWN],
        *runs.defer("prompt_version__instructions", "subjects").order_by("-pk")[:SHOWN],
    ]


def overdue_seconds() -> float:
    """Return for how long the work has been due that has been due longest, 0 where nothing is. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE)
        return max(float(cursor.fetchone()[0] or 0), 0.0)


def concerns(found: Overview) -> list[Concern]:
    """Return what is to be said of the loop's health, the worst first; nothing where all is well."""
    said = [Concern(code, text, stops=True) for code, text in found.problems.items()]
    for provider in found.providers:
        if provider.needs_operator:
            said.append(
                Concern("provider", f"{provider.state.name} is paused until an operator resumes it.", stops=True)
            )
        elif provider.paused_until is not None:
            said.append(
                Concern("provider", f"{provider.state.name} is paused until {provider.paused_until:%H:%M:%S} UTC.")
            )
    if found.overdue_seconds > OVERDUE_SECONDS:
        said.append(
            Concern("overdue", "Work is due that nobody has begun: the workers do not keep up, or stand still.")
        )
    if found.passes.ended >= FAILING_LEAST and found.passes.failing > FAILING_SHARE:
        said.append(
            Concern("failing", f"{found.passes.failing:.0%} of the passes failed ({found.span.label.lower()}).")
        )
    held = _lines(found.backlog, Work.State.HELD)
    if held:
        said.append(Concern("held", f"{_count(held, 'line waits', 'lines wait')} for a budget or a price."))
    for budget, uses in found.spending.budgets:
        if max(use.ratio for use in uses) >= 1:
            said.append(Concern("budget", f"The budget of {budget} is used up."))
    parked = _lines(found.backlog, Work.State.PARKED)
    if parked:
        said.append(
            Concern(
                "parked",
                f"{_count(parked, 'line is', 'lines are')} parked: no pass is tried again by itself.",
                asks=True,
            )
        )
    if found.quarantined:
        text = f"{_count(found.quarantined, 'answer waits', 'answers wait')} in quarantine for somebody's decision."
        said.append(Concern("quarantined", text, asks=True))
    if found.proposals:
        text = f"{_count(found.proposals, 'promotion waits', 'promotions wait')} for a second person to confirm it."
        said.append(Concern("proposal", text, asks=True))
    return sorted(said, key=lambda concern: (not concern.stops, concern.asks))


def _lines(waiting: Backlog, state: str) -> int:
    return sum(group.lines for group in waiting.groups if group.state == state)


def _count(number: int, one: str, many: str) -> str:
    return f"{min(number, MOST_COUNTED):,}{'+' if number > MOST_COUNTED else ''} {one if number == 1 else many}"


def _begin(now: datetime, span: Span) -> datetime:
    """Return when the first step begins, so that the last one holds ``now``; steps begin at round times."""
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    return now - (now - epoch) % span.step - span.step * (span.steps - 1)


def _place(bucket: datetime, since: datetime, span: Span) -> int:
    return min(max((bucket - since) // span.step, 0), span.steps - 1)


def labels(steps: Sequence[datetime], span: Span) -> list[str]:
    """Return how each step is written under a chart, in UTC."""
    form = "%a %H:%M" if span.step * span.steps > timedelta(days=1) else "%H:%M"
    return [step.astimezone(UTC).strftime(form) for step in steps]
