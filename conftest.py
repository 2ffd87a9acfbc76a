"""What every test stands on, those of the clients and integrations too: its process, and its database."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import databases, scheduling, shared


def pytest_configure() -> None:
    """Make the folder that the processes of this run share, before there are any but this one."""
    shared.folder()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Return how many processes there are: one more than cores, for many tests wait for processes of their own."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> LoadScopeScheduling:
    """Say which process runs which tests."""
    return scheduling.Together(config, log)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, django_db_keepdb: bool, django_db_blocker: Any
) -> None:
    """The test database of each process of a run is a copy of one that was migrated once."""
    if "PYTEST_XDIST_WORKER" in os.environ and not django_db_keepdb:
        with django_db_blocker.unblock():
            databases.copy_a_migrated_one()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, after the ones that killed runs left behind are dropped."""
    with django_db_blocker.unblock():
        databases.drop_left_databases()
        databases.note_what_migrating_made()
    databases.keep_what_migrating_made()
    yield
    with django_db_blocker.unblock():
        databases.end_left_sessions()
