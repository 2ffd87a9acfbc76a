"""What would limit first with more users, and whether several servers do what is said of them.

    python -m benchmarks.scaling plan --users 10000 --messages 50 --reads 50
    python -m benchmarks.scaling run [--only web drainers pooling replicas caching constants] [--json FILE]

``plan`` reckons cores, connections, disk and model tokens from constants that ``run`` has measured
(benchmarks/results/scaling.json). ``run`` starts a site of its own on loopback, with several of everything, and prints
a table of claims; it needs no DATABASE_URL. PgBouncer and Redis are tried where they are on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results" / "scaling.json"


def main() -> None:
    """Print a plan, or the table of claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    from benchmarks.scaling import plan

    plan.add_arguments(commands.add_parser("plan"))
    run = commands.add_parser("run")
    run.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    run.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.command == "plan":
        print(plan.table(plan.Load.of(options), plan.Constants.of(json.loads(RESULTS.read_text())["constants"])))
        return
    sys.exit(_run(options.only, options.json))


PARTS = ("web", "drainers", "pooling", "replicas", "caching", "constants")


def _run(only: list[str], file: Path) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    from benchmarks.scaling import caching, constants, drainers, pooling, replicas, web
    from benchmarks.scaling.claim import Claim, table
    from benchmarks.scaling.servers import servers
    from tests.loopback.server import LoopbackModel

    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    found: list[Claim] = []
    with LoopbackModel() as model, servers(model.url) as made:
        key = made.key()
        parts: dict[str, Callable[[], list[Claim]]] = {
            "web": lambda: web.claims(made, key),
            "drainers": lambda: drainers.claims(made, key, model),
            "pooling": lambda: pooling.claims(made, key),
            "replicas": lambda: replicas.claims(made, key),
            "caching": lambda: caching.claims(made, key),
        }
        for part in (each for each in PARTS if each in only):
            model.reset()
            model.latency = 0.0
            if part in parts:
                claims = parts[part]()
                found += claims
                kept.setdefault("claims", {})[part] = [claim.as_json() for claim in claims]
                print(f"\n{table(claims)}", flush=True)
            else:
                kept["constants"] = constants.measure(made, key)
                print(f"\n{constants.table(kept['constants'])}", flush=True)
            file.write_text(json.dumps(kept, indent=2) + "\n")
    return 1 if any(claim.held is False for claim in found) else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    main()
