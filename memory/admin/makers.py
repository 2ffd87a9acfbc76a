"""What made versions, as another app knows it: the store knows prompts and passes by their names and ids alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from django.db.models import Model

from memory.models import Representation

Recipes = Callable[[Collection[str]], Mapping[str, Model]]
Passes = Callable[[Sequence[Representation]], Mapping[UUID, Model]]

_recipes: list[Recipes] = []
_passes: list[Passes] = []


def names_recipes(find: Recipes) -> Recipes:
    """Let a function tell which rows are behind the names of recipes; one query, however many there are."""
    _recipes.append(find)
    return find


def names_passes(find: Passes) -> Passes:
    """Let a function tell which rows made versions, by the version's id; one query, however many there are."""
    _passes.append(find)
    return find


def recipes(names: Collection[str]) -> dict[str, Model]:
    """Return the row behind the name of each recipe, where there is one."""
    return {name: row for find in _recipes for name, row in find(names).items()}


def passes(versions: Sequence[Representation]) -> dict[UUID, Model]:
    """Return the row of what made each version, where there is one."""
    return {pk: row for find in _passes for pk, row in find(versions).items()}
