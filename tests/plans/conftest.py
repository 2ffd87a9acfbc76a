"""A database of copies, as ``benchmarks.growth`` fills it, on the server of the tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from benchmarks.growth import copying, running, world

EVENTS = 3_000


@pytest.fixture(scope="package")
def copies(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Be in a database of its own, with some thousands of events that are copies of a few."""
    with django_db_blocker.unblock():
        base = connection.settings_dict["NAME"]
        database = f"{base}_copies"
        running.make_empty(database, base)
        try:
            world.make(people_copied=1, sessions=5)
            copying.fill(EVENTS)
            yield
        finally:
            running.drop(database, base)
