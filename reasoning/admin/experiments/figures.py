"""What arms did, made ready to be read: figures with their intervals beside the control's, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.utils.safestring import SafeString

from memory.admin import charts
from reasoning import prompt_versions
from reasoning.admin.amounts import money
from reasoning.experiments import guardrails
from reasoning.experiments.estimates import Estimate
from reasoning.experiments.guardrails import Guardrail
from reasoning.experiments.measures import COMPARED, MEASURES, ArmFigures, Figures

Verdict = Literal["better", "worse", "lower", "higher", "open", "unknown"]

TITLES = {
    "failure_rate": "Failed passes",
    "gate_rejection_rate": "Answers that a gate stopped",
    "input_tokens": "Tokens asked with",
    "output_tokens": "Tokens answered with",
    "cost": "Cost",
    "latency": "Time to an answer",
    "text_length": "Length of the text",
    "added": "Statements added",
    "retired": "Statements retired",
    "feedback": "Feedback",
    "win_rate": "Blind comparisons won",
    "agreement": "Statements in common",
}
UNITS = {
    "failure_rate": "of all passes",
    "gate_rejection_rate": "of all answers",
    "input_tokens": "per event",
    "output_tokens": "per event",
    "cost": "per 1,000 events",
    "latency": "seconds",
    "text_length": "tokens",
    "added": "per event",
    "retired": "per event",
    "feedback": "from −1 to 1",
    "win_rate": "of comparisons, a tie for half",
    "agreement": "of statements, with the control's",
}
GROUPS = (
    ("Quality", ("win_rate", "feedback", "agreement")),
    ("Reliability", ("failure_rate", "gate_rejection_rate")),
    ("Cost and speed", ("cost", "input_tokens", "output_tokens", "latency")),
    ("What is made", ("text_length", "added", "retired")),
)
CHARTED = (
    "cost", "output_tokens", "input_tokens", "latency", "failure_rate", "gate_rejection_rate", "text_length", "added",
)  # fmt: skip
"""Measures that have a chart over time: those that begin at 0 and come with every pass."""

PERIODS = 13

_ROOM = 2.0
"""A band is drawn up to so many times the highest figure: of few subjects it would flatten all the rest."""


_DAYS = timedelta(hours=10)
"""From this length of a period on, its hour says nothing."""

_LESS_IS_BETTER = ("failure_rate", "gate_rejection_rate", "input_tokens", "output_tokens", "cost", "latency")
_MORE_IS_BETTER = ("feedback", "win_rate")
_SHARES = ("failure_rate", "gate_rejection_rate", "win_rate", "agreement")
_ONE = {"passes": "pass", "answers": "answer", "subjects": "subject", "comparisons": "comparison"}
_EVEN = 0.5
"""What two equal arms each win."""


@dataclass(frozen=True)
class Cell:
    """One arm's figure: ``verdict`` compares it with the control's, ``difference`` says by how much, as text."""

    value: str
    interval: str
    n: str
    drawing: SafeString
    difference: str = ""
    verdict: Verdict | Literal[""] = ""

    @property
    def said(self) -> str:
        """The verdict in words."""
        return {"open": "undecided", "unknown": "not enough yet"}.get(self.verdict, self.verdict)

    @property
    def tone(self) -> str:
        """The class of the verdict's badge."""
        return {"better": "honcho-good", "worse": "honcho-bad"}.get(self.verdict, "")


@dataclass(frozen=True)
class Row:
    """One measure of all arms, the control's first."""

    name: str
    title: str
    unit: str
    meaning: str
    cells: list[Cell]


@dataclass(frozen=True)
class Column:
    """One arm: its figures, its name, and which measures speak for and against it."""

    figures: ArmFigures
    name: str
    place: int
    better: list[str]
    worse: list[str]

    @property
    def actual(self) -> str:
        """The share of subjects that fell to it."""
        found = self.figures.split
        if found.value is None or found.low is None or found.high is None:
            return "nobody yet"
        return f"{found.value:.1%} of {found.n:,} with anything new"


@dataclass(frozen=True)
class Table:
    """All arms side by side, the control first; the rows under their groups."""

    columns: list[Column]
    groups: list[tuple[str, list[Row]]]


@dataclass(frozen=True)
class Rail:
    """A guardrail in words, with how each candidate stands to it: a badge's class and word, and why."""

    title: str
    limit: str
    arms: list[tuple[str, str, str]]


def table(figures: Figures) -> Table:
    """Return what the arms did, measure by measure."""
    arms = [figures.control, *figures.arms]
    groups = [(title, [_row(name, figures) for name in names]) for title, names in GROUPS]
    columns = []
    for place, arm in enumerate(arms):
        verdicts = {row.title: row.cells[place].verdict for _, rows in groups for row in rows}
        better = [title.lower() for title, verdict in verdicts.items() if verdict == "better"]
        worse = [title.lower() for title, verdict in verdicts.items() if verdict == "worse"]
        columns.append(Column(arm, prompt_versions.name_of(arm.version), place + 1, better, worse))
    return Table(columns, groups)


def chart(figures: Figures, name: str) -> SafeString:
    """Return a measure of all arms over time, with the bands within which each lies with 95 % certainty."""
    arms = [figures.control, *figures.arms]
    drawn = [[_scaled(name, period.arms[arm.version.pk].estimate(name)) for period in figures.periods] for arm in arms]
    ceiling = _ROOM * max((each.value for found in drawn for each in found if each.value is not None), default=0.0)
    series = []
    for arm, found in zip(arms, drawn, strict=True):
        title = prompt_versions.name_of(arm.version) + (" (control)" if arm.arm is None else "")
        series.append(
            charts.Series(
                name=title,
                values=[each.value for each in found],
                low=[None if each.low is None else max(each.low, 0.0) for each in found],
                high=[None if each.high is None else min(each.high, ceiling) for each in found],
            )
        )
    length = (figures.until - figures.since) / PERIODS if figures.since else timedelta()
    return charts.line_chart(
        series,
        [_moment(period.since, length) for period in figures.periods],
        title=f"{TITLES[name]} over time",
        description=f"{UNITS[name].capitalize()}; the bands hold the figure with 95 % certainty.",
        unit="%" if name in _SHARES else "",
    )


def rails(figures: Figures) -> list[Rail]:
    """Return the experiment's guardrails with how each candidate stands to them."""
    return [_rail(figures, rail) for rail in guardrails.of(figures.experiment.guardrails)]


def limit_text(rail: Guardrail) -> str:
    """Return a limit in words."""
    side = "at least" if MEASURES[rail.measure].lower_is_worse else "at most"
    if rail.relative:
        return f"{side} {rail.limit:g} times the control's"
    return f"{side} {shown(rail.measure, rail.limit)} {UNITS[rail.measure]}"


def shown(name: str, value: float | None) -> str:
    """Return a figure as people read it; a dash where it is not known."""
    if value is None:
        return "–"
    if name in _SHARES:
        return f"{value:.1%}"
    if name == "cost":
        return money(Decimal(f"{value * 1_000:.3g}"))
    return f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _row(name: str, figures: Figures) -> Row:
    arms = [figures.control, *figures.arms]
    found = [arm.estimate(name) if arm.arm is not None or name not in COMPARED else None for arm in arms]
    bounds = [bound for each in found if each for bound in (each.low, each.high, each.value) if bound is not None]
    reference = _reference(name, figures)
    if reference is not None:
        bounds.append(reference)
    least, most = min(bounds, default=0.0), max(bounds, default=1.0)
    cells = []
    for arm, estimate in zip(arms, found, strict=True):
        if estimate is None:
            cells.append(Cell("", "", "", SafeString("")))
            continue
        drawing = charts.interval(
            estimate.value, estimate.low, estimate.high,
            title=f"{prompt_versions.name_of(arm.version)}: {shown(name, estimate.value)} {_interval(name, estimate)}",
            least=least, most=most, reference=None if arm.arm is None else reference,
        )  # fmt: skip
        value = "" if estimate.value is None else shown(name, estimate.value)
        cell = Cell(value, _interval(name, estimate), _count(name, estimate), drawing)
        if arm.arm is not None and name != "agreement":
            compared = _compared(name, arm, figures.control)
            cell = Cell(cell.value, cell.interval, cell.n, drawing, _told(name, compared), _verdict(name, compared))
        cells.append(cell)
    return Row(name, TITLES[name], UNITS[name], MEASURES[name].title, cells)


def _reference(name: str, figures: Figures) -> float | None:
    """Return what the arms' figures are looked at against: the control's, or what is even."""
    if name == "win_rate":
        return _EVEN
    return None if name == "agreement" else figures.control.estimate(name).value


def _compared(name: str, arm: ArmFigures, control: ArmFigures) -> Estimate:
    """Return how much more an arm's figure is than what it is looked at against."""
    if name != "win_rate":
        return arm.against(control, name)
    won = arm.estimate(name)
    value, low, high = (None if part is None else part - _EVEN for part in (won.value, won.low, won.high))
    return Estimate(value, low, high, won.n)


def _verdict(name: str, compared: Estimate) -> Verdict:
    """Say what a difference shows: nothing while its interval holds 0."""
    if compared.low is None or compared.high is None:
        return "unknown"
    if compared.low <= 0 <= compared.high:
        return "open"
    more = compared.low > 0
    if name in _MORE_IS_BETTER:
        return "better" if more else "worse"
    if name in _LESS_IS_BETTER:
        return "worse" if more else "better"
    return "higher" if more else "lower"


def _scaled(name: str, estimate: Estimate) -> Estimate:
    """Return a figure in the unit of its chart."""
    return estimate.times(100 if name in _SHARES else 1_000 if name == "cost" else 1)


def _interval(name: str, estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{shown(name, estimate.low)} to {shown(name, estimate.high)}"


def _told(name: str, compared: Estimate) -> str:
    """Return a difference in words; of shares, in points of per cent."""
    other = "even" if name == "win_rate" else "the control"
    if compared.value is None:
        return ""
    size = f"{abs(compared.value) * 100:.1f} points" if name in _SHARES else shown(name, abs(compared.value))
    if not any(digit in size for digit in "123456789"):
        return f"as {other}"
    return f"{size} {'more' if compared.value > 0 else 'less'} than {other}"


def _count(name: str, estimate: Estimate) -> str:
    over = MEASURES[name].over
    return f"{estimate.n:,} {_ONE[over] if estimate.n == 1 else over}" if estimate.n else ""


def _moment(value: datetime, length: timedelta) -> str:
    return f"{value.day} {value:%b}" if length >= _DAYS else f"{value.day} {value:%b %H:%M}"


def _rail(figures: Figures, rail: Guardrail) -> Rail:
    arms = []
    for arm in figures.arms:
        known, sentence = guardrails.standing(figures, arm, rail)
        if sentence:
            arms.append(("honcho-bad", "breached", sentence))
        elif known:
            arms.append(("honcho-good", "holds", ""))
        else:
            arms.append(
                (
                    "",
                    "not enough yet",
                    f"It wants {rail.least_passes:,} passes and {guardrails.LEAST_SUBJECTS} subjects.",
                )
            )
    return Rail(TITLES[rail.measure], limit_text(rail), arms)
