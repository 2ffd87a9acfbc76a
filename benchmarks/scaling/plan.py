"""From users a day to cores, connections, disk and model tokens. Nothing but arithmetic on measured constants."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import Any, Self

from benchmarks.tables import markdown

DAY = 86_400
MONTH = 30
SLOTS = 12
"""Of a web process (``memory.slots``): each holds a connection."""

BESIDE = 4
"""Connections of a drainer beside those of its passes: it looks, beats, listens and does chores."""


@dataclass(frozen=True)
class Load:
    """What a day brings, and what is known of the model."""

    users: int
    messages: float = 50.0
    reads: float = 50.0
    peak: float = 4.0
    busy: float = 0.5
    calls: float = 35.1
    input_tokens: float = 174_000.0
    output_tokens: float = 30_300.0
    latency: float = 3.0
    input_price: float = 0.0
    output_price: float = 0.0
    in_flight: int = 64
    concurrency: int = 4

    @classmethod
    def of(cls, options: argparse.Namespace) -> list[Self]:
        """Return the loads that the command line tells: one for each number of users."""
        told = {item.name: getattr(options, item.name) for item in fields(cls)}
        return [cls(**told | {"users": users}) for users in options.users]


_HELP = {
    "users": "users a day",
    "messages": "messages that each writes a day",
    "reads": "reads (context, representation) for each a day",
    "peak": "the busiest second, as a multiple of the mean",
    "busy": "how much of a core may be in use at the peak",
    "calls": "model calls per 100 messages (docs/operations.md)",
    "input_tokens": "input tokens per 100 messages",
    "output_tokens": "output tokens per 100 messages",
    "latency": "seconds that a model call takes",
    "input_price": "price of a million input tokens",
    "output_price": "price of a million output tokens",
    "in_flight": "calls that one drainer keeps in flight",
    "concurrency": "WORKER_CONCURRENCY: connections of a drainer for its passes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take every figure of a load."""
    for item in fields(Load):
        kind = int if item.type == "int" else float
        name = f"--{item.name.replace('_', '-')}"
        if item.name == "users":
            parser.add_argument(name, type=kind, nargs="+", required=True, help=_HELP[item.name])
        else:
            parser.add_argument(name, type=kind, default=item.default, help=f"{_HELP[item.name]} ({item.default})")


@dataclass(frozen=True)
class Constants:
    """What one of each costs (benchmarks.scaling.constants): milliseconds of CPU, and bytes."""

    read_web_ms: float
    read_database_ms: float
    write_web_ms: float
    write_database_ms: float
    pass_worker_ms: float
    pass_database_ms: float
    event_bytes: float
    version_bytes: float
    event_wal_bytes: float
    version_wal_bytes: float

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> Self:
        """Return what was measured."""
        return cls(**{item.name: float(measured[item.name]) for item in fields(cls)})


@dataclass(frozen=True)
class Need:
    """What a load takes. Rates and cores are those of the peak."""

    messages: float
    reads: float
    passes: float
    web_cores: float
    worker_cores: float
    database_cores: float
    calls_in_flight: float
    web_processes: int
    drainers: int
    connections: int
    disk_gb_month: float
    wal_gb_day: float
    input_tokens_day: float
    output_tokens_day: float
    cost_month: float

    @property
    def cores(self) -> float:
        """Cores of all together."""
        return self.web_cores + self.worker_cores + self.database_cores


def need(load: Load, each: Constants) -> Need:
    """Return what a load takes."""
    messages_day = load.users * load.messages
    passes_day = messages_day * load.calls / 100
    messages, reads, passes = (rate * load.peak / DAY for rate in (messages_day, load.users * load.reads, passes_day))
    core = 1000 * load.busy  # milliseconds that a core works in a second
    web = (reads * each.read_web_ms + messages * each.write_web_ms) / core
    worker = passes * each.pass_worker_ms / core
    database = (
        reads * each.read_database_ms + messages * each.write_database_ms + passes * each.pass_database_ms
    ) / core
    in_flight = passes * load.latency
    processes = max(ceil(web), 2)
    drainers = max(ceil(in_flight / load.in_flight), ceil(worker), 1)
    hundreds = messages_day / 100
    tokens = hundreds * load.input_tokens, hundreds * load.output_tokens
    return Need(
        messages=messages,
        reads=reads,
        passes=passes,
        web_cores=web,
        worker_cores=worker,
        database_cores=database,
        calls_in_flight=in_flight,
        web_processes=processes,
        drainers=drainers,
        connections=processes * SLOTS + drainers * (load.concurrency + BESIDE),
        disk_gb_month=(messages_day * each.event_bytes + passes_day * each.version_bytes) * MONTH / 1e9,
        wal_gb_day=(messages_day * each.event_wal_bytes + passes_day * each.version_wal_bytes) / 1e9,
        input_tokens_day=tokens[0],
        output_tokens_day=tokens[1],
        cost_month=(tokens[0] * load.input_price + tokens[1] * load.output_price) * MONTH / 1e6,
    )


_ROWS: dict[str, Callable[[Need], str]] = {
    "messages a second": lambda it: f"{it.messages:,.2f}",
    "reads a second": lambda it: f"{it.reads:,.2f}",
    "passes a second": lambda it: f"{it.passes:,.2f}",
    "cores: web": lambda it: f"{it.web_cores:,.2f}",
    "cores: drainers": lambda it: f"{it.worker_cores:,.2f}",
    "cores: PostgreSQL": lambda it: f"{it.database_cores:,.2f}",
    "model calls in flight": lambda it: f"{it.calls_in_flight:,.1f}",
    "web processes, drainers (at least)": lambda it: f"{it.web_processes:,}, {it.drainers:,}",
    "connections to PostgreSQL without a pool": lambda it: f"{it.connections:,}",
    "disk a month": lambda it: f"{it.disk_gb_month:,.1f} GB",
    "write-ahead log a day": lambda it: f"{it.wal_gb_day:,.1f} GB",
    "model input tokens a day": lambda it: f"{it.input_tokens_day / 1e6:,.1f} million",
    "model output tokens a day": lambda it: f"{it.output_tokens_day / 1e6:,.1f} million",
    "model cost a month": lambda it: f"{it.cost_month:,.0f}" if it.cost_month else "",
}


def table(loads: Sequence[Load], each: Constants) -> str:
    """Return the plan as a table in Markdown, a column for each load."""
    needs = [need(load, each) for load in loads]
    head = [f"{load.users:,} users a day" for load in loads]
    rows = [[name, *(tell(it) for it in needs)] for name, tell in _ROWS.items()]
    return markdown(["", *head], [row for row in rows if any(row[1:])])
