"""A database for each size, filled and measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import connection

from benchmarks.growth import copying, paths, world
from benchmarks.growth.measuring import Cost, Meter, sizes
from benchmarks.growth.paths import Agent, Passes, Someone, Step
from memory.models import User

PEOPLE = 10
"""So many of the people are measured, each once."""

TIMES = 5
"""So often the huge user is."""

Costs = dict[str, list[Cost]]


def database_of(events: int) -> str:
    """Return the name of the database of a size."""
    return f"{connection.settings_dict['TEST']['NAME']}_{events}"


def exists(database: str) -> bool:
    """Say whether a database was kept by an earlier run."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [database])
        return cursor.fetchone() is not None


def make_world() -> None:
    """Make the database that all others are copies of, and what is copied in them."""
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    world.make()


def make(events: int, base: str) -> None:
    """Make the database of a size, as a copy of the one with the worlds, and go there."""
    make_empty(database_of(events), base)
    copying.fill(events)


def make_empty(database: str, base: str) -> None:
    """Make a database as a copy of another that nobody uses, and go there."""
    go_to("postgres")
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{database}"')
        cursor.execute(f'CREATE DATABASE "{database}" TEMPLATE "{base}"')
    go_to(database)


def go_to(database: str) -> None:
    """Let this thread's connection be to another database of the server."""
    connection.close()
    connection.settings_dict["NAME"] = database


def drop(database: str, base: str) -> None:
    """Drop a database, and go back to the one with the worlds."""
    go_to(base)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def measure(skipped: Collection[str] = ()) -> dict[str, Any]:
    """Measure every path in this database, of people and of the huge user; return the medians, and the sizes."""
    world.settle()
    found: dict[str, Any] = {"sizes": sizes(), "paths": {}}
    some = [Someone.of(user) for user in people(2 * PEOPLE + 1)]
    huge = Someone.of(User.objects.get(app__name=world.GROWN, name=world.HUGE))
    agent, meter, passes = Agent(), Meter(), Passes()
    readers, writers = some[: PEOPLE + 1], some[PEOPLE:]

    def reads(who: Someone) -> Iterator[Step]:
        return (step for step in paths.reads(agent, who) if step[0] not in skipped)

    rounds: list[tuple[str, Callable[[Someone], Iterator[Step]], list[Someone]]] = [
        ("people", reads, readers),
        ("huge", reads, [huge] * (TIMES + 1)),
        ("console", lambda _: paths.pages(agent), [huge] * 4),
        ("people", lambda who: paths.writes(agent, who), writers),
        ("huge", lambda who: paths.writes(agent, who), [huge] * (TIMES + 1)),
    ]
    for name, steps, asked in rounds:
        _measure(found["paths"].setdefault(name, {}), meter, steps, asked)
    world.settle()
    for name, asked in (("people", readers), ("huge", [huge] * (TIMES + 1))):
        _measure(found["paths"][name], meter, lambda who: passes.steps(agent, who), asked)
    world.settle()
    _measure(found["paths"]["people"], meter, lambda who: paths.erase(agent, who), writers[:4])
    return found


def _measure(
    found: dict[str, Cost], meter: Meter, steps: Callable[[Someone], Iterator[Step]], asked: list[Someone]
) -> None:
    """Measure steps for each of those asked; the first of them only warms up."""
    costs: Costs = {}
    for place, who in enumerate(asked):
        for name, call in steps(who):
            cost = meter.measure(call)
            if place:
                costs.setdefault(name, []).append(cost)
    found.update({name: Cost.middle(each) for name, each in costs.items()})


def people(count: int) -> list[User]:
    """Return some of the people, of copies far from each other; not those whom an earlier run has erased."""
    rows = User.objects.filter(app__name=world.GROWN).exclude(name=world.HUGE)
    copied = User.objects.filter(app__name=world.PEOPLE_APP).count()
    copies = rows.count() // copied
    names = [
        world.person(place % copied).replace(world.DIGITS, f"{1 + place * copies // (2 * count):08d}")
        for place in range(2 * count)
    ]
    return list(rows.filter(name__in=names).order_by("name")[:count])
