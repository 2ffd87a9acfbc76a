"""API keys."""

from __future__ import annotations

from typing import Optional

from honcho import models
from honcho._call import Call, When, given, path
from honcho._operation import M, Resource, operation, paged


class Keys(Resource[M]):
    """API keys: each opens what lies beneath its scope."""

    @operation
    def create(
        self,
        *,
        name: Optional[str] = None,
        scope: Optional[str] = None,
        app_id: Optional[str] = None,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        project_id: Optional[str] = None,
        collection_id: Optional[str] = None,
        access: Optional[str] = None,
        expires_at: Optional[When] = None,
        rate_per_minute: Optional[int] = None,
    ) -> Call[models.Key]:
        """Make a key; ``key`` of the answer is the secret, shown this once.

        ``scope`` is ``operator``, ``app``, ``user``, ``session``, ``project`` or ``collection``; left out, it is the
        narrowest that the ids say. ``access`` is ``write`` or ``read``. A key whose answer was lost is shown to nobody:
        it raises :class:`ConflictError` when it is asked for again, and another one is to be made.
        """
        scope = scope or _narrowest(app_id, user_id, session_id, project_id, collection_id)
        body = given(
            name=name,
            scope=scope,
            app=app_id,
            user=user_id,
            session=session_id,
            project=project_id,
            collection=collection_id,
            access=access,
            expires_at=expires_at,
            rate_per_minute=rate_per_minute,
        )
        return Call("POST", path("keys"), models.Key, body=body, writes=True)

    @paged
    def list(
        self, *, app_id: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[models.Key]:
        """Return the keys that this key may see, or those of one app, without the secrets."""
        return Call("GET", path("keys"), models.Key, query={"app": app_id, "cursor": cursor, "limit": limit})

    @operation
    def get(self, key_id: str) -> Call[models.Key]:
        """Return a key, without the secret."""
        return Call("GET", path("keys", key_id), models.Key)

    @operation
    def current(self) -> Call[models.Key]:
        """Return the key that this client uses."""
        return Call("GET", path("keys", "self"), models.Key)

    @operation
    def revoke(self, key_id: str) -> Call[models.Key]:
        """Revoke a key: within seconds it opens nothing."""
        return Call("DELETE", path("keys", key_id), models.Key, writes=True)


def _narrowest(
    app_id: Optional[str],
    user_id: Optional[str],
    session_id: Optional[str],
    project_id: Optional[str],
    collection_id: Optional[str],
) -> Optional[str]:
    named = {
        "session": session_id,
        "collection": collection_id,
        "project": project_id,
        "user": user_id,
        "app": app_id,
    }
    return next((scope for scope, ref in named.items() if ref is not None), None)
