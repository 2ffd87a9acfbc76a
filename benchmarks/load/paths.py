"""What is measured: each path with the requests that ask for it, and what it may cost."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load import filling
from benchmarks.load.filling import APP, SESSION, TALKER, USERS, name

READ, WRITE = "read", "write"

ROW_FLOOR = "floor: one row by its key"
INSERT_FLOOR = "floor: one row inserted"
PGBENCH = "floor: pgbench, the same row"


@dataclass(frozen=True)
class Asked:
    """One request."""

    target: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Path:
    """A path of the API, or a floor.

    ``ask`` makes one of its requests. ``part`` is how many of them there are for one of a cheap path's. ``budget`` is
    what one may take of web and database together, in milliseconds of processor.
    """

    name: str
    kind: str
    method: str
    ask: Callable[[random.Random], Asked]
    part: float = 1.0
    budget: float | None = None
    keyless: bool = False

    @property
    def floor(self) -> str:
        """What its cost is compared with."""
        return ROW_FLOOR if self.kind == READ else INSERT_FLOOR


_TALK = f"/v1/apps/{APP}/users/{TALKER}/sessions/{SESSION}"


def _user(dice: random.Random) -> str:
    return f"/v1/apps/{APP}/users/{name(dice.randrange(USERS))}"


def _session(dice: random.Random) -> str:
    return f"{_user(dice)}/sessions/{SESSION}"


def _to(place: Callable[[random.Random], str], rest: str) -> Callable[[random.Random], Asked]:
    return lambda dice: Asked(f"{place(dice)}/{rest}")


def _recall(dice: random.Random) -> Asked:
    return Asked(f"/v1/apps/{APP}/users/{TALKER}/query", {"query": dice.choice(filling.asked()), "tokens": 1_000})


def _search(dice: random.Random) -> Asked:
    return Asked(f"/v1/apps/{APP}/users/{TALKER}/search", {"query": dice.choice(filling.asked())})


def _get_or_create(dice: random.Random) -> Asked:
    return Asked(f"{_user(dice)}/sessions/get_or_create/{SESSION}")


def _event(dice: random.Random) -> dict[str, Any]:
    return {"content": " ".join(filling.texts(dice, 4)), "kind": "message"}  # some 400 characters


def _events(many: int) -> Callable[[random.Random], Asked]:
    def ask(dice: random.Random) -> Asked:
        return Asked(f"{_session(dice)}/events", [_event(dice) for _ in range(many)])

    return ask


def _message(dice: random.Random) -> Asked:
    return Asked(f"{_session(dice)}/messages", {"content": _event(dice)["content"], "is_user": True})


def _messages(dice: random.Random) -> Asked:
    messages = [{"content": _event(dice)["content"], "is_user": True} for _ in range(100)]
    return Asked(f"{_session(dice)}/messages/batch", {"messages": messages})


def _unchanged(tags: dict[str, str]) -> Callable[[random.Random], Asked]:
    """Return what asks for what the client has already: ``tags`` are the ETags by target."""

    def ask(dice: random.Random) -> Asked:
        target = f"{_session(dice)}/context"
        return Asked(target, headers={"If-None-Match": tags[target]})

    return ask


def all_of(tags: dict[str, str]) -> list[Path]:
    """Return what is measured, the floors first. ``tags`` are the ETags of all users' contexts by their targets."""
    return [
        Path("floor: no database", READ, "GET", lambda dice: Asked("/floor/nothing"), keyless=True),
        Path(ROW_FLOOR, READ, "GET", lambda dice: Asked(f"/floor/row/{dice.randint(1, USERS)}"), keyless=True),
        Path("context", READ, "GET", _to(_session, "context"), budget=1.0),
        Path("context, 304", READ, "GET", _unchanged(tags), budget=0.6),
        Path("context of the user alone", READ, "GET", _to(_user, "context"), budget=1.0),
        Path("representation", READ, "GET", _to(_user, "representation"), budget=1.0),
        Path("context, tokens=500", READ, "GET", _to(_session, "context?tokens=500"), budget=1.0),
        Path("context, include=pending", READ, "GET", _to(_session, "context?include=pending")),
        Path("context, include=conclusions", READ, "GET", _to(_session, "context?include=conclusions"), 0.5),
        Path("recall for a question", READ, "POST", _recall, 0.5, budget=3.0),
        Path("search by words", READ, "POST", _search, 0.5),
        Path("list of 50 messages", READ, "POST", lambda dice: Asked(f"{_TALK}/messages/list"), 0.5),
        Path("session, get or create", READ, "GET", _get_or_create),
        Path(INSERT_FLOOR, WRITE, "POST", lambda dice: Asked("/floor/insert", _event(dice)), keyless=True),
        Path("one event", WRITE, "POST", lambda dice: Asked(f"{_session(dice)}/events", _event(dice)), budget=2.0),
        Path("one message (apps era)", WRITE, "POST", _message, budget=2.0),
        Path("100 events", WRITE, "POST", _events(100), 0.1, budget=8.0),
        Path("100 messages (apps era)", WRITE, "POST", _messages, 0.1, budget=8.0),
        Path("1,000 events", WRITE, "POST", _events(1_000), 0.03, budget=50.0),
    ]


def targets_of_contexts() -> list[str]:
    """Return the target of each user's context."""
    return [f"/v1/apps/{APP}/users/{name(number)}/sessions/{SESSION}/context" for number in range(USERS)]
