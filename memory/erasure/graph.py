"""What refers to what: an erased row takes along every row that refers to it.

It is read from the models, so that a table which is added later is erased like any other. Apps whose rows belong to
the memory say so (``erased_along`` of their configuration); in those of a host site ``on_delete`` counts: rows that
cascade go, and rows that protect make the database refuse the erasure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db import models
from django.db.models import CompositePrimaryKey, Model

from memory.models import Line, Representation, Span, Subject

_WITHIN = {
    (Subject, "line"),
    (Subject, "current"),
    (Line, "head"),
    (Representation, "parent"),
    (Representation, "restores"),
}
"""Within one subject: nothing goes because of these. What they name is set back (``unreadable``)."""

_CLEARED = {(Span, "replaced_by")}
"""What stays without what it names."""


@dataclass(frozen=True, slots=True)
class Edge:
    """That rows of ``child`` refer to rows of ``parent`` by a column; ``clears`` says that they stay without."""

    child: type[Model]
    column: str
    parent: type[Model]
    clears: bool


@cache
def edges() -> tuple[Edge, ...]:
    """Return all edges that an erasure follows or clears."""
    found = []
    for child in apps.get_models():
        if child._meta.proxy or not child._meta.managed:
            continue
        for field in child._meta.concrete_fields:
            parent = getattr(field.related_model, "_meta", None)
            if not isinstance(field, models.ForeignKey) or parent is None or (child, field.name) in _WITHIN:
                continue
            if not _erased_along(parent.concrete_model):
                continue
            clears = (child, field.name) in _CLEARED or field.remote_field.on_delete is models.SET_NULL
            if clears or _erased_along(child) or field.remote_field.on_delete is models.CASCADE:
                found.append(Edge(child, field.column, parent.concrete_model, clears))
    return tuple(found)


def followed(parent: type[Model]) -> list[Edge]:
    """Return by what rows go along with rows of ``parent``."""
    return [edge for edge in edges() if edge.parent is parent and not edge.clears]


def is_leaf(model: type[Model]) -> bool:
    """Say whether a table's rows have no id of their own: nothing refers to them."""
    return isinstance(model._meta.pk, CompositePrimaryKey)


def children_first(wanted: Iterable[type[Model]]) -> list[type[Model]]:
    """Return tables in an order in which their rows can be deleted."""
    below = defaultdict(list)
    for edge in edges():
        below[edge.parent].append(edge.child)
    done: list[type[Model]] = []
    seen: set[type[Model]] = set()

    def visit(model: type[Model]) -> None:
        if model not in seen:
            seen.add(model)
            for child in below[model]:
                visit(child)
            done.append(model)

    for model in wanted:
        visit(model)
    wanted = set(wanted)
    return [model for model in done if model in wanted]


def _erased_along(model: type[Model]) -> bool:
    return bool(getattr(apps.get_app_config(model._meta.app_label), "erased_along", False))
