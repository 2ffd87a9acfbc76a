"""A clock that is wrong, for a whole process."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.utils import timezone


def skew(seconds: float) -> None:
    """Let ``time.time`` and ``django.utils.timezone.now`` be off by ``seconds`` from now on, in this process."""
    if not seconds:
        return
    true, off = time.time, timedelta(seconds=seconds)
    time.time = lambda: true() + seconds
    timezone.now = lambda: datetime.now(UTC) + off
