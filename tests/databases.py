"""The test databases: left ones are dropped, and what migrating made is brought back after each test."""

import json
import os
import warnings
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import testcases

from tests import shared

RUN_PREFIX = "test_honcho_"


def is_ours() -> bool:
    """Say whether the server is our own: on somebody else's nothing is dropped by its name alone."""
    from django.db import connection

    return bool(connection.settings_dict["ENGINE"] == "honcho_site.embedded_postgres")


def drop_left_databases() -> None:
    """Drop the test databases of runs whose process is gone (the run's process id is in their name)."""
    from django.db import connection

    if not is_ours():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{RUN_PREFIX}%"])
        for (name,) in cursor.fetchall():
            run = name.removeprefix(RUN_PREFIX).partition("_")[0]
            if run.isdigit() and not alive(int(run)):
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def end_left_sessions() -> None:
    """End what sessions are left on the test database, which else could not be dropped, and say what they did last."""
    from django.db import connection

    with connection.cursor() as cursor, warnings.catch_warnings():
        warnings.simplefilter("default")  # not an error: no test can be blamed for it now
        cursor.execute(
            "SELECT state, query, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        for state, query, _ in cursor.fetchall():
            warnings.warn(f"A session was left on the test database, {state} after {query[:200]!r}.", stacklevel=1)


def migrated_name() -> str:
    """The name of the database that one process of a run migrates, for the others to copy."""
    return f"{RUN_PREFIX}{os.environ['HONCHO_TEST_RUN']}_migrated"


def copy_a_migrated_one() -> None:
    """Let the test database be made as a copy: to migrate takes seconds, and each process of a run wants one.

    The next run drops what was copied, as it does with all that is left.
    """
    from django.db import connection

    if not is_ours():
        return
    shared.once("database", lambda _: _migrate())
    connection.settings_dict["TEST"]["TEMPLATE"] = migrated_name()


def _migrate() -> None:
    from django.db import connection

    own, test = connection.settings_dict["NAME"], connection.settings_dict["TEST"]
    name, test["NAME"] = test["NAME"], migrated_name()
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.creation.destroy_test_db(own, verbosity=0, keepdb=True)  # it closes the connection, no more
    finally:
        test["NAME"] = name


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
