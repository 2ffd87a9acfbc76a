"""The plans of statements as they are made: what PostgreSQL reads of which table, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

Plan = Mapping[str, Any]
"""A node of a plan, as EXPLAIN gives it in JSON, with those under it in ``Plans``."""

_EXPLAINED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")


def plan_of(connection: BaseDatabaseWrapper, sql: str, params: Any, *, executed: bool = False) -> Plan:
    """Return the plan of a statement; ``executed``, with what it read: it has done all that it does then."""
    options = "ANALYZE, TIMING off, FORMAT json" if executed else "FORMAT json"
    with connection.connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({options}) {sql}", params or None)
        found: Plan = cursor.fetchone()[0][0]["Plan"]
    return found


def nodes(plan: Plan) -> Iterator[Plan]:
    """Yield all nodes of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@dataclass
class Plans:
    """Keeps the plan of each statement that is made, beside its SQL. For ``connection.execute_wrapper``."""

    found: list[tuple[str, Plan]] = field(default_factory=list)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Make a statement; explain it first."""
        if sql.lstrip("( \n").upper().startswith(_EXPLAINED):
            self.found.append((sql, plan_of(context["connection"], sql, params)))
        return execute(sql, params, many, context)
