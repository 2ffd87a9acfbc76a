"""Addresses of the places that have a log and a representation of their own."""

from __future__ import annotations

from honcho._call import path


def app(app_id: str, *more: str) -> str:
    """Return the address of an app, or of something in it."""
    return path("apps", app_id, *more)


def user(app_id: str, user_id: str, *more: str) -> str:
    """Return the address of a user, or of something of theirs."""
    return path("apps", app_id, "users", user_id, *more)


def session(app_id: str, user_id: str, session_id: str, *more: str) -> str:
    """Return the address of a session, or of something in it."""
    return path("apps", app_id, "users", user_id, "sessions", session_id, *more)


def project(app_id: str, project_id: str, *more: str) -> str:
    """Return the address of a project, or of something of it."""
    return path("apps", app_id, "projects", project_id, *more)
