"""What the API answers with, built by hand: a serializer would cost more than the query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from memory import conclusions, diffs, explaining, history, ids, publishing, reading
from memory.log import LoggedEvent
from memory.models import (
    App,
    Conclusion,
    Correction,
    Event,
    Evidence,
    Feedback,
    Representation,
    Session,
    Subject,
    User,
)
from memory.reading import View
from memory.search import FoundEvent, FoundStatement

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
    return value.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


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


def event(row: Event | LoggedEvent | FoundEvent, author: str | None) -> Shape:
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


def as_served(at: datetime | None) -> Shape:
    """Return the moment as of which something is read, where it is not read as it is now."""
    return {} if at is None else {"at": moment(at)}


def behind(events: int, seconds: float) -> Shape:
    """Return how much of the log is not in what is read."""
    return {"events": events, "seconds": round(seconds, 3)}


def conclusion(row: Conclusion) -> Shape:
    """Return a conclusion, wherever it stands."""
    return {
        "id": row.public_id,
        "content": row.content,
        "level": row.level,
        "about": row.about.name if row.about else None,
        "held_from": _day(row.held_from),
        "held_until": _day(row.held_until),
        "importance": row.importance,
        "pinned": row.pinned,
    }


def statement(item: history.Statement) -> Shape:
    """Return a conclusion as it stands in a version."""
    return conclusion(item.conclusion) | {
        "since_version": item.since,
        "sources": [ids.encode(event_id) for event_id in item.sources],
    }


def known(item: conclusions.Known) -> Shape:
    """Return a statement, whether it stands or not, and what a human said of it last."""
    said = item.correction
    return statement(history.Statement(item.conclusion, item.since or 0, item.sources)) | {
        "since_version": item.since,
        "standing": item.since is not None,
        "retracted": item.conclusion.retracted,
        "created_at": moment(item.conclusion.created_at),
        "correction": None if said is None else correction(said),
    }


def correction(row: Correction) -> Shape:
    """Return what a human said of a statement."""
    return {
        "act": row.act,
        "by": row.by,
        "reason": row.reason,
        "event_id": _id(row.event_id),
        "version": row.representation.number,
        "conclusion_id": ids.encode(row.conclusion_id),
        "replaced_by": _id(row.replaced_by_id),
        "created_at": moment(row.created_at),
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


def standing(item: reading.Statement) -> Shape:
    """Return a statement as a reader gets it; the same as :func:`statement`, from what was read for it."""
    return _said(item) | {
        "since_version": item.since,
        "sources": [ids.encode(event_id) for event_id in item.sources],
    }


def found_statement(item: FoundStatement) -> Shape:
    """Return a statement as a search found it; the same as :func:`conclusion`, and what it is a statement about."""
    return _said(item) | {"subject": _about(item.subject)}


def _said(item: reading.Statement | FoundStatement) -> Shape:
    return {
        "id": ids.encode(item.id),
        "content": item.content,
        "level": item.level,
        "about": item.about,
        "held_from": _day(item.held_from),
        "held_until": _day(item.held_until),
        "importance": item.importance,
        "pinned": item.pinned,
    }


def _about(row: reading.About) -> Shape:
    shape: Shape = {"kind": row.kind, "id": ids.encode(row.id), "name": row.name}
    if row.observer_id is not None:
        shape["observer"] = {"id": ids.encode(row.observer_id), "name": row.observer_name}
    return shape


def representation(view: View, text: str, statements: Sequence[reading.Statement]) -> Shape:
    """Return the structured form of a version."""
    return {
        "subject": _about(view.about),
        "text": text,
        "version": view.number,
        "as_of": moment(view.as_of),
        "created_at": moment(view.created_at),
        "behind": behind(view.behind_events, view.behind_seconds),
        "card": view.card,
        "now": view.now,
        "summary": {"short": view.short_summary, "long": view.long_summary},
        "conclusions": [standing(item) for item in statements],
        "made_by": view.made_by,
        **as_served(view.at),
    }


def covers(start: int, end: int) -> Shape:
    """Return which places of a feed were read."""
    return {"from": start, "to": end, "events": max(end - start, 0)}


def version(item: history.Version) -> Shape:
    """Return one line of a subject's history."""
    row = item.representation
    return {
        "version": row.number,
        "status": row.status,
        "created_at": moment(row.created_at),
        "as_of": moment(row.as_of),
        "current": row.pk == row.subject.current_id,
        "made_by": row.made_by,
        "by": row.made_by.get("by", ""),
        "covers": covers(row.covers_from, row.covers_to),
        "added": item.added,
        "retired": item.retired,
        "reason": row.reason,
        "parent": row.parent.number if row.parent else None,
        "thinned": row.thinned,
    }


def version_detail(item: history.VersionDetail, *, with_quarantined: bool) -> Shape:
    """Return a version with its text and with what it changed.

    Of a quarantined one that nobody may read, that is nothing.
    """
    row = item.representation
    counted = history.Version(row, len(item.added), len(item.retired))
    readable = with_quarantined or row.status != Representation.Status.QUARANTINED
    return version(counted) | {
        "text": publishing.text_of(row).text if readable else "",
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


def feedback(row: Feedback, number: int) -> Shape:
    """Return what was said of version ``number``."""
    return {
        "id": row.public_id,
        "version": number,
        "score": row.score,
        "comment": row.comment,
        "by": row.by,
        "created_at": moment(row.created_at),
    }


def _side(side: diffs.Side) -> Shape:
    row = side.version
    return {
        "version": row.number if row else None,
        "at": moment(side.moment),
        "as_of": moment(row.as_of) if row else None,
        "made_by": row.made_by if row else None,
    }


def _gone(item: diffs.Gone) -> Shape:
    return {
        "id": item.conclusion.public_id,
        "content": item.conclusion.content,
        "about": item.conclusion.about.name if item.conclusion.about else None,
        "reason": item.reason,
        "replaced_by": item.replaced_by.public_id if item.replaced_by else None,
        "until_version": item.until,
    }


def change(found: diffs.Change | None) -> Shape | None:
    """Return a text as it was and as it is, None where it is the same."""
    return None if found is None else {"from": found.before, "to": found.after}


def diff(found: diffs.Diff, text: str, *, with_kept: bool) -> Shape:
    """Return what changed between two versions; ``text`` says it in words."""
    shape: Shape = {
        "subject": subject(found.subject),
        "from": _side(found.start),
        "to": _side(found.end),
        "text": text,
        "covers": covers(found.start.covers_to, found.end.covers_to),
        "added": [statement(item) for item in found.added],
        "retired": [_gone(item) for item in found.retired],
        "reworded": [
            {
                "from": _gone(item.before),
                "to": statement(item.after),
                "replaced": item.replaced,
                "similarity": round(item.similarity, 3),
            }
            for item in found.reworded
        ],
        "kept_count": len(found.kept),
        "card": {"added": list(found.card_added), "removed": list(found.card_removed)},
        "now": change(found.now),
        "summary": {"short": change(found.short_summary), "long": change(found.long_summary)},
    }
    if with_kept:
        shape["kept"] = [statement(item) for item in found.kept]
    return shape


def _source(row: Evidence) -> Shape:
    under = row.event
    return {
        "id": under.public_id,
        "version": row.representation.number,
        "kind": under.kind,
        "author": under.author.name if under.author else None,
        "origin": under.origin,
        "content": under.content,
        "data": under.data,
        "session_id": _id(under.session_id),
        "session": under.session.name if under.session else None,
        "occurred_at": moment(under.occurred_at),
        "recorded_at": moment(under.recorded_at),
    }


def _span(item: explaining.Stand) -> Shape:
    span, instead = item.span, item.span.replaced_by
    return {
        "line": span.line.public_id,
        "recipe": span.line.recipe,
        "serving": item.serving,
        "since": span.since,
        "until": span.until,
        "reason": span.reason,
        "replaced_by": {"id": instead.public_id, "content": instead.content} if instead else None,
    }


def explanation(about: Subject, found: explaining.Explanation, how: explaining.Found) -> Shape:
    """Return why memory says a sentence."""
    first = found.introduced
    return {
        "subject": subject(about),
        "conclusion": conclusion(found.conclusion),
        "found_by": how.value,
        "stands": found.stands,
        "introduced": first
        and {
            "version": first.number,
            "created_at": moment(first.created_at),
            "as_of": moment(first.as_of),
            "covers": covers(first.covers_from, first.covers_to),
            "made_by": first.made_by,
            "reason": first.reason,
        },
        "sources": [_source(row) for row in found.evidence],
        "archived_sources": [
            {
                "id": ids.encode(item.evidence.event_id),
                "version": item.evidence.representation.number,
                "archived_at": moment(item.at),
            }
            for item in found.archived
        ],
        "sources_count": found.resting_on,
        "spans": [_span(item) for item in found.spans],
        "premises": [_premise(row.premise, row.representation) for row in found.premises],
        "premise_of": [_premise(row.conclusion, row.representation) for row in found.premise_of],
    }


def _premise(row: Conclusion, found_in: Representation) -> Shape:
    return conclusion(row) | {"version": found_in.number}


def resting(item: explaining.Resting) -> Shape:
    """Return a statement that rests on an event."""
    row = item.evidence.conclusion
    return conclusion(row) | {
        "subject": subject(row.subject),
        "version": item.evidence.representation.number,
        "stands": item.stands,
        "spans": [_span(stand) for stand in item.spans],
    }
