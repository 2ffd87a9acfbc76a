"""What every test stands on: the databases of runs that were killed are cleared away."""

import json
import os
from typing import Any

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import testcases
from xdist.scheduler import LoadScopeScheduling

RUN_PREFIX = "test_honcho_"

ONE_WORKER = {
    "integrations/tests/test_integrations.py",
    "tests/admin/test_admin_browser.py",
    "tests/admin/test_quarantine_browser.py",
    "tests/clients/test_apps_era.py",
    "tests/clients/test_generated.py",
    "tests/clients/test_typescript.py",
    "tests/crash/test_kill.py",
    "tests/crash/test_watchdog.py",
    "tests/faults/test_faults.py",
    "tests/site/test_launcher.py",
}
"""Files whose tests stand on something that takes long to make: one process of a run makes it, and runs them all."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Any process takes any test, but those of some files stay together.

    (The groups of pytest-xdist 3.8 say so too, but nothing heeds them with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in ONE_WORKER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Return how many processes there are: one more than cores, for many tests wait for processes of their own."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> LoadScopeScheduling:
    """Say which process runs which tests."""
    return Together(config, log)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database, after the ones that killed runs left behind are dropped."""
    with django_db_blocker.unblock():
        drop_left_databases()
        note_what_migrating_made()


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


DatabaseOperations.sql_flush = empty  # type: ignore[method-assign]
testcases.call_command = flush  # type: ignore[attr-defined]
