"""Whether the site can do its work: the database, its migrations, and a worker that lives."""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from memory import clock
from reasoning.conf import ReasoningSettings
from reasoning.models import Worker

_applied = False


def problems() -> dict[str, str]:
    """Return what is wrong, by part: ``database``, ``migrations``, ``worker``. Empty where nothing is."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return {"database": "The database cannot be reached."}
    try:
        waiting = _migrations_waiting()
        if waiting:
            return {"migrations": f"{waiting} migrations are not applied: run `manage.py migrate`."}
        return _worker_problem()
    except DatabaseError:
        return {"database": "The database does not answer as it should."}


def _migrations_waiting() -> int:
    """Return how many migrations are not applied. Once there are none, this process looks no more."""
    global _applied
    if _applied:
        return 0
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    _applied = waiting == 0
    return waiting


def _worker_problem() -> dict[str, str]:
    newest = Worker.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    silence = ReasoningSettings.load().worker_silence_seconds
    if newest is None:
        return {"worker": "No worker has ever run: start `manage.py worker`, or `manage.py reason --forever`."}
    if newest < clock.now() - timedelta(seconds=silence):
        return {"worker": f"The last worker was seen at {newest:%Y-%m-%d %H:%M:%S} UTC, over {silence:g} seconds ago."}
    return {}
