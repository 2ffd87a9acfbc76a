"""The end of the dead rows: what an erasure has deleted or emptied leaves tables and indexes too.

PostgreSQL keeps the old form of a row until a vacuum, and a vacuum leaves it while any transaction is open that began
before. So this is done afterwards, and tried again until no such transaction is left.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

import structlog
from django.apps import apps
from django.db import connection
from django.db.models import Max

from memory import clock
from memory.erasure.marks import word
from memory.errors import Conflict
from memory.models import Erasure

log = structlog.get_logger("honcho.memory")

PATIENCE = timedelta(hours=1)
"""So long a vacuum waits for transactions that began before the erasure; after that it is done, and said in a note."""

_LONGEST_WAIT = "5min"

# A table that is written anew keeps what its own snapshot sees as running, and that looks at all databases.
_OLDER = """
SELECT count(*) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND (datname = current_database() OR %(anywhere)s)
   AND greatest(age(backend_xid), CASE WHEN datname = current_database() THEN age(backend_xmin) END)
       >= age((%(transaction)s %% 4294967296)::text::xid)
"""
_EMPTIED = {
    "representation", "keptanswer", "pass", "work", "feedback", "serving", "ruling", "comparison", "span",
    "wordindex", "posting", "unmergedpassage",
}  # fmt: skip
"""Tables in which rows lose what they said, and stay, or go by a trigger."""

# A vacuum takes the places of a word out of such an index, and leaves the word.
_KEEPS_WORDS = """
SELECT index.oid::regclass::text, pg_index.indisvalid
  FROM pg_index JOIN pg_class index ON index.oid = pg_index.indexrelid JOIN pg_am ON pg_am.oid = index.relam
  JOIN pg_class indexed ON indexed.oid = pg_index.indrelid
 WHERE pg_am.amname = 'gin' AND indexed.relname = ANY(%s) ORDER BY 1
"""

_NOT_OWNED = """
SELECT relname FROM pg_class
 WHERE relname = ANY(%s) AND relkind IN ('r', 'p') AND NOT pg_has_role(current_user, relowner, 'USAGE') ORDER BY relname
"""


def vacuum_erased() -> bool:
    """Vacuum for the erasures since the last time, if none has to wait; a chore. Return whether it was done."""
    waiting = list(Erasure.objects.filter(vacuumed_at=None).order_by("pk"))
    if not waiting or connection.in_atomic_block:
        return False
    older = _older(max(row.transaction for row in waiting))
    if older and waiting[0].created_at > clock.now() - PATIENCE:
        return False
    refused = vacuum({name for row in waiting for name in row.counts}, index_anew=not older)
    notes = [
        f"Not the owner of {', '.join(refused)}: vacuum by another role." if refused else "",
        "Transactions that began before it were still open: vacuum again once they have ended." if older else "",
    ]
    Erasure.objects.filter(pk__in=[row.pk for row in waiting]).update(
        vacuumed_at=clock.now(), vacuum_note=" ".join(filter(None, notes))
    )
    log.info("erasure_vacuumed", erasures=len(waiting), refused=len(refused))
    return True


def rewrite_all(patience: float = 60) -> list[str]:
    """Write every table anew, so that no page holds an old byte; return the tables that we may not.

    First it waits up to ``patience`` seconds for the transactions, of any database of the server, that began before
    the last erasure: while one is open its rows would be copied along.

    Raises:
        Conflict: one was open for longer; nothing was written.
    """
    last = Erasure.objects.aggregate(last=Max("transaction"))["last"]
    give_up = time.monotonic() + patience
    while last is not None and (older := _older(last, anywhere=True)):
        if time.monotonic() > give_up:
            raise Conflict(
                f"{older} transactions that began before the last erasure are still open, so that what it took would"
                " be copied into the new tables. Nothing was written: end them (see pg_stat_activity), and try again."
            )
        time.sleep(0.2)
    return vacuum(rewrite=True)


def vacuum(erased: Collection[str] | None = None, *, index_anew: bool = False, rewrite: bool = False) -> list[str]:
    """Vacuum the tables of what was ``erased`` (by its words in receipts; None: all), return those that we may not.

    With ``index_anew`` indexes of words are made anew beside those in use, which waits for every transaction that is
    open. With ``rewrite`` each table is written anew, so that not even the free room of a page holds an old byte;
    nobody can read or write a table meanwhile. Not inside a transaction.
    """
    ours = [config for config in apps.get_app_configs() if getattr(config, "erased_along", False)]
    models = [model for config in ours for model in config.get_models() if not model._meta.proxy]
    wanted = {
        model._meta.db_table
        for model in models
        if erased is None or word(model) in erased or model._meta.model_name in _EMPTIED
    }
    if apps.is_installed("django.contrib.admin"):
        wanted.add("django_admin_log")
    with connection.cursor() as cursor:
        cursor.execute(_NOT_OWNED, [list(wanted)])
        refused = [name for (name,) in cursor.fetchall()]
        options = "FULL" if rewrite else "INDEX_CLEANUP ON, TRUNCATE OFF"
        for table in sorted(wanted.difference(refused)):
            cursor.execute(f"VACUUM ({options}) {connection.ops.quote_name(table)}")
    if index_anew:
        _index_anew(wanted.difference(refused))
    return refused


def _index_anew(tables: Collection[str]) -> None:
    """Make the indexes of words of these tables anew, while they are in use; gives up where it has to wait long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{_LONGEST_WAIT}'")
        cursor.execute(_KEEPS_WORDS, [list(tables)])
        for name, valid in cursor.fetchall():
            # One that is not valid is what is left of an attempt that was killed.
            cursor.execute(f"REINDEX INDEX CONCURRENTLY {name}" if valid else f"DROP INDEX CONCURRENTLY {name}")
        cursor.execute("RESET lock_timeout")


def _older(transaction: int, *, anywhere: bool = False) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_OLDER, {"transaction": transaction, "anywhere": anywhere})
        return int(cursor.fetchone()[0])
