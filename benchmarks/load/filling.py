"""An app to measure: users with a history, and one who has said much.

What they say and what is asked is the text of our own data set for recall: words are as frequent in it as in a
language. It goes by the log and the loop, so that all that a read meets is there as it is in production: versions,
statements with their evidence, the index of words, and a few messages that nothing was concluded from yet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import cache

from django.db import connection

from benchmarks.recall.datasets import own

APP = "load"
SESSION = "chat"
USERS = 200
MESSAGES = 16
"""Of each user: what is known of them and of their session then comes to some 4 kB."""

PENDING = 5
"""So many more of each have not been read by the loop."""

TALKER = "talker"
TALKED = 1_000


@cache
def said() -> Sequence[str]:
    """Return all that is said in the data set, one conversation after the other."""
    return [turn.text for conversation in own.load().conversations for turn in conversation.turns]


@cache
def asked() -> Sequence[str]:
    """Return what is asked about the conversations that the talker's messages are of."""
    found: list[str] = []
    turns = 0
    for conversation in own.load().conversations:
        if turns < TALKED:
            found += [question.text for question in conversation.questions]
        turns += len(conversation.turns)
    return found


def texts(dice: random.Random, count: int) -> Sequence[str]:
    """Return so many messages as they follow each other somewhere."""
    start = dice.randrange(len(said()) - count)
    return said()[start : start + count]


def name(number: int) -> str:
    """Return the name of a user."""
    return f"user-{number}"


def fill(users: int = USERS, talked: int = TALKED) -> None:
    """Fill the app, unless it is there."""
    from memory import log
    from memory.models import App
    from memory.search import index
    from reasoning.drainer import Drainer

    if App.objects.filter(name=APP).exists():
        return
    dice = random.Random(1)

    def say(user: str, messages: Sequence[str]) -> None:
        for start in range(0, len(messages), 1_000):
            new = [log.NewEvent(content=text) for text in messages[start : start + 1_000]]
            log.append(APP, new, user=user, session=SESSION)

    for number in range(users):
        say(name(number), texts(dice, MESSAGES))
    say(TALKER, said()[:talked])
    asyncio.run(Drainer().run(until_idle=True))
    for number in range(users):
        say(name(number), texts(dice, PENDING))
    while index.work():
        pass
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def known(users: int = USERS) -> list[str]:
    """Return what is known of each user and their session, as a context has it."""
    from memory import reading

    return [reading.context(APP, name(number), SESSION).text for number in range(users)]
