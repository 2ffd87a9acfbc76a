"""Evidence recall against the budget, as one SVG with nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.plots import colours, drawing
from benchmarks.recall.bootstrap import mean
from benchmarks.recall.running import QUERY

WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 60, 200, 44, 50
LABEL = 14
"""Least distance of two names, in pixels."""


def plot(run: Mapping[str, Any]) -> str:
    """Return a run's lines, one a system, as SVG: evidence recall at query time; what is not cut is left out."""
    budgets = run["budgets"]
    lines = {
        name: [100 * (mean(found["scores"][f"{QUERY}@{budget}"]["ev"]) or 0) for budget in budgets]
        for name, found in run["systems"].items()
        if found["bounded"]
    }
    data = run["data"]
    title = (
        f"Evidence recall on {data['name']}: {len(data['questions'])} questions, {data['conversations']} conversations"
    )
    parts = _grid(budgets)
    names = _spread({name: _y(shares[-1]) for name, shares in lines.items()})
    for colour, (name, shares) in zip(colours(len(lines)), lines.items(), strict=True):
        points = [(_x(budget, budgets), _y(share)) for budget, share in zip(budgets, shares, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        label = f"{name} {shares[-1]:.1f}"
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{names[name] + 4:.1f}" fill="{colour}">{escape(label)}</text>')
    return drawing(WIDTH, HEIGHT, title, LEFT, parts)


def _grid(budgets: Sequence[int]) -> list[str]:
    parts = []
    for share in range(0, 101, 20):
        parts.append(
            f'<line x1="{LEFT}" y1="{_y(share):.1f}" x2="{WIDTH - RIGHT}" y2="{_y(share):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{_y(share) + 4:.1f}" text-anchor="end">{share} %</text>'
        )
    for budget in budgets:
        parts.append(
            f'<text x="{_x(budget, budgets):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{budget}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">tokens handed to the reader</text>')
    return parts


def _x(budget: int, budgets: Sequence[int]) -> float:
    """Return where a budget lies: the same step for each doubling."""
    low, high = math.log(min(budgets)), math.log(max(budgets))
    return LEFT + (WIDTH - LEFT - RIGHT) * ((math.log(budget) - low) / (high - low) if high > low else 0.5)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share / 100


def _spread(heights: Mapping[str, float]) -> dict[str, float]:
    """Return heights for names near those of their lines, none upon another: moved up from the lowest."""
    placed: dict[str, float] = {}
    limit = math.inf
    for name in sorted(heights, key=lambda name: -heights[name]):
        limit = min(heights[name], limit - LABEL)
        placed[name] = limit
    return placed
