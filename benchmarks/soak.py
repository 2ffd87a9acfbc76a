"""Many events while one thing after another goes wrong: is anything lost, doubled or stuck, and what does it cost?

    python -m benchmarks.soak [--events 20000] [--every 3] [--seed 1] [--json FILE]
    python -m benchmarks.soak --events 240 --seconds 20 --every 0.9 --users 4 --pass-events 20 --lease 3 --seeds 20

Starts web, worker, a second drainer, PostgreSQL (with fsync) and a model on the loopback interface, writes over HTTP
with keys, repeats each write until it is acknowledged, and meanwhile kills, freezes, disconnects and refuses
(``tests/faults``, whose tests are short runs of the same). When all has been well again for long enough to drain, SQL
accounts for every event. Leases, pauses and time-outs are seconds here (``tests/faults/settings.py``): read stalls
against ``--lease``. Ends with exit code 1 if anything was wrong. The first command takes about ten minutes on two
cores. Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults.harness import APPS, Plan, Result, run
from tests.faults.kinds import KINDS
from tests.faults.site import template

EVENTS_PER_SECOND = 40
"""What is written where no ``--seconds`` are given: what two cores, which all these processes share, can follow."""


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return names and values below one another."""
    return "\n".join(f"  {name:<44}{value if isinstance(value, str) else f'{value:,}':>12}" for name, value in rows)


def counted(counts: dict[str, int]) -> str:
    """Return counts in one line, the most frequent first."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "none"


def total(each: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of several counts."""
    return dict(sum((Counter(counts) for counts in each), Counter()))


def figures(results: Sequence[Result]) -> str:
    """Return the table of one run, or of several together."""
    found = [result.findings for result in results]
    seconds = sum(result.seconds for result in results)
    events, needed = sum(result.events for result in results), sum(result.needed for result in results)
    calls = sum(result.calls for result in results)
    wasted = total(result.calls_met for result in results)
    answered = wasted.pop("answer", 0)
    recoveries = [each.recovery for result in results for each in result.happened if each.recovery is not None]
    restarts = {
        name: sum(sum(result.restarts.get(name, {}).values()) for result in results)
        for name in ("web", "worker", "reason")
    }
    rows: list[tuple[str, object]] = [
        ("seconds", f"{seconds:,.0f}"),
        ("  of them to drain, all being well again", f"{sum(result.drain_seconds for result in results):,.1f}"),
        ("events acknowledged and in the log", events),
        ("events per second", f"{events / seconds:,.1f}" if seconds else "-"),
        ("writes acknowledged", sum(result.writes for result in results)),
        ("  delivered again later, on purpose", sum(result.again for result in results)),
        ("  delivered twice at the same moment", sum(result.twice for result in results)),
        ("reads", sum(result.reads for result in results)),
        ("versions", sum(result.versions for result in results)),
        ("faults", sum(len(result.happened) for result in results)),
        ("restarts of web / worker / reason", " / ".join(str(count) for count in restarts.values())),
        ("events lost", sum(each.lost + each.not_fed + each.uncovered + each.missing_evidence for each in found)),
        ("events written or covered twice", sum(each.written_twice + each.covered_twice for each in found)),
        ("statements with doubled evidence", sum(each.doubled_evidence for each in found)),
        ("versions published by a lost lease", sum(each.lost_lease for each in found)),
        ("reads that were not true", sum(each.untrue_reads for each in found)),
        ("waiting, leased or running at the end", sum(each.waiting + each.leased + each.running for each in found)),
        ("parked at the end", sum(each.parked for each in found)),
        ("  retried by the operator on the way", sum(result.retried for result in results)),
        ("anything else that must not be", sum(len(result.wrong) for result in results)),
        ("model calls made", calls),
        ("model calls needed (a published pass each)", needed),
        ("calls made / needed", f"{calls / needed:.2f}" if needed else "-"),
        ("tokens that the model billed", sum(result.billed for result in results)),
        ("tokens that the budget counts (never less)", sum(result.charged for result in results)),
        ("calls that met with a fault", sum(wasted.values())),
        ("calls answered in vain (died, lost lease)", answered - needed + wasted.get("answer drips", 0)),
        (
            "longest until a write was acknowledged, s",
            f"{max((each.longest_write for each in results), default=0.0):.1f}",
        ),
        ("longest stall, s", f"{max((result.longest_stall for result in results), default=0.0):.1f}"),
        ("first version after a fault, median, s", f"{statistics.median(recoveries) if recoveries else 0.0:.1f}"),
        ("first version after a fault, longest, s", f"{max(recoveries, default=0.0):.1f}"),
    ]
    return "\n".join(
        [
            table(rows),
            f"  passes: {counted(total(result.passes for result in results))}",
            f"  calls by what they met with: {counted(total(result.calls_met for result in results))}",
            f"  requests that met with something else: {counted(total(result.met for result in results))}",
        ]
    )


def kinds(results: Sequence[Result]) -> str:
    """Return how often each kind of fault happened, and how soon a version was published after it."""
    after: dict[str, list[float]] = defaultdict(list)
    for each in (each for result in results for each in result.happened):
        if each.recovery is not None:
            after[each.kind].append(each.recovery)
    counts = total(result.faults for result in results)
    lines = [f"  {'fault':<40}{'times':>6}{'first version after, median s':>32}{'longest':>9}"]
    for kind in sorted(counts.keys() | KINDS.keys()):
        seen = after[kind]
        cells = f"{statistics.median(seen):>32.1f}{max(seen):>9.1f}" if seen else f"{'-':>32}{'-':>9}"
        lines.append(f"  {kind:<40}{counts.get(kind, 0):>6}{cells}")
    return "\n".join(lines)


def one_line(result: Result) -> str:
    """Return one run of several."""
    ratio = f"{result.calls / result.needed:.2f}" if result.needed else "-"
    where = "outside" if result.outside else "embedded"
    return (
        f"{result.seed:>6}{where:>10}{result.events:>8}{result.versions:>9}{len(result.happened):>8}"
        f"{result.longest_stall:>8.1f}{result.drain_seconds:>8.1f}{ratio:>7}  {'WRONG' if result.wrong else 'ok'}"
    )


def main() -> int:
    """Run, print, and say by the exit code whether all was as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000, help="at least so many events in each run")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two faults, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many runs, with seeds that follow one another")
    parser.add_argument("--seconds", type=float, help="how long writers take and faults come")
    parser.add_argument("--users", type=int, default=40, help="users in each of the three apps")
    parser.add_argument("--pass-events", type=int, default=50)
    parser.add_argument("--lease", type=float, default=8.0, help="LEASE_SECONDS")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    options = parser.parse_args()
    results: list[Result] = []
    print(
        f"{'seed':>6}{'database':>10}{'events':>8}{'versions':>9}{'faults':>8}{'stall s':>8}{'drain s':>8}{'calls':>7}"
    )
    with template(APPS) as made:
        for seed in range(options.seed, options.seed + options.seeds):
            plan = Plan(
                seed=seed, events=options.events, every=options.every, users=options.users,
                seconds=options.seconds or options.events / EVENTS_PER_SECOND, pass_events=options.pass_events,
                lease=options.lease, readers=2, drain_patience=300.0,
            )  # fmt: skip
            results.append(run(plan, made))
            print(one_line(results[-1]), flush=True)
            if results[-1].wrong:
                print(results[-1].story())
    print(f"\n{figures(results)}\n\n{kinds(results)}")
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1, default=str))
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
