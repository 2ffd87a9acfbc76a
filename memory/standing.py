"""Which statements stand in a line: now, or in one of its versions.

Of a long history few spans are open, of a short one all, and the planner knows no more than the average: asked for the
statements with them, it would expect so many that it reads all statements there are. So what stands is found by an
index first, and the rest is asked of those rows alone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Lookup, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from memory.models import Representation, Span


def standing_now(line_id: UUID) -> QuerySet[Span]:
    """Return the spans of what stands in a line now."""
    return by_ids(Span.objects.filter(line=line_id, until=None))


def standing_in(version: Representation) -> QuerySet[Span]:
    """Return the spans of what stands in a version."""
    begun = Span.objects.filter(line=version.line_id, since__lte=version.number)
    still, then = begun.filter(until=None), begun.filter(until__gt=version.number)
    return by_ids(still.values("pk").union(then.values("pk"), all=True))


def by_ids(spans: QuerySet[Span, Any]) -> QuerySet[Span]:
    """Return the same spans, such that the planner takes them for few, to be found by their ids."""
    return Span.objects.filter(_AnyOf(F("pk"), ArraySubquery(spans.values("pk"))))


class _AnyOf(Lookup):
    """``= ANY(ARRAY(SELECT …))``: the planner takes it for a few rows to be found by the index."""

    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL and its parameters."""
        lhs, of_lhs = self.process_lhs(compiler, connection)
        rhs, of_rhs = self.process_rhs(compiler, connection)
        return f"{lhs} = ANY({rhs})", (*of_lhs, *of_rhs)
