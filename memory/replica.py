"""Reads from a replica (PostgreSQL's streaming replication), for a site that has one: ``DATABASES["replica"]``.

A replica is behind by what has not reached it yet. It answers only those who say how far it must be, by a position that
they were given before: they read nothing older than that. Everybody else reads from the database itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

ALIAS = "replica"

_alias: ContextVar[str] = ContextVar("alias", default=DEFAULT_DB_ALIAS)

# What has been committed lies below what is on the primary's disk, or where commits do not wait for that, below what is
# on its way there; a replica shows what lies below what it has replayed.
_POSITION = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
             WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
             ELSE pg_current_wal_flush_lsn() END)::text
"""
_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class Router:
    """Sends the ORM's reads to the replica within :func:`reading`, and everything else to the database itself."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """Return the replica's alias while it is read from."""
        alias = _alias.get()
        return None if alias == DEFAULT_DB_ALIAS else alias

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Leave the replica's tables to its replication."""
        return False if db == ALIAS else None


def exists() -> bool:
    """Say whether the site has a replica."""
    return ALIAS in connections.settings


def connection() -> BaseDatabaseWrapper:
    """Return the connection that reads go by: the replica's within :func:`reading`, else the database's own."""
    return connections[_alias.get()]


@contextmanager
def reading() -> Iterator[None]:
    """Let reads of this thread go to the replica."""
    before = _alias.set(ALIAS)
    try:
        yield
    finally:
        _alias.reset(before)


def position() -> str:
    """Return how far the server that reads go to has come: it shows all that was committed below. One statement."""
    with connection().cursor() as cursor:
        cursor.execute(_POSITION)
        found: str = cursor.fetchone()[0]
    return found


def number(position: str) -> int | None:
    """Return a position as a number, by which positions are compared; None for what is none."""
    parts = _FORM.fullmatch(position)
    return None if parts is None else int(parts[1], 16) << 32 | int(parts[2], 16)
