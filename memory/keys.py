"""API keys: made once, kept as a hash, verified without a query on the hot path."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from memory import audit, collections, ids, places, validation
from memory.conf import MemorySettings
from memory.errors import Invalid, NotFound
from memory.models import ApiKey, App, Collection, Project, Session, User

MOST_A_MINUTE = 1_000_000
NAME_LENGTH = 200

_PREFIX = "hk_"

NAMED: dict[str, tuple[str, ...]] = {
    ApiKey.Scope.OPERATOR: (),
    ApiKey.Scope.APP: ("app",),
    ApiKey.Scope.USER: ("app", "user"),
    ApiKey.Scope.SESSION: ("app", "session"),
    ApiKey.Scope.PROJECT: ("app", "project"),
    ApiKey.Scope.COLLECTION: ("app", "collection"),
}
"""What a key of each scope names."""

PATHS: dict[str, tuple[str, ...]] = NAMED | {
    ApiKey.Scope.SESSION: ("app", "user", "session"),
    ApiKey.Scope.COLLECTION: ("app", "user", "collection"),
}
"""What leads to what a key of each scope opens: a session and a collection are found among their user's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified key opens. The user of a session's or collection's key is who owns that."""

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
    project_id: UUID | None = None
    project_name: str | None = None
    collection_id: UUID | None = None
    collection_name: str | None = None
    rate_per_minute: int | None = None


EVERYTHING = Grant(None, ApiKey.Scope.OPERATOR, None, None, None, None, None, read_only=False)
"""What a request may do where ``HONCHO["AUTH"]`` is off."""


@transaction.atomic
def create(
    name: str,
    scope: str,
    *,
    app: App | None = None,
    user: User | None = None,
    session: Session | None = None,
    project: Project | None = None,
    collection: Collection | None = None,
    read_only: bool = False,
    expires_at: datetime | None = None,
    rate_per_minute: int | None = None,
    created_by: str = "",
) -> tuple[ApiKey, str]:
    """Make a key and return its row and the key itself, which is shown this once.

    What the scope does not name is left out. Raises :class:`Invalid` where the scope and what it names do not fit
    together, or another value cannot be one.
    """
    if scope not in NAMED:
        raise Invalid(f"Use one of {', '.join(ApiKey.Scope.values)}.", ("scope",), "enum")
    validation.text(name, ("name",), most=NAME_LENGTH, least=1)
    given = {"app": app, "user": user, "session": session, "project": project, "collection": collection}
    named: dict[str, Any] = {part: given[part] for part in NAMED[scope]}
    for part, thing in named.items():
        if thing is None:
            raise Invalid(f"A key of scope {scope} needs the {part}.", (part,), "missing")
    if rate_per_minute is not None and not 1 <= rate_per_minute <= MOST_A_MINUTE:
        raise Invalid(f"Give a number of 1 to {MOST_A_MINUTE:,}.", ("rate_per_minute",), "int_range")
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ApiKey.objects.create(
        name=name,
        prefix=key[:10],
        digest=_digest(key),
        scope=scope,
        **named,
        read_only=read_only,
        expires_at=expires_at,
        rate_per_minute=rate_per_minute,
        created_by=created_by,
    )
    audit.note("make key", row, by=created_by, after={"scope": scope, "read_only": read_only})
    return row, key


def things(scope: str, refs: Mapping[str, str], *, may_create_app: bool = True) -> dict[str, Any]:
    """Return the rows that a key names, found by names or ids and made if they are missing; a collection must be there.

    Raises :class:`Invalid` for a part that is missing or one too many, and :class:`NotFound`.
    """
    for part in PATHS[scope]:
        if part not in refs:
            raise Invalid(f"A key of scope {scope} needs the {part}.", (part,), "missing")
    for part in refs:
        if part not in PATHS[scope]:
            raise Invalid(f"A key of scope {scope} names no {part}.", (part,), "extra_forbidden")
    if not refs:
        return {}
    path = {part: ref for part, ref in refs.items() if part != "collection"}
    place = places.open_place(**path, may_create_app=may_create_app)
    found: dict[str, Any] = {
        "app": App(id=place.app_id),
        "user": place.user_id and User(id=place.user_id),
        "session": place.session_id and Session(id=place.session_id),
        "project": place.project_id and Project(id=place.project_id),
    }
    if "collection" in refs:
        found["collection"] = collections.find(found["user"], refs["collection"])
    return {part: found[part] for part in NAMED[scope]}


def within(
    maker: Grant, expires_at: datetime | None, rate_per_minute: int | None
) -> tuple[datetime | None, int | None]:
    """Return until when a key made by ``maker`` holds, and its rate: what was asked for, or else the maker's own.

    Raises :class:`Invalid` where it would outlive its maker, or be allowed more requests: else a key could shed its
    own limits by making another.
    """
    if maker.expires_at is not None:
        if expires_at is not None and expires_at > maker.expires_at:
            raise Invalid("It cannot hold longer than the key that makes it.", ("expires_at",), "datetime_range")
        expires_at = expires_at or maker.expires_at
    if maker.rate_per_minute is not None:
        if rate_per_minute is not None and rate_per_minute > maker.rate_per_minute:
            raise Invalid("It cannot be allowed more than the key that makes it.", ("rate_per_minute",), "int_range")
        rate_per_minute = rate_per_minute or maker.rate_per_minute
    return expires_at, rate_per_minute


def seen_by(grant: Grant) -> QuerySet[ApiKey]:
    """Return the keys that a grant may know of: an operator all, an app's key those of its app."""
    rows = ApiKey.objects.all()
    return rows if grant.scope == ApiKey.Scope.OPERATOR else rows.filter(app=grant.app_id, app__isnull=False)


def find(grant: Grant, ref: str) -> ApiKey:
    """Return the key with this id. Raises :class:`NotFound` where there is none that the grant may know of."""
    pk = ids.decode(ref)
    row = None if pk is None else seen_by(grant).filter(pk=pk).first()
    if row is None:
        raise NotFound("Key not found")
    return row


@transaction.atomic
def revoke(row: ApiKey, *, reason: str = "", by: str = "") -> None:
    """End a key: this process refuses it at once, every other within ``HONCHO["KEY_CACHE_SECONDS"]``."""
    if ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now()):
        audit.note("revoke key", row, by=by, reason=reason, before={"scope": row.scope})
    forget()
    # Who verifies it before the commit still finds it, and would remember it.
    transaction.on_commit(forget)


def verify(key: str) -> Grant | None:
    """Return what ``key`` opens, or None for one that is unknown, revoked or expired."""
    digest = _digest(key)
    now = time.monotonic()
    with _lock:
        cached = _cache.get(digest)
        generation = _generation
    if cached is not None and cached[0] > now:
        grant: Grant | None = cached[1]
    else:
        grant = _look_up(digest)
        with _lock:
            if len(_cache) >= _CACHE_SIZE:
                _cache.clear()
            if grant is None:
                _cache.pop(digest, None)
            elif generation == _generation:
                _cache[digest] = (now + MemorySettings.load().key_cache_seconds, grant)
    if grant is not None and grant.expires_at is not None and grant.expires_at <= timezone.now():
        return None
    return grant


def forget() -> None:
    """Empty this process's cache of verified keys; what is being looked up now is not remembered either."""
    global _generation
    with _lock:
        _cache.clear()
        _generation += 1


_CACHE_SIZE = 10_000
_cache: dict[str, tuple[float, Grant]] = {}
_generation = 0
_lock = threading.Lock()


def _digest(key: str) -> str:
    """Return the key's SHA-256. Keys are 256 random bits, so that a slow hash would add nothing."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


# The use is noted where the key is looked up anyway, at most once a minute: it costs no statement of its own.
_LOOK_UP = """
WITH noted AS (
    UPDATE memory_apikey SET last_used_at = statement_timestamp()
     WHERE digest = %(digest)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
       AND (last_used_at IS NULL OR last_used_at < statement_timestamp() - interval '1 minute')
)
SELECT key.id, key.scope, key.app_id, app.name, owner.id, owner.name, key.session_id, key.read_only, key.expires_at,
       session.name, key.project_id, project.name, key.collection_id, collection.name, key.rate_per_minute
  FROM memory_apikey key
  LEFT JOIN memory_app app ON app.id = key.app_id
  LEFT JOIN memory_session session ON session.id = key.session_id
  LEFT JOIN memory_collection collection ON collection.id = key.collection_id
  LEFT JOIN memory_user owner ON owner.id = coalesce(key.user_id, session.owner_id, collection.user_id)
  LEFT JOIN memory_project project ON project.id = key.project_id
 WHERE key.digest = %(digest)s AND key.revoked_at IS NULL
   AND (key.expires_at IS NULL OR key.expires_at > statement_timestamp())
"""


def _look_up(digest: str) -> Grant | None:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, {"digest": digest})
        row = cursor.fetchone()
    return None if row is None else Grant(*row)
