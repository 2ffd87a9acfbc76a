"""Whether any path grows with what is stored, and what an event and a version take on disk.

    python -m benchmarks.growth run [--sizes 10000,100000,1000000] [--skip "search the app"] [--keep] [--out FILE]
    python -m benchmarks.growth show [FILE.json]

For each size it fills a database of its own with so many events and all that belongs to them (subjects, versions,
statements with their evidence, what search needs), a tenth of them one user's. It does so by COPY: what the product
itself has made of two small worlds is copied with other ids, times and names. Then it measures every path, for some
of the people and for the huge user: statements, pages of the database, CPU of this process and of PostgreSQL's.
Databases are dropped unless they are kept; a kept one is measured again without filling it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path

OUT = Path(__file__).parent.parent / "results" / "growth"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="fill, measure, print")
    runs.add_argument("--sizes", default="10000,100000,1000000", help="numbers of events, with commas")
    runs.add_argument("--keep", action="store_true", help="keep the databases, and use what an earlier run kept")
    runs.add_argument("--out", type=Path, default=OUT, help="where results go: FILE.json and FILE.svg")
    runs.add_argument("--skip", default="", help="names of paths that read, with commas: those that take too long")
    shows = commands.add_parser("show", help="print the tables of an earlier run")
    shows.add_argument("file", type=Path, nargs="?", default=OUT.with_suffix(".json"))
    options = parser.parse_args()
    from benchmarks.growth import report

    if options.command == "show":
        print("\n".join(report.tables(json.loads(options.file.read_text())["measured"])))
        return
    run(sorted(map(int, options.sizes.split(","))), options.out, options.skip.split(","), keep=options.keep)


def run(sizes: list[int], out: Path, skipped: list[str], *, keep: bool) -> None:
    """Fill and measure each size, and write what was found."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("HONCHO_TEST_RUN", "growth")
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    from benchmarks.growth import report, running

    logging.disable(logging.WARNING)
    setup_test_environment()
    base = connection.settings_dict["TEST"]["NAME"]
    kept = {size for size in sizes if keep and running.exists(running.database_of(size))}
    if kept != set(sizes):
        running.make_world()
    measured = {}
    for size in sizes:
        name = running.database_of(size)
        began = time.perf_counter()
        if size in kept:
            running.go_to(name)
        else:
            running.make(size, base)
            print(f"{size:,} events: filled in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        measured[str(size)] = running.measure(skipped)
        print(f"{size:,} events: measured in {time.perf_counter() - began:.0f} s", flush=True)
        running.go_to(base) if keep else running.drop(name, base)
        out.with_suffix(".json").write_text(json.dumps({"measured": measured}, indent=1, default=asdict) + "\n")
    found = json.loads(out.with_suffix(".json").read_text())["measured"]
    out.with_suffix(".svg").write_text(report.plot(found))
    print("\n".join(report.tables(found)))


if __name__ == "__main__":
    main()
