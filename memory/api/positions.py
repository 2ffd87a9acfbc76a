"""``Honcho-Position``: who sends back the newest they were given may be answered by a replica (``memory.replica``).

Every answer to a write has it, and every answer to a read that had it. So whoever keeps sending the newest reads their
own writes, and never what is older than what they have read.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse

from memory import replica
from memory.api.errors import InvalidParameter

HEADER = "Honcho-Position"

_AWAY_SECONDS = 5.0
"""For so long a process does not ask a replica again that failed: to find out may take as long as connecting may."""

_away_until = 0.0

log = structlog.get_logger(__name__)


def read(request: HttpRequest, handle: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer a read that changes nothing: from the replica where it has come as far as the request asks.

    Whoever waits for reasoning waits for what is being written, so that is read where it is written.
    """
    global _away_until
    asked = request.headers.get(HEADER)
    if asked is None or not replica.exists():
        return handle()
    least = replica.number(asked)
    if least is None:
        raise InvalidParameter("header", HEADER, "Send a position as it was given, or 0/0 for any.")
    if "wait" not in request.GET and _may_ask():
        try:
            with replica.reading():
                reached = replica.number(replica.position()) or 0
                _away_until = 0.0
                if reached >= least:
                    return told(handle())
        # It is away, had to give way to what it replays, or has not replayed a migration yet.
        except (OperationalError, InterfaceError, ProgrammingError) as error:
            _away_until = time.monotonic() + _AWAY_SECONDS
            log.warning("replica_unavailable", error=type(error.__cause__ or error).__name__)
    return told(handle())


def _may_ask() -> bool:
    """Say whether to ask the replica. Once it has failed, one request alone finds out whether it is back."""
    global _away_until
    now = time.monotonic()
    if now < _away_until:
        return False
    if _away_until:
        _away_until = now + _AWAY_SECONDS
    return True


def told(response: HttpResponse) -> HttpResponse:
    """Return an answer with the position of the server that gave it, or that has committed it."""
    response[HEADER] = replica.position()
    return response
