"""A result as tables in Markdown, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import markdown

MOST_TIMES_FLOOR = 1.8
"""What a read with a budget may cost, in times of a bare view that reads one row."""

_HEADER = [
    "path", "requests/s", "p50 ms", "p95 ms", "p99 ms", "web ms", "PostgreSQL ms", "both", "× floor", "budget",
    "worker ms", "statements", "bytes",
]  # fmt: skip


def table(result: Mapping[str, Any]) -> str:
    """Return one table for each number of clients."""
    machine = result["machine"]
    title = (
        f"{result['requests']} requests a round, {result['rounds']} rounds; {machine['processors']} processors,"
        f" {machine['memory_gib']} GiB, PostgreSQL {machine['postgres']}, Python {machine['python']};"
        f" load at the end {machine['load']}; measured {result['at'][:10]}"
    )
    parts = [title]
    for count in result["clients"]:
        rows = [_row(path, path["by_clients"][str(count)]) for path in result["paths"]]
        parts.append(f"{_clients(count)}\n\n{markdown(_HEADER, rows)}")
    return "\n\n".join(parts)


def comparison(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what paths that both results have took before and after."""
    known = {path["name"]: path for path in before["paths"]}
    rows = []
    for path in after["paths"]:
        for count, new in path["by_clients"].items():
            old = known.get(path["name"], {"by_clients": {}})["by_clients"].get(count)
            if old is not None:
                rows.append([path["name"], count, *_changes(old, new)])
    return markdown(["path", "clients", "CPU ms", "", "× floor", "requests/s", "", "p95 ms", ""], rows)


def verdict(path: Mapping[str, Any], cell: Mapping[str, float]) -> str:
    """Return whether a path keeps to its budget, and a read near the floor; nothing where there is no budget."""
    budget = path["budget_ms"]
    if budget is None:
        return ""
    missed = [] if cell["cpu_ms"] <= budget else [f"missed by {cell['cpu_ms'] - budget:.2f}"]
    if budget <= 1 and cell["ratio"] > MOST_TIMES_FLOOR:
        missed.append(f"above {MOST_TIMES_FLOOR} × floor")
    return f"{budget:g}: {', '.join(missed) or 'met'}"


def _row(path: Mapping[str, Any], cell: Mapping[str, float]) -> list[str]:
    return [
        path["name"],
        f"{cell['requests_per_second']:,.0f}",
        *(f"{cell[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")),
        *(f"{cell[name]:.2f}" for name in ("web_ms", "database_ms", "cpu_ms")),
        f"{cell['ratio']:.2f}" if "ratio" in cell else "",
        verdict(path, cell),
        f"{cell['worker_ms']:.2f}",
        str(path["statements"]),
        "" if path["bytes"] is None else f"{path['bytes']:,}",
    ]


def _changes(old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    ratios = [f"{cell['ratio']:.2f}" if "ratio" in cell else "" for cell in (old, new)]
    return [
        f"{old['cpu_ms']:.2f} → {new['cpu_ms']:.2f}",
        _percent(old["cpu_ms"], new["cpu_ms"]),
        " → ".join(ratios) if all(ratios) else "",
        f"{old['requests_per_second']:,.0f} → {new['requests_per_second']:,.0f}",
        _percent(old["requests_per_second"], new["requests_per_second"]),
        f"{old['p95_ms']:.1f} → {new['p95_ms']:.1f}",
        _percent(old["p95_ms"], new["p95_ms"]),
    ]


def _percent(old: float, new: float) -> str:
    return f"{100 * (new / old - 1):+.0f} %" if old else ""


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"
