"""System checks: a wrong setting is an error at start that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings as site_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from memory import conf, partitions
from memory.search import embedders


@register("honcho")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse keys of ``HONCHO`` that nothing reads and values that cannot be used."""
    given = getattr(site_settings, conf.SETTING, {})
    if not isinstance(given, dict):
        return [Error("HONCHO is not a dict.", hint='Write HONCHO = {"AUTH": True}.', id="memory.E001")]
    found: list[CheckMessage] = []
    known = conf.known_keys()
    for key in sorted(set(given) - known, key=str):
        near = difflib.get_close_matches(str(key).upper(), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It can hold {', '.join(sorted(known))}."
        found.append(Error(f"HONCHO has a key that nothing reads: {key!r}.", hint=hint, id="memory.E002"))
    for section in conf.Section.sections:
        for key, advice in section.load().problems():
            found.append(Error(f"HONCHO[{key!r}] cannot be used.", hint=advice, id="memory.E003"))
    if problem := embedders.problem():
        found.append(Error("HONCHO['EMBEDDER'] cannot be used.", hint=problem, id="memory.E003"))
    return found


@register("honcho")
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The store keeps its promises with PostgreSQL's means; no other database has them."""
    if connection.vendor == "postgresql":
        return []
    return [
        Error(
            "Honcho needs PostgreSQL 14 or newer as the default database.",
            hint="Set DATABASES['default'] to a PostgreSQL server.",
            id="memory.E004",
        )
    ]


@register("honcho", Tags.database)
def check_extension(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Tell before ``migrate`` begins where the server has no pgvector: one of the first migrations asks for it."""
    if not databases or "default" not in databases or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')")
        [there] = cursor.fetchone()
    if there:
        return []
    return [
        Error(
            "The PostgreSQL server has no pgvector, in whose columns embeddings are kept.",
            hint="Install it beside the server (Debian and Ubuntu: postgresql-NN-pgvector, or the image "
            "pgvector/pgvector). Managed databases have it.",
            id="memory.E005",
        )
    ]


@register("honcho", Tags.database)
def check_partitions(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Tell where the next partition of the log is missing; asked for with ``check --database default``."""
    if not databases or "default" not in databases or partitions.TABLE not in connection.introspection.table_names():
        return []
    missing = [one.name for one in partitions.missing()]
    if not missing:
        return []
    return [
        Warning(
            f"The log has no partition {' and no '.join(missing)} yet.",
            hint="Let a worker run, or run `manage.py log_partitions` once a day. Until then all goes to the default.",
            id="memory.W001",
        )
    ]
