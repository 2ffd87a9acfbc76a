"""Who may see a page or do an act: by Django's own permissions, given to people and groups in the admin."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

Permission = str | tuple[str, ...]
"""A permission with its app's label (``memory.erase``), or several of which any one will do."""


def allowed(request: HttpRequest, permission: Permission) -> bool:
    """Whether whoever asks has this permission, or one of several."""
    wanted = (permission,) if isinstance(permission, str) else permission
    return any(request.user.has_perm(name) for name in wanted)


def demand(request: HttpRequest, permission: Permission) -> None:
    """Raise :class:`PermissionDenied` for somebody without this permission, or without any of several."""
    if not allowed(request, permission):
        raise PermissionDenied
