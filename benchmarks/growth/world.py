"""The small worlds that are copied: what the product itself makes of some conversations.

Conversations of the data set that ships with the project are appended, reasoned over by the built-in reasoner and
indexed, in two rounds, so that everybody has several versions: people with a session each in one app, and in another
app somebody of whom there is much.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.test import override_settings

from benchmarks.recall.conversations import Turn
from benchmarks.recall.datasets import own
from memory import log, tenants
from memory.log import NewEvent
from memory.search import index
from reasoning import consolidation
from reasoning.drainer import Drainer

GROWN = "growth"
"""The app that grows: the copies are in it."""

PEOPLE_APP, HUGE_APP = "growth: people", "growth: huge"

DIGITS = "00000000"
"""In the names of users and sessions: the number of the copy."""

HUGE = "huge"
"""The user of whom there is a tenth of all events."""

PEOPLE, SESSIONS = 40, 40
"""So many people are copied, and so many sessions of the huge user."""

EVENTS = 20
"""In each session."""

_ROUNDS = 2
"""So often everybody speaks, and is reasoned over."""


def person(place: int) -> str:
    """Return the name of one of the people: a word that is in no text."""
    return f"zoe{DIGITS}x{place}"


def session(place: int) -> str:
    """Return the name of a session."""
    return f"s{DIGITS}x{place}"


def make(people_copied: int = PEOPLE, sessions: int = SESSIONS) -> None:
    """Make both worlds, and the app that their copies go to."""
    talks = _talks()
    people = [(PEOPLE_APP, person(place), session(place), next(talks)) for place in range(people_copied)]
    huge = [(HUGE_APP, HUGE, session(place), next(talks)) for place in range(sessions)]
    tenants.make_app(GROWN)
    with override_settings(HONCHO=settings.HONCHO | {"CONSOLIDATE_STATEMENTS": 1}):
        for part in range(_ROUNDS):
            size = EVENTS // _ROUNDS
            for app, user, talk, turns in people + huge:
                log.append(app, _events(turns[part * size : (part + 1) * size]), user=user, session=talk)
            settle()


def settle() -> None:
    """Let all that waits be read, consolidated and indexed."""
    asyncio.run(Drainer().run(until_idle=True))
    while consolidation.mark_due():
        asyncio.run(Drainer().run(until_idle=True))
    while index.work():
        pass


def _talks() -> Iterator[Sequence[Turn]]:
    """Yield as many turns as a session has, again and again others."""
    turns = (turn for conversation in own.load().conversations for turn in conversation.turns if turn.text)
    return iter(lambda: list(itertools.islice(turns, EVENTS)), [])


def _events(turns: Sequence[Turn]) -> list[NewEvent]:
    return [NewEvent(content=turn.text, origin="agent" if turn.author == "Assistant" else "user") for turn in turns]
