"""What freshness costs: model calls per 100 messages of one line against lag, for several policies.

    python -m benchmarks.cadence [--calls-take 3] [FILE.jsonl ...]

Drives ``reasoning.cadence.due_at`` on a virtual clock (nothing sleeps, no model is called). Lag is from an event's
arrival to the end of the pass that covers it. A FILE is a conversation with ``occurred_at`` on each line; without one,
chats of stated rhythm are made.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reasoning.cadence import Policy, due_at

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = 30


def chat(gap: float, messages: int = 200, pause_every: int = 25, pause: float = 3600.0) -> list[tuple[datetime, int]]:
    """Return (arrival, tokens) of a chat with random gaps of ``gap`` seconds on average and a pause now and then."""
    source = random.Random(7)
    now, found = START, []
    for index in range(messages):
        now += timedelta(seconds=source.expovariate(1 / gap))
        if index % pause_every == 0:
            now += timedelta(seconds=pause)
        found.append((now, TOKENS))
    return found


def conversation(path: Path) -> list[tuple[datetime, int]]:
    """Return (arrival, tokens) of a conversation file, in order of time."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return sorted((datetime.fromisoformat(line["occurred_at"]), len(line["content"]) // 4) for line in lines)


def simulate(events: Sequence[tuple[datetime, int]], policy: Policy, call: float) -> tuple[int, list[float]]:
    """Return the number of passes and each event's lag in seconds."""
    passes, lags, index, last = 0, [], 0, None
    free = events[0][0]
    while index < len(events):
        waiting = [events[index]]
        following = index + 1
        while True:
            due = due_at(
                policy, oldest=waiting[0][0], newest=waiting[-1][0], tokens=sum(t for _, t in waiting), last_pass=last
            )
            begin = max(due, free, waiting[-1][0] if sum(t for _, t in waiting) >= policy.enough_tokens else due)
            if following < len(events) and events[following][0] <= begin:
                waiting.append(events[following])
                following += 1
                continue
            break
        free = last = begin + timedelta(seconds=call)
        passes += 1
        lags += [(free - arrived).total_seconds() for arrived, _ in waiting]
        index = following
    return passes, lags


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--calls-take", type=float, default=3.0, help="seconds that one model call takes")
    options = parser.parse_args()
    cases = {path.stem: conversation(path) for path in options.files} or {
        f"a message in {gap:g} s": chat(gap) for gap in (3, 20, 120)
    }
    for title, events in cases.items():
        print(
            f"\n{title}: {len(events)} messages\n{'interval':>9} {'calls/100':>10} {'lag p50':>9} {'p95':>9} {'max':>9}"
        )
        for interval in (0, 30, 60, 120, 300, 600):
            policy = Policy(settle=0.5, interval=interval, enough_tokens=1_000, max_wait=600)
            passes, lags = simulate(events, policy, options.calls_take)
            p95 = statistics.quantiles(lags, n=20)[-1]
            print(
                f"{interval:>8}s {100 * passes / len(events):>10.1f} {statistics.median(lags):>8.1f}s"
                f" {p95:>8.1f}s {max(lags):>8.1f}s"
            )


if __name__ == "__main__":
    main()
