"""How pages tell of a run: what it will take, how far it is, what it has spent, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from memory.admin.charts import bars
from memory.worddiff import Diff
from reasoning import prompt_versions
from reasoning.admin.amounts import NEARLY, money
from reasoning.models import Reprocess, ReprocessItem
from reasoning.providers.base import Failure
from reasoning.reprocessing import progress
from reasoning.reprocessing.outcome import Compared
from reasoning.reprocessing.progress import Progress

Item = ReprocessItem.State
State = Reprocess.State

STYLES = ["memory/admin.css", "memory/charts.css", "reasoning/reprocessing.css"]

OPEN = (State.RUNNING, State.PAUSED, State.DONE)
RENEWED: dict[str, int] = {State.RUNNING: 5, State.PAUSED: 30, State.DONE: 30}
"""By state, after how many seconds a page is renewed."""

TONES: dict[str, str] = {
    State.DRAFT: "",
    State.RUNNING: "honcho-running",
    State.PAUSED: "honcho-warn",
    State.DONE: "honcho-good",
    State.CANCELLED: "",
    State.PROMOTED: "honcho-good",
    State.DISCARDED: "",
}

_ITEMS = (
    (Item.PENDING, "waiting to begin", "none"),
    (Item.READING, "being read", "run"),
    (Item.READY, "ready", "good"),
    (Item.FAILED, "failed", "bad"),
    (Item.PROMOTED, "promoted", "done"),
    (Item.LEFT, "left as they were", "none"),
)

_WENT_WRONG = {
    Failure.TRANSIENT: "The provider was not there, or answered with an error of its own. It is asked again by itself.",
    Failure.RATE_LIMITED: "The provider takes no more calls for now. It is asked again by itself.",
    Failure.QUOTA: "The provider's quota is used up.",
    Failure.REFUSED: "The model refused to answer.",
    Failure.NONSENSE: "The answer was not what was asked for.",
    Failure.GATED: "A gate stopped the answer. It is kept under quarantine.",
    "quarantined": "A gate stopped the answer. It is kept under quarantine.",
    Failure.OVER_BUDGET: "A budget has no room.",
    Failure.NO_PRICE: "A budget counts money and nobody gave the model's price.",
    Failure.OURS: "A fault of this server: its log says more.",
    Failure.LOST_LEASE: "Another worker had it meanwhile.",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name, and what is said below it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is used of something, 0 to 1; ``tone`` is loud where little is left."""

    label: str
    used: str
    limit: str
    share: float

    @property
    def tone(self) -> str:
        """How loud it is."""
        return "bad" if self.share >= 1 else "warn" if self.share >= NEARLY else "good"

    @property
    def percent(self) -> int:
        """Of a hundred, as far as a bar goes."""
        return min(int(self.share * 100), 100)


@dataclass(frozen=True, slots=True)
class Slice:
    """Subjects of a run in one state, and where a bar of all of them shows them (of a hundred)."""

    state: str
    text: str
    tone: str
    count: int
    start: float
    width: float


def duration(seconds: float | None) -> str:
    """Return a time in its two largest units: "3 h 20 min"; "unknown" for None."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for place, (size, name) in enumerate(units):
        if whole >= size:
            count, rest = divmod(whole, size)
            smaller = units[place + 1] if place + 1 < len(units) else None
            parts = [f"{count:,} {name}"]
            if smaller and rest // smaller[0]:
                parts.append(f"{rest // smaller[0]} {smaller[1]}")
            return " ".join(parts)
    return "less than 1 s"


def title_of(run: Reprocess) -> str:
    """Return what a run reads with: "user-3 in studio"."""
    return f"{prompt_versions.name_of(run.prompt_version)} in {run.app or 'all apps'}"


def expected(estimate: Mapping[str, Any]) -> list[Figure]:
    """Return what a run will take, by its estimate."""
    told = estimate.get("money")
    return [
        Figure("Subjects", f"{estimate['subjects']:,}"),
        Figure("Events", f"{estimate['events']:,}", f"{estimate['event_tokens']:,} tokens of text"),
        Figure("Passes", f"{estimate['passes']:,}", "one model call each"),
        Figure(
            "Tokens",
            f"{estimate['tokens']:,}",
            f"{estimate['input_tokens']:,} in, {estimate['output_tokens']:,} out",
        ),
        Figure("Money", "unknown" if told is None else money(Decimal(told)), "" if told else "no price is given"),
        Figure("Time", duration(estimate.get("seconds"))),
    ]


def limits_of(run: Reprocess) -> list[Meter]:
    """Return what is used of a run's budgets."""
    found = []
    if run.token_budget is not None:
        share = run.tokens / run.token_budget if run.token_budget else 1.0
        found.append(Meter("Tokens", f"{run.tokens:,}", f"{run.token_budget:,}", share))
    if run.money_budget is not None:
        share = float(run.cost / run.money_budget) if run.money_budget else 1.0
        found.append(Meter("Money", money(run.cost), money(run.money_budget), share))
    return found


def beyond_budget(run: Reprocess) -> str:
    """Say where an estimate is more than a run may take; nothing where it fits, or where nobody can know."""
    told = run.estimate
    over = []
    if run.token_budget is not None and told["tokens"] > run.token_budget:
        over.append(f"{told['tokens']:,} tokens, and the budget has {run.token_budget:,}")
    if run.money_budget is not None and told["money"] is not None and Decimal(told["money"]) > run.money_budget:
        over.append(f"{money(Decimal(told['money']))} in money, and the budget has {money(run.money_budget)}")
    return f"It is expected to take {' and '.join(over)}. It would pause there." if over else ""


def slices(counted: Mapping[str, int]) -> list[Slice]:
    """Return the subjects of a run by state, as parts of one bar."""
    total = sum(counted.values()) or 1
    found, start = [], 0.0
    for state, text, tone in _ITEMS:
        if count := counted.get(state, 0):
            width = count / total * 100
            found.append(Slice(str(state), text, tone, count, round(start, 3), round(width, 3)))
            start += width
    return found


def figures(run: Reprocess, told: Progress) -> list[Figure]:
    """Return the numbers that say how a run goes."""
    passes = sum(told.passes.values())
    found = [
        Figure("Events read", f"{told.events_read:,}", f"of {told.events:,}"),
        Figure("Passes", f"{passes:,}", f"{run.estimate.get('passes', 0):,} were expected"),
    ]
    if run.state == State.RUNNING:
        throttle = f"at most {run.passes_per_minute:,} passes a minute" if run.passes_per_minute else "events a minute"
        found.append(Figure("Rate", f"{told.rate or 0:,.0f} / min", throttle))
        found.append(Figure("Time left", duration(told.eta_seconds), "at this rate" if told.eta_seconds else ""))
    else:
        of, total = f"of {sum(told.items.values()):,}", told.items.get
        if run.started_at and run.ended_at:
            found.append(Figure("Promoted", f"{total(Item.PROMOTED, 0):,}", f"{of} subjects"))
            found.append(Figure("Took", duration((run.ended_at - run.started_at).total_seconds()), "to its end"))
        else:
            found.append(Figure("Ready", f"{total(Item.READY, 0):,}", f"{of} subjects"))
            found.append(Figure("Failures", f"{told.failures:,}", "passes without a version"))
    expected_money = run.estimate.get("money")
    found += [
        Figure("Tokens", f"{told.tokens:,}", f"{run.estimate.get('tokens', 0):,} were expected"),
        Figure("Money", money(told.cost), f"{money(Decimal(expected_money))} was expected" if expected_money else ""),
    ]
    return found


def went_wrong(told: Progress) -> list[dict[str, Any]]:
    """Return how often which kind of failure came, the most frequent first, and what it means."""
    ordered = sorted(told.failed.items(), key=lambda item: -item[1])
    return [
        {"kind": kind.replace("_", " "), "count": count, "meaning": _WENT_WRONG.get(kind, "")}
        for kind, count in ordered
    ]


def chart(run: Reprocess) -> SafeString | str:
    """Return how many events were read in each of the last minutes; nothing where none was."""
    read = progress.lately(run)
    if not any(count for _, count in read):
        return ""
    labels = [f"{localtime(at):%H:%M}" for at, _ in read]
    return bars([count for _, count in read], labels, title="Events read a minute, over the last half hour")


def compared(found: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return subjects of a sample with what would change in what their readers get."""
    return [
        {
            "item": each.item,
            "worse": each.regressions,
            "said": _said(each),
            "diff": replace(diff_of(each), title="What an agent reads"),
        }
        for each in found
    ]


def diff_of(each: Compared) -> Diff:
    """Return what readers of a subject get now beside what they would get, as texts."""
    served = each.item.subject.current
    made = each.item.line.head if each.item.line else None
    number = f"version {served.number}" if served else "nothing"
    note = f"{number} now; version {made.number} of the run" if made else "nothing was made of it"
    return Diff(str(each.item.subject), served.text if served else "", made.text if made else "", note)


def _said(each: Compared) -> str:
    """Return how many statements change, in words."""
    if each.diff is None:
        return ""
    counts = (
        (len(each.diff.added), "added"), (len(each.diff.reworded), "reworded"), (len(each.diff.retired), "gone"),
        (len(each.diff.kept), "kept"),
    )  # fmt: skip
    told = [f"{count:,} {what}" for count, what in counts if count]
    return f"Statements: {', '.join(told)}." if told else "No statement stands in either."
