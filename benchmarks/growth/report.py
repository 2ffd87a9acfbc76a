"""What was measured, as tables and as a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.plots import colours, drawing

PLOTTED = ("context", "304", "representation", "history", "diff", "list events", "recall", "one event", "publish")

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 460, 60, 230, 44, 50

Measured = Mapping[str, Mapping[str, Any]]
"""By size, what :func:`benchmarks.growth.running.measure` returns, as JSON has it."""


def tables(measured: Measured) -> Iterator[str]:
    """Yield the lines of all tables, in Markdown."""
    last = measured[list(measured)[-1]]
    for who, paths in last["paths"].items():
        yield from ("", f"### {who}", "")
        heads = [f"{what} at {_short(size)}" for what in ("pages", "CPU here", "CPU server") for size in measured]
        yield f"| | statements | {' | '.join(heads)} | CPU grows |"
        yield f"|---|{'---:|' * (len(heads) + 2)}"
        for path in paths:
            rows = [found["paths"][who][path] for found in measured.values() if path in found["paths"][who]]
            if len(rows) == len(measured):
                yield _row(path, rows)
    yield from ("", "### On disk, bytes", "")
    yield from _sizes(last["sizes"])


def _row(path: str, rows: Sequence[Mapping[str, float]]) -> str:
    pages = " | ".join(f"{row['pages']:,.0f}" for row in rows)
    client = " | ".join(f"{row['client']:.2f}" for row in rows)
    server = " | ".join(f"{row['server']:.2f}" for row in rows)
    first, last = _cpu(rows[0]), _cpu(rows[-1])
    return f"| {path} | {rows[-1]['statements']:.0f} | {pages} | {client} | {server} | {last / first:.2f} |"


def _sizes(sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    yield "| table | rows | a row | with its indexes | of which |"
    yield "|---|---:|---:|---:|---|"
    for name, parts in sorted(sizes.items(), key=lambda item: -_total(item[1])):
        rows = parts["rows"]
        indexes = sorted(
            ((size, index) for index, size in parts.items() if index not in ("rows", "table")), reverse=True
        )
        told = ", ".join(f"{index} {size / rows:.0f}" for size, index in indexes)
        yield f"| {name} | {rows:,} | {parts['table'] / rows:.0f} | {_total(parts) / rows:.0f} | {told} |"


def _total(parts: Mapping[str, int]) -> int:
    return sum(size for name, size in parts.items() if name != "rows")


def _short(size: str) -> str:
    return f"10^{math.log10(int(size)):.3g}"


def plot(measured: Measured) -> str:
    """Return, as SVG, how much CPU some paths of people and of the huge user take, against the number of events."""
    sizes = list(measured)
    lines = {
        f"{path} ({who})": [_cpu(found["paths"][who][path]) for found in measured.values()]
        for who in ("people", "huge")
        for path in PLOTTED
        if all(path in found["paths"][who] for found in measured.values())
    }
    highest = max(value for values in lines.values() for value in values)
    parts = []
    for power in range(math.ceil(math.log10(highest)) + 1):
        y = _y(10**power, highest)
        parts.append(f'<line x1="{LEFT}" y1="{y:.0f}" x2="{WIDTH - RIGHT}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10**power}</text>')
    for place, size in enumerate(sizes):
        x = _x(place, sizes)
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{int(size):,}</text>')
    for number, (colour, (name, values)) in enumerate(zip(2 * colours(len(PLOTTED)), lines.items(), strict=False)):
        dashes = ' stroke-dasharray="5 3"' if name.endswith("(huge)") else ""
        path = " ".join(f"{_x(at, sizes):.0f},{_y(value, highest):.0f}" for at, value in enumerate(values))
        label = escape(f"{name} {values[0]:.1f} to {values[-1]:.1f}")
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 20 * number + 8}" fill="{colour}">{label}</text>')
    return drawing(WIDTH, HEIGHT, "CPU ms of a request, here and of PostgreSQL, by events stored", LEFT, parts)


def _cpu(cost: Mapping[str, float]) -> float:
    return cost["client"] + cost["server"]


def _x(place: int, sizes: Sequence[str]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place / (len(sizes) - 1) if len(sizes) > 1 else 0.5)


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(math.log10(value), 0) / math.ceil(math.log10(highest))
