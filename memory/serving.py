"""Why readers get another version than before.

The database itself notes each move of ``Subject.current`` in ``memory.models.Serving``: what was served from when.
Whoever moves it, for one subject or for thousands in one statement, can have the reason noted too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def because(reason: str, by: str = "") -> Iterator[None]:
    """Have a reason, and by whom, noted with each move of ``Subject.current`` that is made within. One transaction."""
    with transaction.atomic():
        _say(reason, by)
        yield
        _say("", "")


def _say(reason: str, by: str) -> None:
    # Until the transaction ends: a connection that is used again does not remember it.
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('memory.reason', %s, true), set_config('memory.by', %s, true)", [reason, by])
