"""Figures of prompt versions as a table: a row for each measure, a cell for each version, intervals on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.safestring import SafeString

from memory.admin import charts
from reasoning import prompt_figures
from reasoning.experiments.estimates import Estimate
from reasoning.experiments.measures import MEASURES
from reasoning.models import PromptVersion

_SHARES = ("failure_rate", "gate_rejection_rate")


@dataclass(frozen=True, slots=True)
class Cell:
    """One version's figure: the number, its interval in words, and both drawn."""

    value: str
    bounds: str
    drawn: SafeString


def table(versions: Sequence[PromptVersion]) -> dict[str, Any]:
    """Return what ``includes/figures.html`` shows of these versions."""
    found = prompt_figures.of(versions)
    figures = [found[version.pk] for version in versions]
    rows = []
    for name in prompt_figures.SHOWN:
        estimates = [item.sums.estimate(name) for item in figures]
        if any(estimate.value is not None for estimate in estimates):
            measure = MEASURES[name]
            unit = "" if name in _SHARES else measure.unit
            rows.append({"title": measure.title, "unit": unit, "cells": _cells(name, estimates)})
    return {"figures": figures, "versions": versions, "rows": rows, "newest": prompt_figures.NEWEST}


def _cells(name: str, estimates: Sequence[Estimate]) -> list[Cell]:
    if name != "feedback":  # nothing else goes below nothing, whatever its interval says
        estimates = [replace(item, low=None if item.low is None else max(item.low, 0.0)) for item in estimates]
    known = [part for item in estimates for part in (item.value, item.low, item.high) if part is not None]
    least, most = min(known), max(known)
    return [_cell(name, item, least, most) for item in estimates]


def _cell(name: str, item: Estimate, least: float, most: float) -> Cell:
    value = _shown(name, item.value)
    bounds = "" if item.low is None else f"{_shown(name, item.low)} to {_shown(name, item.high)}"
    title = f"{value}, with 95 % certainty {bounds}" if bounds else value
    return Cell(value, bounds, charts.interval(item.value, item.low, item.high, title=title, least=least, most=most))


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in _SHARES:
        return f"{value * 100:.3g} %"
    if name == "cost":
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
