"""What a run will take, from what passes have taken: said before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from memory import clock, tokens
from memory.branching import STARTS, Scope
from reasoning import spending
from reasoning.conf import ReasoningSettings
from reasoning.models import PromptVersion, Reprocess, Worker
from reasoning.providers.base import OUTPUT_LIMITS, Usage

LONGEST_BATCH_SECONDS = 24 * 60 * 60
"""A provider answers a batch within so long, mostly much sooner."""

# Passes take so many events of a subject as fit, at its events' mean size.
_TO_READ = f"""
WITH starts AS ({STARTS}), subject AS (
    SELECT starts.events, feed.tokens
      FROM starts CROSS JOIN LATERAL (
           SELECT coalesce(sum(event.tokens), 0)::float AS tokens FROM memory_feedentry entry
             JOIN memory_event event ON event.id = entry.event_id
            WHERE entry.subject_id = starts.subject_id AND entry.position > starts.cursor) feed
     WHERE starts.events > 0
), counted AS (
    SELECT events, tokens, ceil(events / greatest(
               least(%(pass_events)s, floor(%(pass_tokens)s / nullif(tokens / events, 0))), 1)) AS passes
      FROM subject
)
SELECT count(*), coalesce(sum(events), 0), coalesce(sum(tokens), 0), coalesce(sum(passes), 0), coalesce(max(passes), 0)
  FROM counted
"""  # noqa: S608 - nothing of it comes from outside

# A pass takes something for itself (instructions, what is known) and something for each token of its events; what is
# answered goes by how many events there are.
_HISTORY = """
WITH pass AS (
    SELECT pass.input_tokens, pass.output_tokens, pass.cached_tokens,
           CASE WHEN run.carrier IS DISTINCT FROM 'batch'
                THEN extract(epoch FROM pass.ended_at - pass.started_at)::float END AS seconds,
           (pass.covers_to - pass.covers_from)::float AS events,
           (SELECT coalesce(sum(event.tokens), 0) FROM memory_feedentry entry
              JOIN memory_event event ON event.id = entry.event_id
             WHERE entry.subject_id = line.subject_id
               AND entry.position > pass.covers_from AND entry.position <= pass.covers_to)::float AS shown
      FROM (SELECT * FROM reasoning_pass WHERE outcome IN ('published', 'quarantined') AND covers_to > covers_from
               AND prompt_version_id = ANY(%(versions)s) ORDER BY started_at DESC LIMIT 500) pass
      JOIN memory_line line ON line.id = pass.line_id
      LEFT JOIN reasoning_reprocess run ON run.id = pass.run_id
)
SELECT count(*), avg(seconds)::float, coalesce(sum(cached_tokens)::float / nullif(sum(input_tokens), 0), 0),
       avg(shown)::float, avg(events)::float, avg(input_tokens)::float, avg(output_tokens)::float,
       regr_intercept(input_tokens, shown), regr_slope(input_tokens, shown),
       regr_intercept(output_tokens, events), regr_slope(output_tokens, events)
  FROM pass
"""


@dataclass(frozen=True, slots=True)
class _ToRead:
    subjects: int
    events: int
    tokens: int
    passes: int
    longest: int
    """How many passes the subject with the most takes, one after the other."""


@dataclass(frozen=True, slots=True)
class _Share:
    """What a pass takes by itself, and for each event, or token of one, that it shows."""

    itself: float
    each: float

    def of(self, passes: int, shown: int) -> int:
        return round(self.itself * passes + self.each * shown)


@dataclass(frozen=True, slots=True)
class _Rates:
    rests_on: str
    input: _Share
    output: _Share
    cached: float = 0.0
    seconds: float | None = None


def estimate(
    version: PromptVersion,
    scope: Scope,
    passes_per_minute: int | None = None,
    carrier: str = Reprocess.Carrier.CALLS,
) -> dict[str, Any]:
    """Return what it takes to read a scope with a prompt version, as JSON: passes, tokens, money, seconds.

    ``money`` and ``seconds`` are None where nobody can know; ``rests_on`` says what the rest is drawn from. By batch,
    the money is that of its discount, and the seconds are the most that it may take.
    """
    settings = ReasoningSettings.load()
    to_read = _to_read(scope, settings)
    rates = _rates(version, settings)
    by_batch = carrier == Reprocess.Carrier.BATCH
    asked = rates.input.of(to_read.passes, to_read.tokens)
    usage = Usage(asked, rates.output.of(to_read.passes, to_read.events), round(asked * rates.cached))
    return {
        "subjects": to_read.subjects,
        "events": to_read.events,
        "event_tokens": to_read.tokens,
        "passes": to_read.passes,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tokens": usage.input_tokens + usage.output_tokens,
        "money": _money(version, usage, settings, Decimal(str(settings.batch_discount)) if by_batch else Decimal(0)),
        "seconds": _seconds_by_batch(to_read, passes_per_minute)
        if by_batch
        else _seconds(to_read, rates.seconds, passes_per_minute, settings),
        "rests_on": rates.rests_on + (_told_of_batches(to_read) if by_batch else ""),
    }


def _to_read(scope: Scope, settings: ReasoningSettings) -> _ToRead:
    limits = {"pass_events": settings.pass_events, "pass_tokens": settings.pass_tokens}
    with connection.cursor() as cursor:
        cursor.execute(_TO_READ, scope.values() | limits)
        return _ToRead(*(int(value) for value in cursor.fetchone()))


def _rates(version: PromptVersion, settings: ReasoningSettings) -> _Rates:
    """Return what passes have taken: of this prompt version, else of its model, else of its kind, else of nobody."""
    same_kind = PromptVersion.objects.filter(kind=version.kind)
    for versions, whose in (
        (PromptVersion.objects.filter(pk=version.pk), f"of {version}"),
        (same_kind.filter(model=version.model), f"of {version.kind} prompts with the same model"),
        (same_kind, f"of {version.kind} prompts"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(_HISTORY, {"versions": list(versions.values_list("pk", flat=True))})
            count, seconds, cached, shown, events, asked, answered, *lines = cursor.fetchone()
        if count:
            return _Rates(
                rests_on=f"{count} pass{'' if count == 1 else 'es'} {whose}",
                # Where no line fits: what is shown is asked with as it is, and each event is answered alike.
                input=_fitted(*lines[:2]) or _Share(max(asked - shown, 0.0), 1.0),
                output=_fitted(*lines[2:]) or _Share(0.0, answered / events),
                cached=cached,
                seconds=seconds,
            )
    most = next((version.parameters[name] for name in OUTPUT_LIMITS if name in version.parameters), None)
    itself = tokens.count(version.instructions) + settings.known_tokens
    return _Rates(
        rests_on="no history: projected from the limits, as the most that it may take",
        input=_Share(itself, 1.0),
        output=_Share(most or settings.output_tokens, 0.0),
    )


def _fitted(itself: float | None, each: float | None) -> _Share | None:
    """Return a fitted line if it makes sense: neither part can be below nothing."""
    return None if itself is None or each is None or itself < 0 or each < 0 else _Share(itself, each)


def _money(version: PromptVersion, usage: Usage, settings: ReasoningSettings, discount: Decimal) -> str | None:
    if settings.provider == "local":
        return "0"
    day = clock.now().astimezone(UTC).date()
    price = spending.price_on(day, settings.provider, version.model or settings.model)
    if price is None:
        return None
    return f"{round(spending.cost_of(price, usage) * (1 - discount), 6).normalize() + Decimal(0):f}"


def _seconds(
    to_read: _ToRead, each: float | None, passes_per_minute: int | None, settings: ReasoningSettings
) -> int | None:
    """Return how long it takes the workers that are there, or the one that there will be, with their share for it."""
    throttled = _throttled(to_read, passes_per_minute)
    if each is None:
        return round(throttled) if throttled else None
    silent = timedelta(seconds=settings.worker_silence_seconds)
    workers = max(Worker.objects.filter(beat_at__gt=clock.now() - silent).count(), 1)
    at_once = workers * settings.bulk_capacity
    return round(max(to_read.passes * each / at_once, to_read.longest * each, throttled))


def _seconds_by_batch(to_read: _ToRead, passes_per_minute: int | None) -> int:
    """Return the most that it takes: a subject's passes go in batches one after the other."""
    return round(to_read.longest * LONGEST_BATCH_SECONDS + _throttled(to_read, passes_per_minute))


def _told_of_batches(to_read: _ToRead) -> str:
    return f"; a batch may take up to 24 hours, and the subject with the most to read needs {to_read.longest:,} in turn"


def _throttled(to_read: _ToRead, passes_per_minute: int | None) -> float:
    return 0.0 if passes_per_minute is None else to_read.passes * 60 / passes_per_minute
