"""What every test stands on: the databases of runs that were killed are cleared away."""

import os

import pytest

RUN_PREFIX = "test_honcho_"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The test database, after the ones that killed runs left behind are dropped."""
    with django_db_blocker.unblock():
        drop_left_databases()


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
