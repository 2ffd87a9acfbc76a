"""A result of the drain as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import markdown


def tables(result: Mapping[str, Any]) -> str:
    """Return what was drained, and how soon readers saw it."""
    machine = result["machine"]
    title = (
        f"{machine['processors']} processors, {machine['memory_gib']} GiB, PostgreSQL {machine['postgres']}, Python"
        f" {machine['python']}; load at the end {machine['load']}; measured {result['at'][:10]}"
    )
    return "\n\n".join([title, throughput(result), idle(result["idle"]), busy(result["busy"])])


def throughput(result: Mapping[str, Any]) -> str:
    """Return a row for each way of draining."""
    header = [
        "model s", "in flight", "drainers", "passes/s", "of what the model allows", "most in flight",
        "drainer CPU ms a pass", "PostgreSQL CPU ms a pass", "MiB a drainer", "connections", "failed",
    ]  # fmt: skip
    return markdown(header, [_row(cell) for cell in result["cells"]])


def _row(cell: Mapping[str, Any]) -> list[str]:
    allowed = cell["in_flight"] / cell["latency"] if cell["latency"] else None
    return [
        f"{cell['latency']:g}",
        str(cell["in_flight"]),
        str(cell["drainers"]),
        f"{cell['passes_per_second']:.1f}",
        f"{100 * cell['passes_per_second'] / allowed:.0f} % of {allowed:.0f}" if allowed else "",
        str(cell["peak"]),
        *("" if cell[name] is None else f"{cell[name]:.1f}" for name in ("drainer_ms", "database_ms")),
        str(cell["memory_mib"]),
        str(cell["connections"]),
        str(cell["trouble"]),
    ]


def idle(found: Mapping[str, Any]) -> str:
    """Return the lag on an idle server in a sentence."""
    return (
        f"On an idle server, {found['samples']} new users, one message each: from the commit to a version that readers"
        f" get p50 {found['p50_ms'] / 1000:.2f} s, p95 {found['p95_ms'] / 1000:.2f} s, beside the model's"
        f" {found['latency']:g} s."
    )


def busy(found: Mapping[str, Any]) -> str:
    """Return the lag under load in a sentence."""
    return (
        f"Under {found['written_per_second']:g} events a second ({found['wanted_per_second']:g} wanted) from"
        f" {found['users']:,} users, {found['events']:,} in all: p50 {found['p50_ms'] / 1000:.1f} s, p95"
        f" {found['p95_ms'] / 1000:.1f} s from the commit to a version that covers the event; all were covered"
        f" {found['drained_after_seconds']:g} s after the last; lost: {found['lost']}."
    )
