"""API keys: made once, kept as a hash, verified without a query on the hot path."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from memory.conf import MemorySettings
from memory.errors import Invalid
from memory.models import ApiKey, App, Session, User

_PREFIX = "hk_"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified key opens. The user of a session's key is the session's owner."""

    key_id: UUID | None
    scope: str
    app_id: UUID | None
    app_name: str | None
    user_id: UUID | None
    user_name: str | None
    session_id: UUID | None
    read_only: bool
    expires_at: datetime | None = None
    session_name: str | None = None


EVERYTHING = Grant(None, ApiKey.Scope.OPERATOR, None, None, None, None, None, read_only=False)
"""What a request may do where ``HONCHO["AUTH"]`` is off."""


def create(
    name: str,
    scope: str,
    *,
    app: App | None = None,
    user: User | None = None,
    session: Session | None = None,
    read_only: bool = False,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return its row and the key itself, which is shown this once.

    Raises :class:`Invalid` where the scope and what it names do not fit together.
    """
    needs = {
        ApiKey.Scope.OPERATOR: (None, None, None),
        ApiKey.Scope.APP: (app, None, None),
        ApiKey.Scope.USER: (app, user, None),
        ApiKey.Scope.SESSION: (app, None, session),
    }
    if scope not in needs:
        raise Invalid(f"Use one of {', '.join(ApiKey.Scope.values)}.", ("scope",))
    wanted = {
        ApiKey.Scope.OPERATOR: (),
        ApiKey.Scope.APP: ("app",),
        ApiKey.Scope.USER: ("app", "user"),
        ApiKey.Scope.SESSION: ("app", "session"),
    }[ApiKey.Scope(scope)]
    for part, value in {"app": app, "user": user, "session": session}.items():
        if part in wanted and value is None:
            raise Invalid(f"A key of scope {scope} needs the {part}.", (part,))
    kept_app, kept_user, kept_session = needs[ApiKey.Scope(scope)]
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ApiKey.objects.create(
        name=name,
        prefix=key[:10],
        digest=_digest(key),
        scope=scope,
        app=kept_app,
        user=kept_user,
        session=kept_session,
        read_only=read_only,
        expires_at=expires_at,
    )
    return row, key


def revoke(row: ApiKey) -> None:
    """End a key: every process refuses it within ``HONCHO["KEY_CACHE_SECONDS"]``."""
    ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now())
    forget()


def verify(key: str) -> Grant | None:
    """Return what ``key`` opens, or None for one that is unknown, revoked or expired."""
    digest = _digest(key)
    now = time.monotonic()
    with _lock:
        cached = _cache.get(digest)
    if cached is not None and cached[0] > now:
        grant: Grant | None = cached[1]
    else:
        grant = _look_up(digest)
        with _lock:
            if len(_cache) >= _CACHE_SIZE:
                _cache.clear()
            if grant is not None:
                _cache[digest] = (now + MemorySettings.load().key_cache_seconds, grant)
            else:
                _cache.pop(digest, None)
    if grant is not None and grant.expires_at is not None and grant.expires_at <= timezone.now():
        return None
    return grant


def forget() -> None:
    """Empty this process's cache of verified keys."""
    with _lock:
        _cache.clear()


_CACHE_SIZE = 10_000
_cache: dict[str, tuple[float, Grant]] = {}
_lock = threading.Lock()


def _digest(key: str) -> str:
    """Return the key's SHA-256. Keys are 256 random bits, so that a slow hash would add nothing."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _look_up(digest: str) -> Grant | None:
    row = ApiKey.objects.filter(digest=digest, revoked_at=None).select_related("app", "user", "session__owner").first()
    if row is None:
        return None
    user = row.session.owner if row.session else row.user
    return Grant(
        row.pk,
        row.scope,
        row.app_id,
        row.app.name if row.app else None,
        user.pk if user else None,
        user.name if user else None,
        row.session_id,
        row.read_only,
        row.expires_at,
        row.session.name if row.session else None,
    )
