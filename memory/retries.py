"""Writes that a client sends again by itself, without a key, because no answer reached it: done once.

The clients of the apps era (made by Stainless) send no idempotency key. They count: the first try of a write says 0,
the next, equal to the byte, 1. So the answer to each is kept for some minutes, and a later try gets the answer to the
newest equal write that had been tried less often; that one is then taken. Two equal writes that both say 0 are two.

What cannot be told apart: an equal write was stored minutes ago and its answer arrived, and the first try of this one
was lost on its way here. A try that comes second is then taken for the other's. An ``Idempotency-Key``, or an ``id`` of
the client's own in a message, leaves no doubt.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from memory.models import KeptAnswer

KEPT = timedelta(minutes=5)
"""How long an answer is kept: three tries, each given up after a minute, and the waits between them."""

# First tries do not wait for one another; a later one waits for each equal write that is under way.
_LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtextextended(%(scope)s || %(request)s, 0))"

_TAKE = """
UPDATE memory_keptanswer SET tries = %(tries)s WHERE id = (
    SELECT id FROM memory_keptanswer
     WHERE tries < %(tries)s AND created_at > %(expired)s AND request = %(request)s AND scope = %(scope)s
     ORDER BY created_at DESC LIMIT 1)
RETURNING id
"""

# Each answer that is kept clears away some that have expired, so that the table does not grow.
_KEEP = """
WITH gone AS (
    DELETE FROM memory_keptanswer WHERE id IN (
        SELECT id FROM memory_keptanswer WHERE tries IS NOT NULL AND created_at <= %(expired)s
         ORDER BY created_at LIMIT 3 FOR UPDATE SKIP LOCKED)
)
INSERT INTO memory_keptanswer (scope, key, request, tries, status, body, created_at)
VALUES (%(scope)s, %(key)s, %(request)s, %(tries)s, %(status)s, %(body)s, %(now)s)
"""


def claim(scope: str, request: str, tries: int) -> KeptAnswer | None:
    """Return the answer that an earlier try of this write was given, None where the write is the caller's to do.

    Call it in the transaction of the write, before the write. ``scope`` and ``request`` are as in
    :mod:`memory.idempotency`, ``tries`` how often the client has sent it before. One statement for a first try.
    """
    asked: dict[str, Any] = {"scope": scope, "request": request, "tries": tries, "expired": timezone.now() - KEPT}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.format(shared="" if tries else "_shared"), asked)
        if not tries:
            return None
        cursor.execute(_TAKE, asked)
        taken = cursor.fetchone()
    return None if taken is None else KeptAnswer.objects.get(pk=taken[0])


def keep(scope: str, request: str, tries: int, status: int, body: bytes) -> None:
    """Keep the answer to a write, in the write's transaction. One statement."""
    now = timezone.now()
    row: dict[str, Any] = {"scope": scope, "key": f"tries/{uuid4()}", "request": request, "tries": tries}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, row | {"status": status, "body": body, "now": now, "expired": now - KEPT})
