"""Who asks, and what their key opens. This is the one place that decides it.

A key opens what lies beneath its scope. What lies outside is 401, whether it exists or not: nothing is looked up to
say so. What a key names is then handed on as the key's own ids, so that a name which looks like another tenant's id,
or has just become another tenant's, leads nowhere.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from memory import ids, keys
from memory.api.errors import HttpRefusal, unauthenticated
from memory.conf import MemorySettings
from memory.keys import Grant
from memory.models import ApiKey


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <key>``; the grant becomes ``request.auth``."""

    def authenticate(self, request: Request) -> tuple[None, Grant]:
        """Return what the request may do; refuses with 401."""
        if not MemorySettings.load().auth:
            return None, keys.EVERYTHING
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if not scheme:
            raise unauthenticated("No access token provided", "not_authenticated")
        grant = keys.verify(key.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise unauthenticated("Invalid access token", "invalid_token")
        return None, grant

    def authenticate_header(self, request: Request) -> str:
        """Return what ``WWW-Authenticate`` asks for."""
        return "Bearer"


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the schema of the keys."""

    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": (
                "A key made by `manage.py create_api_key`, in the admin or by `POST /v1/keys`. It opens what lies "
                "beneath its scope. What is answered to a key that may make so many requests a minute says in the "
                "headers `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` (seconds) and "
                "`RateLimit-Policy` how it stands."
            ),
        }


def author_of(grant: Grant) -> str:
    """Return who acts, as it is kept with what is done; empty where keys are off."""
    return "" if grant.key_id is None else f"key {ids.encode(grant.key_id)}"


def is_operator(grant: Grant) -> bool:
    """Say whether a grant opens everything."""
    return grant.scope == ApiKey.Scope.OPERATOR


def admit_operator(grant: Grant) -> None:
    """Refuse every key but an operator's, with 401."""
    if not is_operator(grant):
        raise out_of_scope()


def admit(grant: Grant, refs: dict[str, str], *, writes: bool) -> dict[str, str]:
    """Return ``refs`` (app, user, session, project by name or id) as the store shall be asked for them.

    Refuses with 401 what the grant does not open, and with 403 a write with a key that only reads.
    """
    canonical = dict(refs)
    for part in keys.PATHS[grant.scope]:
        own = _own(grant, part)
        if own is None or refs.get(part) not in own:
            raise out_of_scope()
        canonical[part] = own[0]
    if writes and grant.read_only:
        raise HttpRefusal(403, "read_only", "This key can only read")
    return canonical


def out_of_scope() -> HttpRefusal:
    """Return the refusal of what a key does not open."""
    return unauthenticated("This access token does not open this", "out_of_scope")


def claim(grant: Grant, part: str) -> str:
    """Return the id of the app, user, session, project or collection that a key is for; 401 where it is for none."""
    own = _own(grant, part)
    if own is None:
        raise out_of_scope()
    return own[0]


def own_path(grant: Grant) -> dict[str, str]:
    """Return the ids that a path must name for a key."""
    return {part: claim(grant, part) for part in keys.PATHS[grant.scope]}


def admit_author(grant: Grant, refs: dict[str, str], author: str) -> str:
    """Return ``author`` as the store shall be asked for them: a key of a user or session names its own user alone."""
    if "user" not in keys.PATHS[grant.scope]:
        return author
    if author not in (_own(grant, "user") or ()):
        raise out_of_scope()
    return refs["user"]


def admit_name(grant: Grant, part: str, name: Any) -> None:
    """Refuse a new name for the very thing that a key is for, with 403: names are told apart in what lies above it.

    Else a key could ask which names others there have, and take one before its owner does: what is written by that
    name would then be the key's to read.
    """
    if name is not None and grant.scope == part and name not in (_own(grant, part) or ())[1:]:
        raise HttpRefusal(403, "own_name", f"Only a key that opens more than this {part} gives it another name")


def opens_app(grant: Grant) -> bool:
    """Say whether a grant opens all that belongs to an app, not one user, session, project or collection alone."""
    return grant.scope in (ApiKey.Scope.OPERATOR, ApiKey.Scope.APP)


def admit_beyond_user(grant: Grant) -> None:
    """Refuse keys of less than an app what does not belong to that: projects, another user's view."""
    if not opens_app(grant):
        raise out_of_scope()


def _own(grant: Grant, part: str) -> tuple[str, ...] | None:
    """Return the id and, where there is one, the name of the thing that a grant is for."""
    thing_id, name = {
        "app": (grant.app_id, grant.app_name),
        "user": (grant.user_id, grant.user_name),
        "session": (grant.session_id, grant.session_name),
        "project": (grant.project_id, grant.project_name),
        "collection": (grant.collection_id, grant.collection_name),
    }[part]
    if thing_id is None:
        return None
    return (ids.encode(thing_id),) if name is None else (ids.encode(thing_id), name)
