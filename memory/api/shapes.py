"""What the API answers with, built by hand: a serializer would cost more than the query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from memory import history, ids
from memory.log import LoggedEvent
from memory.models import App, Event, Representation, Session, Subject, User
from memory.reading import View

Shape = dict[str, Any]


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, ascii_only: bool = False
) -> HttpResponse:
    """Return ``body`` as JSON. ``ascii_only`` escapes the rest, so that even half a surrogate pair can be shown."""
    dumped = json.dumps(body, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
    return HttpResponse(dumped.encode(), content_type="application/json", status=status, headers=dict(headers or {}))


def moment(value: datetime | None) -> str | None:
    """Return a moment as ``2026-11-22T08:45:47.546154Z``."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _id(value: UUID | None) -> str | None:
    return None if value is None else ids.encode(value)


def app(row: App) -> Shape:
    """Return an app."""
    return {
        "id": row.public_id,
        "name": row.name,
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def user(row: User) -> Shape:
    """Return a user."""
    return {
        "id": row.public_id,
        "name": row.name,
        "app_id": ids.encode(row.app_id),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def session(row: Session, user_id: UUID) -> Shape:
    """Return a session, under the user by whom it was asked for where nobody owns it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "is_active": row.is_active,
        "user_id": ids.encode(row.owner_id or user_id),
        "app_id": ids.encode(row.app_id),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def message(row: Event | LoggedEvent) -> Shape:
    """Return a message."""
    return {
        "id": ids.encode(row.id),
        "client_id": row.client_id,
        "content": row.content,
        "is_user": row.origin == Event.Origin.USER,
        "session_id": _id(row.session_id),
        "metadata": row.metadata,
        "created_at": moment(row.occurred_at),
        "app_id": ids.encode(row.app_id),
        "user_id": _id(row.user_id),
        "token_count": row.tokens,
    }


def event(row: Event | LoggedEvent, author: str | None) -> Shape:
    """Return an event; ``author`` is the author's name."""
    shape = {
        "id": ids.encode(row.id),
        "client_id": row.client_id,
        "kind": row.kind,
        "content": row.content,
        "data": row.data,
        "metadata": row.metadata,
        "author": author,
        "origin": row.origin,
        "app_id": ids.encode(row.app_id),
        "session_id": _id(row.session_id),
        "user_id": _id(row.user_id),
        "project_id": _id(row.project_id),
        "occurred_at": moment(row.occurred_at),
        "recorded_at": moment(row.recorded_at),
        "token_count": row.tokens,
    }
    if isinstance(row, LoggedEvent):
        shape["created"] = row.created
    return shape


def pending(row: Event) -> Shape:
    """Return an event that nothing has been concluded from yet, as short as it can be."""
    return {
        "id": row.public_id,
        "kind": row.kind,
        "author": row.author.name if row.author else None,
        "origin": row.origin,
        "content": row.content,
        "data": row.data,
        "occurred_at": moment(row.occurred_at),
    }


def behind(events: int, seconds: float) -> Shape:
    """Return how much of the log is not in what is read."""
    return {"events": events, "seconds": round(seconds, 3)}


def statement(item: history.Statement) -> Shape:
    """Return a conclusion as it stands in a version."""
    conclusion = item.conclusion
    return {
        "id": conclusion.public_id,
        "content": conclusion.content,
        "level": conclusion.level,
        "about": conclusion.about.name if conclusion.about else None,
        "held_from": _day(conclusion.held_from),
        "held_until": _day(conclusion.held_until),
        "importance": conclusion.importance,
        "pinned": conclusion.pinned,
        "since_version": item.since,
        "sources": [ids.encode(event_id) for event_id in item.sources],
    }


def subject(row: Subject) -> Shape:
    """Return what a representation is about."""
    thing = row.user or row.session or row.project
    shape: Shape = {
        "kind": row.kind,
        "id": thing.public_id if thing else None,
        "name": thing.name if thing else None,
    }
    if row.observer is not None:
        shape["observer"] = {"id": row.observer.public_id, "name": row.observer.name}
    return shape


def representation(
    about: Subject, view: View, text: str, row: Representation | None, standing: Sequence[history.Statement]
) -> Shape:
    """Return the structured form of a version; ``row`` is None where there is none yet."""
    return {
        "subject": subject(about),
        "text": text,
        "version": view.number,
        "as_of": moment(view.as_of),
        "created_at": moment(view.created_at),
        "behind": behind(view.behind_events, view.behind_seconds),
        "card": view.card,
        "now": view.now,
        "summary": {"short": view.short_summary, "long": view.long_summary},
        "conclusions": [statement(item) for item in standing],
        "made_by": row.made_by if row else None,
    }


def version(item: history.Version) -> Shape:
    """Return one line of a subject's history."""
    row = item.representation
    return {
        "version": row.number,
        "status": row.status,
        "created_at": moment(row.created_at),
        "as_of": moment(row.as_of),
        "made_by": row.made_by,
        "covers": {"from": row.covers_from, "to": row.covers_to},
        "added": item.added,
        "retired": item.retired,
        "reason": row.reason,
        "parent": row.parent.number if row.parent else None,
    }


def version_detail(item: history.VersionDetail, *, with_quarantined: bool) -> Shape:
    """Return a version with its text and with what it changed.

    Of a quarantined one that nobody may read, that is nothing.
    """
    row = item.representation
    counted = history.Version(row, len(item.added), len(item.retired))
    readable = with_quarantined or row.status == Representation.Status.PUBLISHED
    return version(counted) | {
        "text": row.text if readable else "",
        "card": row.card if readable else [],
        "now": row.now if readable else "",
        "summary": {
            "short": row.short_summary if readable else "",
            "long": row.long_summary if readable else "",
        },
        "added": [statement(entry) for entry in item.added],
        "retired": [
            {
                "id": span.conclusion.public_id,
                "content": span.conclusion.content,
                "reason": span.reason,
                "replaced_by": _id(span.replaced_by_id),
            }
            for span in item.retired
        ],
    }
