"""What must not happen to an arm: limits of measures, what is wrong with one, and whether an arm breaches one.

They are looked at again and again, so that an interval for 95 % would be left by chance sooner or later: an arm
breaches a limit where the whole of an interval for 99.9 % lies beyond it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from memory.errors import Invalid
from reasoning.experiments.estimates import Z999, Estimate, difference
from reasoning.experiments.measures import MEASURES, ArmFigures, Figures

LEAST_PASSES = 50
LEAST_SUBJECTS = 10
"""From how few subjects an interval over subjects is too narrow to act upon."""

GUARDED = tuple(name for name in MEASURES if name != "agreement")
"""Measures that can have a limit: of what is cheap enough to look at every half minute."""

_FIELDS = ("measure", "limit", "relative", "least_passes")
_MOST = 20


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A limit of a measure, or ``relative``: of its ratio to the control's; from ``least_passes`` of an arm on."""

    measure: str
    limit: float
    relative: bool = False
    least_passes: int = LEAST_PASSES


def checked(given: Any) -> list[dict[str, Any]]:
    """Return guardrails as they are kept; raises :class:`Invalid` for what cannot be one."""
    if not isinstance(given, list | tuple) or len(given) > _MOST:
        raise Invalid(f"Give a list of at most {_MOST} guardrails.", ("guardrails",), "list_type")
    return [asdict(_checked(item, place)) for place, item in enumerate(given)]


def of(kept: list[dict[str, Any]]) -> list[Guardrail]:
    """Return the guardrails of an experiment."""
    return [Guardrail(**item) for item in kept]


def breach(figures: Figures, arm: ArmFigures, rail: Guardrail) -> str:
    """Say what an arm breaches, in a sentence; nothing where it does not, or where too little is known of it."""
    return standing(figures, arm, rail)[1]


def standing(figures: Figures, arm: ArmFigures, rail: Guardrail) -> tuple[bool, str]:
    """Return whether enough is known to hold an arm to a limit, and, in a sentence, what it breaches ("": nothing)."""
    measure, control = MEASURES[rail.measure], figures.control
    estimate = arm.estimate(rail.measure, Z999)
    compared = difference(estimate, Estimate(rail.limit, rail.limit, rail.limit, estimate.n))
    if rail.relative:
        compared = difference(estimate, control.estimate(rail.measure, Z999).times(rail.limit))
        if control.passes < rail.least_passes:
            return False, ""
    if arm.passes < rail.least_passes or (measure.over == "subjects" and compared.n < LEAST_SUBJECTS):
        return False, ""
    if compared.low is None or compared.high is None:
        return False, ""
    beyond = compared.high < 0 if measure.lower_is_worse else compared.low > 0
    return True, _sentence(rail, estimate, arm, control) if beyond else ""


def _checked(item: Any, place: int) -> Guardrail:
    where = ("guardrails", place)
    if not isinstance(item, dict):
        raise Invalid("Give an object.", where, "dict_type")
    for name in item:
        if name not in _FIELDS:
            raise Invalid(f"There is no such field. Known fields: {', '.join(_FIELDS)}.", (*where, str(name)[:100]))
    for name in ("measure", "limit"):
        if name not in item:
            raise Invalid("This field is required.", (*where, name), "missing")
    rail = Guardrail(**item)
    if rail.measure not in GUARDED:
        raise Invalid(f"Use {', '.join(GUARDED)}.", (*where, "measure"), "enum")
    if not _is_number(rail.limit):
        raise Invalid("Give a number.", (*where, "limit"), "float_type")
    if not isinstance(rail.relative, bool):
        raise Invalid("Give true or false.", (*where, "relative"), "bool_type")
    if rail.relative and not MEASURES[rail.measure].relative:
        raise Invalid("A ratio to the control says nothing here: give a limit itself.", (*where, "relative"))
    if rail.relative and rail.limit <= 0:
        raise Invalid("Give a ratio above 0.", (*where, "limit"))
    if not isinstance(rail.least_passes, int) or isinstance(rail.least_passes, bool) or rail.least_passes < 1:
        raise Invalid("Give a whole number of at least 1.", (*where, "least_passes"), "int_type")
    return rail


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _sentence(rail: Guardrail, estimate: Estimate, arm: ArmFigures, control: ArmFigures) -> str:
    measure = MEASURES[rail.measure]
    limit = f"the limit of {rail.limit:g}"
    if rail.relative:
        theirs = control.estimate(rail.measure).value or 0.0
        limit = f"{rail.limit:g} times the control's {theirs:.4g}"
    side = "below" if measure.lower_is_worse else "above"
    certain = f"{estimate.low:.4g} to {estimate.high:.4g} with 99.9 % certainty, after {arm.passes:,} passes"
    return f"{rail.measure} is {estimate.value:.4g} ({measure.unit}; {certain}): {side} {limit}."
