"""Measure how much of what answers a question memory systems hand to the reader.

python -m benchmarks.recall run --data own
python -m benchmarks.recall run --data locomo=/path/locomo10.json --systems bm25,naive-rag --budgets 250,1000
python -m benchmarks.recall compare before.json after.json
python -m benchmarks.recall table run.json
python -m benchmarks.recall list
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.recall import report, results, suite
from benchmarks.recall.conversations import DataSet
from benchmarks.recall.datasets import DATASETS, CannotRead, dataset, locomo, origin
from benchmarks.recall.judge import Judge
from benchmarks.recall.plot import plot
from benchmarks.recall.running import Measured
from benchmarks.recall.systems import ON_REQUEST, SYSTEMS, system
from benchmarks.recall.systems.base import Unavailable

BUDGETS = (250, 500, 1000, 2000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        done: int = options.act(options)
    except (CannotRead, OSError, Unavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return done


def run(options: argparse.Namespace) -> int:
    """Measure, store, print."""
    for name, path in options.data:
        data = _read(name, path, options)
        where = options.out / f"{data.name}.json"
        found = _measure_all(data, where, options)
        where.with_suffix(".svg").write_text(plot(found))
        print(f"{_tables(found, options.categories_at)}\n\n{where} and {where.with_suffix('.svg')} written.")
    return 0


def compare(options: argparse.Namespace) -> int:
    """Print what a second run has gained over the first."""
    first, second = results.read(options.first), results.read(options.second)
    if options.systems:
        pairs = [(options.systems[0], options.systems[-1])]
    else:
        pairs = [(name, name) for name in first["systems"] if name in second["systems"]]
    print("Points gained from the first to the second, with 95 % intervals (paired, by conversation)\n")
    print(report.comparison(first, second, pairs))
    return 0


def table(options: argparse.Namespace) -> int:
    """Print a run again."""
    print(_tables(results.read(options.run), options.categories_at))
    return 0


def listing(options: argparse.Namespace) -> int:
    """Print what can be measured, on what."""
    print("Systems")
    for name in SYSTEMS:
        print(f"  {name:<20}{system(name, {}).needs}")
    print("Measured when they are named; attacks are on the metric")
    print(*(f"  {name}" for name in ON_REQUEST), sep="\n")
    print("Data sets")
    for name in DATASETS:
        print(f"  {name:<10}{origin(name)}")
    return 0


def _read(name: str, path: Path | None, options: argparse.Namespace) -> DataSet:
    """Return the data set that is asked for, or its beginning. Raises CannotRead."""
    if name not in DATASETS:
        raise CannotRead(f"There is no data set {name}. There are: {', '.join(DATASETS)}.")
    corrected = name == "locomo" and options.corrections
    data = locomo.load(path, corrected) if corrected else dataset(name, path)
    if options.limit is None:
        return data
    first = data.conversations[: options.limit]
    return replace(data, version=f"{data.version}, first {options.limit}", conversations=first)


def _measure_all(data: DataSet, where: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the run, stored after each system: it takes long, and may not come to its end. Raises ValueError."""
    if unknown := [name for name in options.systems if name not in SYSTEMS and name not in ON_REQUEST]:
        raise ValueError(f"There is no system {unknown[0]}. There are: {', '.join([*SYSTEMS, *ON_REQUEST])}.")
    stored = results.read(where) if options.add and where.exists() else None
    judge = Judge.given(options.judge, options.judge_at) if options.judge else None
    began = time.monotonic()
    measured: dict[str, Measured] = {}
    found: dict[str, Any] = {}
    asked = suite.Asked(data, options.budgets, options.option, options.answers)
    for name, each in suite.measured(options.systems, asked, judge, options.jobs):
        measured[name] = each
        ordered = [measured[name] for name in options.systems if name in measured]
        found = results.results(data, options.budgets, ordered, time.monotonic() - began, judge, jobs=options.jobs)
        found = results.added(stored, found) if stored else found
        results.write(found, where)
    if not found:
        raise ValueError("None of the systems could be measured here.")
    return found


def _tables(found: dict[str, Any], budget: int) -> str:
    by = report.categories(found, budget if budget in found["budgets"] else found["budgets"][0])
    return "\n\n".join(
        part
        for part in (report.table(found), report.gains(found), by, report.answered(found), report.judged(found))
        if part
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recall", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("run", help="measure systems on data sets")
    add.add_argument("--data", type=_data, action="append", required=True, metavar="NAME[=PATH]")
    add.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS), metavar="NAME,…")
    add.add_argument("--budgets", type=_numbers, default=list(BUDGETS), metavar="TOKENS,…")
    add.add_argument("--limit", type=int, help="measure on the first so many conversations", metavar="N")
    add.add_argument("--corrections", type=Path, help="corrections of LoCoMo's answers", metavar="PATH")
    add.add_argument("--option", type=_option, action="append", default=[], metavar="SYSTEM.KEY=VALUE")
    add.add_argument("--answers", action="store_true", help="ask systems that answer for answers too, and for none")
    add.add_argument("--judge", metavar="MODEL", help="let a model answer and judge too; needs OPENAI_API_KEY")
    add.add_argument("--judge-at", type=int, default=1000, metavar="TOKENS", help="of which budget (1000)")
    add.add_argument(
        "--jobs", type=_at_least_one, default=os.cpu_count() or 1, metavar="N",
        help="measure so many systems at a time (as many as there are cores); 1 for times that nothing disturbs",
    )  # fmt: skip
    add.add_argument("--out", type=Path, default=Path("var/recall"), help="where results go", metavar="FOLDER")
    add.add_argument("--add", action="store_true", help="keep what is stored there of other systems")
    add.add_argument("--categories-at", type=int, default=500, metavar="TOKENS")
    add.set_defaults(act=run)
    add = commands.add_parser("compare", help="what a second run has gained over a first")
    add.add_argument("first", type=Path)
    add.add_argument("second", type=Path)
    add.add_argument("--systems", type=lambda text: text.split(","), help="one of the first, one of the second run")
    add.set_defaults(act=compare)
    add = commands.add_parser("table", help="print a run again")
    add.add_argument("run", type=Path)
    add.add_argument("--categories-at", type=int, default=500, metavar="TOKENS")
    add.set_defaults(act=table)
    add = commands.add_parser("list", help="which systems and data sets there are")
    add.set_defaults(act=listing)
    return parser


def _data(text: str) -> tuple[str, Path | None]:
    name, _, path = text.partition("=")
    return name, Path(path).expanduser() if path else None


def _option(text: str) -> tuple[tuple[str, str], str]:
    place, _, value = text.partition("=")
    name, dot, key = place.partition(".")
    if not (dot and value):
        raise argparse.ArgumentTypeError(f"{text} is not SYSTEM.KEY=VALUE")
    return (name, key), value


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _numbers(text: str) -> list[int]:
    return sorted({int(number) for number in text.split(",")})


if __name__ == "__main__":
    sys.exit(main())
