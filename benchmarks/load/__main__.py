"""What every path of the API costs on the server as it runs in production, beside floors of the same run.

python -m benchmarks.load run [--clients 1,8,32] [--requests 300] [--rounds 3] [--folder DIR] [--out benchmarks/results]
python -m benchmarks.load waiting [--waiting 0,50,200] [--requests 600] [--rounds 3]
python -m benchmarks.load table benchmarks/results/load.json
python -m benchmarks.load compare before.json after.json
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import filling, measuring, report, site, waiting
from benchmarks.load.plot import plot

RESULTS = Path(__file__).resolve().parents[1] / "results"
MODEL_SECONDS = 1.0
"""How long the worker's model takes: what is reasoned over beside the requests keeps no processor busy."""

STALLING_SECONDS = 50.0
"""How long a model takes that keeps everybody waiting."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    options.act(options)


def run(options: argparse.Namespace) -> None:
    """Measure every path, print the tables, store result and plot."""
    logging.disable()  # of this process, which reasons to fill the app
    with site.model() as url, site.running(options.folder, url) as place:
        _say("filling the app …")
        filling.fill()
        site.steer(url, MODEL_SECONDS)
        result = measuring.run(place, options.clients, options.requests, options.rounds, _say)
    options.out.mkdir(parents=True, exist_ok=True)
    where = options.out / "load.json"
    where.write_text(json.dumps(result, indent=1) + "\n")
    where.with_suffix(".svg").write_text(plot(result))
    print(f"{report.table(result)}\n\n{where} and {where.with_suffix('.svg')} written.")


def wait(options: argparse.Namespace) -> None:
    """Measure reads beside clients who wait, print the table."""
    logging.disable()
    with site.model() as url, site.running(options.folder, url) as place:
        filling.fill()
        site.steer(url, STALLING_SECONDS)
        rows = waiting.run(place, options.waiting, options.requests, options.rounds)
    print(waiting.table(rows))


def table(options: argparse.Namespace) -> None:
    """Print the tables of a result."""
    print(report.table(json.loads(options.result.read_text())))


def compare(options: argparse.Namespace) -> None:
    """Print what changed between two results."""
    print(report.comparison(*(json.loads(path.read_text()) for path in (options.before, options.after))))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measures = commands.add_parser("run", help="measure every path")
    measures.add_argument("--clients", type=_numbers, default=[1, 8, 32], help="how many ask at a time")
    measures.add_argument("--requests", type=int, default=300, help="of a cheap path in each round")
    measures.add_argument("--rounds", type=int, default=3)
    measures.add_argument("--folder", type=Path, help="a data folder to keep, and its app to use again")
    measures.add_argument("--out", type=Path, default=RESULTS)
    measures.set_defaults(act=run)
    waits = commands.add_parser("waiting", help="measure reads beside clients who wait")
    waits.add_argument("--waiting", type=_numbers, default=[0, 50, 200], help="how many wait at a time")
    waits.add_argument("--requests", type=int, default=600)
    waits.add_argument("--rounds", type=int, default=3)
    waits.add_argument("--folder", type=Path, help="a data folder to keep, and its app to use again")
    waits.set_defaults(act=wait)
    shows = commands.add_parser("table", help="print the tables of a result")
    shows.add_argument("result", type=Path)
    shows.set_defaults(act=table)
    compares = commands.add_parser("compare", help="print what changed between two results")
    compares.add_argument("before", type=Path)
    compares.add_argument("after", type=Path)
    compares.set_defaults(act=compare)
    return parser


if __name__ == "__main__":
    main()
