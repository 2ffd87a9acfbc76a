"""The test databases: left ones are dropped, and what migrating made is brought back after each test."""

import json
import os
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import testcases

RUN_PREFIX = "test_honcho_"


def drop_left_databases() -> None:
    """Drop the test databases of runs whose process is gone (the run's process id is in their name)."""
    from django.db import connection

    if connection.settings_dict["ENGINE"] != "honcho_site.embedded_postgres":
        return  # on somebody's server we drop nothing that we did not make
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{RUN_PREFIX}%"])
        for (name,) in cursor.fetchall():
            run = name.removeprefix(RUN_PREFIX).partition("_")[0]
            if run.isdigit() and not alive(int(run)):
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def alive(pid: int) -> bool:
    """Say whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


truncate = DatabaseOperations.sql_flush
call_command = testcases.call_command  # type: ignore[attr-defined]

KEPT = {"django_content_type", "auth_permission"}
"""What migrating makes and no test changes: it stays."""

made: dict[str, str] = {}
"""What else migrating made, the first prompts: rows as JSON, by table."""


def note_what_migrating_made() -> None:
    """Note the rows of a database that no test has seen yet."""
    from django.db import connection

    if made:
        return
    with connection.cursor() as cursor:
        for table in set(connection.introspection.django_table_names(only_existing=True)) - KEPT:
            cursor.execute(f"SELECT json_agg(row) FROM {connection.ops.quote_name(table)} row")
            rows = cursor.fetchone()[0]
            if rows:
                made[table] = rows if isinstance(rows, str) else json.dumps(rows)


def empty(self: Any, style: Any, tables: Any, *, reset_sequences: bool = False, allow_cascade: bool = False) -> Any:
    """Bring back what migrating made, row by row: to make all tables anew takes longer than most tests do."""
    with self.connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if reset_sequences or not tables or not cursor.fetchone()[0]:
            return truncate(self, style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
        names = [self.quote_name(table) for table in tables if table not in KEPT]
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names))
        full = [name for (name,) in cursor.fetchall()]
        back = [
            cursor.mogrify(f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, %s)", [made[table]])
            for table, name in ((table, self.quote_name(table)) for table in made)
        ]
    # As a replica does: what the triggers refuse, and the order of foreign keys, do not matter to who empties all.
    return [
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {name}" for name in full),
        *back,
        "SET LOCAL session_replication_role = DEFAULT",
    ]


def flush(name: str, *arguments: Any, **options: Any) -> Any:
    """What a test ends with: nothing that migrating does has to be done again."""
    return call_command(name, *arguments, **options | ({"inhibit_post_migrate": True} if name == "flush" else {}))


def keep_what_migrating_made() -> None:
    """Let tests that commit end with tables as migrating left them."""
    DatabaseOperations.sql_flush = empty  # type: ignore[method-assign]
    testcases.call_command = flush  # type: ignore[attr-defined]
