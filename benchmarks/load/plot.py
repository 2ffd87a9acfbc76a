"""What a request costs by path, as bars: web and PostgreSQL, with the budget and the floor."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from benchmarks.plots import COLOURS, drawing

WIDTH, LEFT, RIGHT, TOP, ROW = 820, 210, 60, 60, 22
CHEAP_MS = 10.0
"""What costs more is not drawn: beside a batch of 1,000 nothing else could be seen."""


def plot(result: Mapping[str, Any]) -> str:
    """Return a result's costs at the middle number of clients as SVG."""
    count = result["clients"][len(result["clients"]) // 2]
    cells = {path["name"]: (path, path["by_clients"][str(count)]) for path in result["paths"]}
    shown = [each for each in cells.values() if each[1]["cpu_ms"] <= CHEAP_MS]
    scale = (WIDTH - LEFT - RIGHT) / max((cell["cpu_ms"] for _, cell in shown), default=1.0)
    height = TOP + ROW * len(shown) + 20
    title = f"Processor time of one request, {count} clients at a time: milliseconds"
    parts = [*_legend()]
    for place, (path, cell) in enumerate(shown):
        parts += _bar(TOP + place * ROW, path, cell, scale)
    return drawing(WIDTH, height, title, 20, parts)


def _legend() -> list[str]:
    entries = (("web", COLOURS[0], 20), ("PostgreSQL", COLOURS[1], 80))
    parts = [
        f'<rect x="{x}" y="34" width="10" height="10" fill="{colour}"/><text x="{x + 15}" y="43">{name}</text>'
        for name, colour, x in entries
    ]
    return [*parts, '<line x1="180" y1="33" x2="180" y2="46" stroke="black"/><text x="187" y="43">budget</text>']


def _bar(y: int, path: Mapping[str, Any], cell: Mapping[str, float], scale: float) -> list[str]:
    web, database = cell["web_ms"] * scale, cell["database_ms"] * scale
    parts = [
        f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(path["name"])}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{web:.1f}" height="15" fill="{COLOURS[0]}"/>',
        f'<rect x="{LEFT + web:.1f}" y="{y}" width="{database:.1f}" height="15" fill="{COLOURS[1]}"/>',
        f'<text x="{LEFT + web + database + 5:.1f}" y="{y + 12}">{cell["cpu_ms"]:.2f}</text>',
    ]
    if path["budget_ms"] is not None and (at := LEFT + path["budget_ms"] * scale) < WIDTH:
        parts.append(f'<line x1="{at:.1f}" y1="{y - 2}" x2="{at:.1f}" y2="{y + 17}" stroke="black"/>')
    return parts
