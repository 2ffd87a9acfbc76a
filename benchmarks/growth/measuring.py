"""What a call costs: statements, pages of the database, and the CPU of this process and of PostgreSQL's.

Pages are what PostgreSQL itself counts for the connection (``pg_stat_get_backend_io``, PostgreSQL 18): each page that
is looked at, whether it was in memory or not. A busy machine does not change them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db import connection

from benchmarks.search import cpu

_PAGES = """
SELECT coalesce(sum(hits + read_bytes / current_setting('block_size')::int), 0)::bigint
  FROM pg_stat_get_backend_io(pg_backend_pid())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call took. ``client`` and ``server`` are milliseconds of CPU."""

    statements: float
    pages: float
    client: float
    server: float

    @classmethod
    def middle(cls, costs: Iterable[Cost]) -> Self:
        """Return the median of several."""
        rows = [asdict(cost) for cost in costs]
        return cls(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


class Meter:
    """Measures calls on this thread's connection; what measuring costs is not counted."""

    def __init__(self) -> None:
        self._own = 0
        self._own = round(Cost.middle(self.measure(lambda: None) for _ in range(5)).pages)

    def measure(self, call: Callable[[], object]) -> Cost:
        """Return what one call costs."""
        statements = 0

        def count(execute: Callable[..., Any], *statement: Any) -> Any:
            nonlocal statements
            statements += 1
            return execute(*statement)

        pages = self._pages()
        client, server = cpu()
        with connection.execute_wrapper(count):
            call()
        now = cpu()
        return Cost(statements, self._pages() - pages - self._own, now[0] - client, now[1] - server)

    def _pages(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(_PAGES)
            found: int = cursor.fetchone()[0]
        return found


def sizes() -> Mapping[str, Mapping[str, int]]:
    """Return the rows and bytes of each table (TOAST in ``table``), and the bytes of each of its indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_live_tup, pg_table_size(relid) FROM pg_stat_user_tables WHERE n_live_tup > 100"
        )
        found = {name: {"rows": rows, "table": size} for name, rows, size in cursor.fetchall()}
        cursor.execute("SELECT relname, indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes")
        for table, index, size in cursor.fetchall():
            if table in found:
                found[table][index] = size
    return found
