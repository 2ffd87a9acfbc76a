"""How much reasoning drainers get done beside their model, what it takes, and how soon readers see it.

python -m benchmarks.drain [--latencies 0,0.3,3] [--in-flight 8,64,256] [--drainers 1,4] [--seconds 6]

The model is a process of its own, which derives its answers from what it is asked (``tests.loopback``). Every pass is
the first or the next of another user, with one event to read. Needs the embedded PostgreSQL, in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.drain import lag, report, throughput
from benchmarks.load import measuring, site

RESULTS = Path(__file__).resolve().parents[1] / "results"
LAG_LATENCY = 0.3


def main() -> None:
    """Measure, print the tables, store the result."""
    options = _parser().parse_args()
    with site.model() as url, site.running(None, url, REASONING_INTERVAL="0") as place:
        result: dict[str, Any] = {"benchmark": "drain", "at": datetime.now(UTC).isoformat(timespec="seconds")}
        site.steer(url, LAG_LATENCY)
        with throughput.draining(place, 1, throughput.USUAL_CALLS):
            _say("lag on an idle server …")
            result["idle"] = lag.idle(options.samples, LAG_LATENCY)
            _say("lag under load …")
            result["busy"] = lag.busy(options.rate, options.users, options.busy_seconds)
        result["cells"] = throughput.measure(
            place, url, options.latencies, options.in_flight, options.drainers, options.seconds, _say
        )
        result["machine"] = measuring.machine(place.accounts)
    options.out.mkdir(parents=True, exist_ok=True)
    where = options.out / "drain.json"
    where.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{report.tables(result)}\n\n{where} written.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def _counts(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latencies", type=_numbers, default=[0, 0.3, 3], help="seconds that the model takes")
    parser.add_argument(
        "--in-flight", type=_counts, default=[8, 64, 256], help="model calls at a time, of all drainers"
    )
    parser.add_argument("--drainers", type=_counts, default=[1, 4])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--samples", type=int, default=20, help="events on an idle server")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second under load")
    parser.add_argument("--users", type=int, default=1_000, help="who write them")
    parser.add_argument("--busy-seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
