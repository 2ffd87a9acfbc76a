"""How long a search takes, by how much there is to search, beside floors of the same run.

    python -m benchmarks.search [--sizes 1000 10000 100000] [--queries 40]

Fills apps of the site's database with one user's messages each, of words as frequent as in a language (Zipf), indexes
them, and gives them random vectors of 384 dimensions. Then it recalls, and searches by words, by vectors (one by one,
and through an index), and by both. The floors are a statement that does nothing, with 60 events by their keys after it,
and PostgreSQL's own ranking (``ts_rank``), for which all words are equally rare. Last, it prints what a write costs
with and without the trigger that adds passages. Its apps stay in the database: give it one of its own
(``HONCHO_DATA_DIR``).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

DIMENSIONS = 384
VOCABULARY = 20_000
STOP_WORDS = 50
"""The most frequent words of a language are none that are looked for."""

_EVENTS = """
INSERT INTO memory_event (id, app_id, user_id, author_id, origin, kind, content, metadata, occurred_at, recorded_at,
                          tokens)
SELECT id, %(app)s, %(user)s, %(user)s, 'user', 'message', content, '{}', now() - n * interval '1 minute', now(), 20
  FROM unnest(%(ids)s::uuid[], %(contents)s::text[]) WITH ORDINALITY AS new(id, content, n)
"""
_VECTORS = """
INSERT INTO memory_embedding (passage_id, model_id, vector)
SELECT id, %(model)s, ARRAY(SELECT random() - 0.5 + id * 0 FROM generate_series(1, %(dimensions)s))::vector
  FROM memory_passage WHERE app_id = %(app)s
    ON CONFLICT (passage_id, model_id) DO UPDATE SET vector = excluded.vector
"""
_BY_KEY = """
SELECT event.id, event.content, event.occurred_at
  FROM memory_passage passage JOIN memory_event event ON event.id = passage.event_id WHERE passage.id = ANY(%s)
"""
_TS_RANK = """
SELECT id, ts_rank(text, %(words)s::tsquery) AS score FROM memory_passage
 WHERE text @@ %(asked)s::tsquery ORDER BY score DESC LIMIT 100
"""


class Random:
    """Stands for an embedder: a query takes no time here."""

    name, address = "benchmark/random-384", "benchmarks.search.Random"

    def embed(self, texts: Any, *, seconds: float | None = None) -> list[list[float]]:
        """Return a vector for each text."""
        return [[random.random() - 0.5 for _ in range(DIMENSIONS)] for _ in texts]


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=40)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    import django

    django.setup()
    from django.conf import settings

    settings.HONCHO = {**settings.HONCHO, "EMBEDDER": Random.address}
    print("Size: messages of the one user of an app. First CPU, in milliseconds of this process and of the server.\n")
    print(
        f"Load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors. What is beyond the floor is a recall's own.\n"
    )
    print(f"{'size':>8} {'what':<34}{'client':>9}{'server':>9}{'beyond':>9}")
    apps = {size: filled(size) for size in options.sizes}
    for size, app in apps.items():
        recalls(size, app, options.queries)
    print("\nMilliseconds by the clock, p50 and p95 of each search.\n")
    print(f"{'size':>8} {'what':<34}{'p50':>9}{'p95':>9}")
    for size, app in apps.items():
        measure(size, app, options.queries)
    writes()


def filled(size: int) -> str:
    """Fill an app; return its name."""
    from django.db import connection

    from memory.search import embeddings

    app = f"search-{size}-{time.time_ns()}"
    app_id = fill(app, size)
    [model, _] = embeddings.wanted()  # type: ignore[misc]
    with connection.cursor() as cursor:
        cursor.execute(_VECTORS, {"model": model.pk, "app": app_id, "dimensions": DIMENSIONS})
        for table in ("passage", "embedding", "event", "wordindex", "posting", "unmergedpassage"):
            cursor.execute(f"VACUUM ANALYZE memory_{table}")
    return app


def recalls(size: int, app: str, queries: int) -> None:
    """Print the CPU that recalling takes, without an embedding: it should not grow with the size."""
    from django.db import connection

    from memory import search
    from memory.models import Passage

    where, dice = search.scope(app, "ana"), random.Random(size)
    asked = [" ".join(sentence(dice, 6)) for _ in range(queries)]
    known = list(Passage.objects.filter(app=where.app_id).order_by("?").values_list("pk", flat=True)[:60])
    floor = 0.0

    def read(query: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute(_BY_KEY, [known])
            cursor.fetchall()

    def row(what: str, once: Callable[[str], object]) -> float:
        for query in asked[:10]:
            once(query)
        spent = []
        for query in asked:
            began = cpu()
            once(query)
            spent.append([now - before for now, before in zip(cpu(), began, strict=True)])
        client, server = (statistics.median(part) for part in zip(*spent, strict=True))
        print(f"{size:>8,} {what:<34}{client:>9.2f}{server:>9.2f}{client + server - floor:>9.2f}", flush=True)
        return client + server

    floor = row("floor: SELECT 1, 60 events by key", read)
    for tokens in (250, 1_000, 2_000):
        row(f"recall in {tokens:,} tokens", partial(search.recall, where, tokens=tokens))


def cpu() -> tuple[float, float]:
    """Return the milliseconds of CPU that this process and its connection's server process have had so far."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    try:
        server = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except OSError:  # another machine, or another system
        server = 0.0
    return 1_000 * time.process_time(), server


def measure(size: int, app: str, queries: int) -> None:
    """Print how long each kind of search takes in an app."""
    from django.db import connection

    from memory import search
    from memory.search import embeddings, lexical, scopes, semantic

    [model, _] = embeddings.wanted()  # type: ignore[misc]
    dice = random.Random(size)
    where, filters = search.scope(app, "ana"), search.Filters()
    asked = [" ".join(sentence(dice, 6)) for _ in range(queries)]
    vectors = [search.Vector(model.pk, values) for values in Random().embed(asked)]

    def nothing(query: str, vector: search.Vector) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def ts_rank(query: str, vector: search.Vector) -> None:
        words = " | ".join(f"({term.query})" for term in lexical.terms(query))
        narrow = f"{scopes.narrow(where, filters)} & ({words})"
        with connection.cursor() as cursor:
            cursor.execute(_TS_RANK, {"words": words, "asked": narrow})

    def by_words(query: str, vector: search.Vector) -> None:
        lexical.rank(where, filters, lexical.terms(query), 100)

    def by_vectors(query: str, vector: search.Vector) -> None:
        semantic.rank(where, filters, vector, 100)

    def by_both(query: str, vector: search.Vector) -> None:
        search.find(where, query, vector=vector)

    def recall(query: str, vector: search.Vector) -> None:
        search.recall(where, query, vector=vector)

    def row(what: str, once: Callable[[str, search.Vector], None]) -> None:
        took = []
        for query, vector in zip(asked, vectors, strict=True):
            began = time.perf_counter()
            once(query, vector)
            took.append(1_000 * (time.perf_counter() - began))
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"{size:>8,} {what:<34}{statistics.median(took):>9.1f}{p95:>9.1f}", flush=True)

    row("floor: SELECT 1", nothing)
    row("floor: ts_rank, no rare words", ts_rank)
    row("by words", by_words)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {semantic.index_name(model)}")
    row("by vectors, one by one", by_vectors)
    began = time.perf_counter()
    if embeddings.build_index():
        print(f"{size:>8,} {f'(index built in {time.perf_counter() - began:.1f} s)':<34}")
        row("by vectors, by the index", by_vectors)
    row("by both, with what was found", by_both)
    row("recall in 1,000 tokens", recall)


def fill(app: str, size: int) -> UUID:
    """Make an app with one user who has said so much, indexed."""
    from django.db import connection

    from memory import ids, tenants
    from memory.search import index

    row, _ = tenants.make_app(app)
    user, _ = tenants.make_user(row, "ana")
    dice = random.Random(1)
    began = time.perf_counter()
    for start in range(0, size, 10_000):
        count = min(10_000, size - start)
        contents = [" ".join(sentence(dice, dice.randint(5, 40))) for _ in range(count)]
        with connection.cursor() as cursor:
            values = {"app": row.pk, "user": user.pk, "ids": [ids.uuid7() for _ in contents], "contents": contents}
            cursor.execute(_EVENTS, values)
    filled = time.perf_counter()
    before, log, disk = cpu(), written(), taken()
    while index.work():
        pass
    indexed = time.perf_counter()
    client, server = (now - then for now, then in zip(cpu(), before, strict=True))
    print(f"{size:>8,} (written in {filled - began:.1f} s, indexed in {indexed - filled:.1f} s)")
    print(
        f"{'':>8} (to index one: {client / size:.2f} ms here, {server / size:.2f} ms of the server,"
        f" {(written() - log) / size:,.0f} bytes of WAL; {(taken() - disk) / size:,.0f} bytes in its inverted index)"
    )
    return row.pk


def written() -> int:
    """Return how far the server's log of writes (WAL) is."""
    return int(scalar("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def taken() -> int:
    """Return the bytes that inverted indexes take, with the indexes of their tables."""
    return int(scalar("SELECT pg_total_relation_size('memory_posting')"))


def scalar(statement: str) -> Any:
    """Return the one value of a statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def sentence(dice: random.Random, words: int) -> list[str]:
    """Return words, the frequent ones as frequent as they are in a language without its stop words."""
    return [f"word{int(STOP_WORDS * (VOCABULARY / STOP_WORDS) ** dice.random())}" for _ in range(words)]


def writes() -> None:
    """Print what a write of one message, and of 100, costs with and without the trigger."""
    from django.db import connection

    from memory import log

    print(f"\n{'a write of':<34}{'p50 ms':>9}")
    for many in (1, 100):
        for trigger in ("with", "without", "with", "without"):
            with connection.cursor() as cursor:
                turned = "ENABLE" if trigger == "with" else "DISABLE"
                cursor.execute(f"ALTER TABLE memory_event {turned} TRIGGER add_passages")
            took = []
            for _ in range(100):
                began = time.perf_counter()
                log.append("writes", [log.NewEvent(content="We sail at noon.")] * many, user="ana", session="s")
                took.append(1_000 * (time.perf_counter() - began))
            print(f"{f'{many} {trigger} the trigger':<34}{statistics.median(took):>9.2f}")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memory_event ENABLE TRIGGER add_passages")


if __name__ == "__main__":
    main()
