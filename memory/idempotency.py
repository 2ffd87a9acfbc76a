"""Answers kept under an idempotency key, so that a write that is sent again is not done again.

A row per key is claimed first and filled last, both in the transaction of the write itself: a second request with the
key waits for the first, and what undoes the write undoes the row.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from memory.conf import MemorySettings
from memory.errors import Conflict
from memory.models import KeptAnswer

_CLAIM = """
INSERT INTO memory_keptanswer (scope, key, request, status, body, created_at)
VALUES (%(scope)s, %(key)s, %(request)s, 0, '', %(now)s)
ON CONFLICT (scope, key) DO UPDATE SET request = EXCLUDED.request, created_at = EXCLUDED.created_at
 WHERE memory_keptanswer.created_at <= %(expired)s
RETURNING id
"""


class KeyReused(Conflict):
    """An idempotency key came again with another request."""

    code = "idempotency_conflict"


def scope_of(key_id: UUID | None, app: str | None) -> str:
    """Return where an idempotency key counts: with one API key and, as an operator's opens many, in one app.

    The app is hashed: a long name and a long key together would not fit into an index.
    """
    return f"{key_id or 'any'}/{hashlib.sha256((app or '').encode()).hexdigest()}"


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return what tells a request from another: a hash of its method, its path with the query, and its body."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()


def claim(scope: str, key: str, request: str) -> tuple[KeptAnswer, bool]:
    """Return the row of a key, and whether it is the caller's to fill; otherwise it holds the answer to give again.

    Call it in the transaction of the write, before the write. Waits while another request with the key is under way.
    Raises :class:`KeyReused` where the key was used for another request.
    """
    now = timezone.now()
    asked: dict[str, Any] = {"scope": scope, "key": key, "request": request, "now": now, "expired": _expired(now)}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, asked)
        made = cursor.fetchone()
    if made is not None:
        return KeptAnswer(made[0], scope, key, request, created_at=now), True
    kept = KeptAnswer.objects.get(scope=scope, key=key)
    if kept.request != request:
        raise KeyReused("This Idempotency-Key was used before for another request. Take a new one for each write.")
    return kept, False


def keep(row: KeptAnswer, status: int, body: bytes) -> None:
    """Fill a claimed row with the answer."""
    row.status, row.body = status, body
    row.save(force_update=True, update_fields=["status", "body"])


def prune() -> int:
    """Delete the answers that are kept no longer, and return how many they were."""
    return KeptAnswer.objects.filter(created_at__lte=_expired(timezone.now())).delete()[0]


def _expired(now: datetime) -> datetime:
    return now - timedelta(hours=MemorySettings.load().idempotency_hours)
