"""The only way into the log.

``append`` takes one event or a thousand, in the caller's transaction if there is one, and takes no lock that another
writer could wait for: entries join the feeds without a position (``memory.feeds`` gives those out later).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.errors import ForeignKeyViolation

from memory import ids, tenants, tokens, validation
from memory.conf import MemorySettings
from memory.errors import Conflict, Invalid, NotFound, TooLarge
from memory.models import App, ClientId, Event, FeedEntry, Project, Session, User
from memory.models.log import CONTENT_LENGTH
from memory.places import Place, open_place
from memory.signals import events_appended

_KIND = re.compile(r"message|tool_call|tool_result|correction|[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_ORIGINS = frozenset(Event.Origin.values)
_ORIGIN_OF_KIND = {"tool_call": Event.Origin.AGENT, "tool_result": Event.Origin.TOOL}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to append.

    ``author`` is a user's name or id, ``None`` for the place's own user or, where ``origin`` is not ``user``, nobody.
    ``occurred_at`` needs a time zone and defaults to now. ``client_id`` makes the write repeatable. ``project`` is a
    project's name or id, made if it is missing. ``copied_from`` is the event that it repeats (``memory.cloning``).
    """

    content: str = ""
    kind: str = "message"
    data: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    author: str | None = None
    origin: str | None = None
    occurred_at: datetime | str | None = None
    client_id: str | None = None
    project: str | None = None
    copied_from: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """An event as it stands in the log.

    ``author_name`` is told where the place was looked up (:attr:`memory.places.Place.user_name`) or the author named.
    ``created`` is False where an earlier write had stored it already.
    """

    id: UUID
    app_id: UUID
    session_id: UUID | None
    user_id: UUID | None
    project_id: UUID | None
    author_id: UUID | None
    origin: str
    kind: str
    content: str
    data: Any
    metadata: Mapping[str, Any]
    client_id: str | None
    occurred_at: datetime
    recorded_at: datetime
    tokens: int
    author_name: str | None
    created: bool = True


_APPEND = """
SELECT memory_append(%(events)s::json, %(app_id)s, %(session_id)s, %(user_id)s, %(subject_ids)s::uuid[],
                     %(recorded_at)s::timestamptz)
"""


def append(
    app: str | App,
    events: Iterable[NewEvent],
    *,
    user: str | User | None = None,
    session: str | Session | None = None,
    project: str | Project | None = None,
    may_create_app: bool = True,
    where: tuple[str | int, ...] = ("events",),
) -> list[LoggedEvent]:
    """Append events to the log, all or none, and return them in the order given.

    ``app``, ``user``, ``session`` and ``project`` are names, public ids or rows; what a name means is made if it is
    missing (the app only if it may be). A session is the user's own where ``user`` is given. ``where`` names the list
    in error messages. Runs in the caller's transaction if there is one: if that rolls back, nothing was written.

    Raises :class:`memory.errors.Invalid` or :class:`~memory.errors.TooLarge` for what cannot be stored, and
    :class:`~memory.errors.Conflict` for a ``client_id`` that was used with another body, or where what the events
    belong to was erased meanwhile. (Where that was another who hears of them, an ``IntegrityError``: write again.)
    """
    with transaction.atomic():
        place = open_place(
            _ref(app),
            _maybe_ref(user),
            _maybe_ref(session),
            _maybe_ref(project),
            may_create_app=may_create_app,
        )
        return append_at(place, list(events), where)


def _ref(row: str | App | User | Session | Project) -> str:
    return row if isinstance(row, str) else row.public_id


def _maybe_ref(row: str | User | Session | Project | None) -> str | None:
    return None if row is None else _ref(row)


def append_at(
    place: Place, events: Sequence[NewEvent], where: tuple[str | int, ...] = ("events",)
) -> list[LoggedEvent]:
    """Append to a resolved place; see :func:`append`. ``where`` names the list in error messages."""
    settings = MemorySettings.load()
    if not events:
        raise Invalid("Give at least one event.", where, "too_short")
    if len(events) > settings.batch_events:
        raise TooLarge(f"A write takes at most {settings.batch_events:,} events; this has {len(events):,}.")
    now = timezone.now()
    prepared = [_prepare(event, (*where, i), settings, now) for i, event in enumerate(events)]
    with transaction.atomic(savepoint=False):  # all or nothing is the whole call's affair
        place, authors, projects = _resolve(place, events, where)
        sizes = tokens.count_each([_counted_text(row) for row in prepared])
        for row, event, size in zip(prepared, events, sizes, strict=True):
            row["tokens"] = size
            row["author_id"], row["author_name"] = _author(event, row["origin"], place, authors)
            row["project_id"], row["project_subject_id"] = projects.get(event.project or "", (place.project_id, None))
        _check_place(place, prepared, where)
        known = _insert(place, prepared, now)
        created = len(prepared) - len(known)
        if created:
            events_appended.send(sender=Event, app_id=place.app_id, subject_ids=place.subject_ids, count=created)
        if not known:
            return [_logged(place, row, now) for row in prepared]
        earlier = _earlier(place, [row for row in prepared if row["id"] in known])
        return [
            _same_or_conflict(place, row, event, earlier) if row["id"] in known else _logged(place, row, now)
            for row, event in zip(prepared, events, strict=True)
        ]


def _prepare(event: NewEvent, where: tuple[str | int, ...], settings: MemorySettings, now: datetime) -> dict[str, Any]:
    """Check one event and return its row, without what needs the database."""
    kind = validation.text(event.kind, (*where, "kind"), most=100, least=1)
    if not _KIND.fullmatch(kind):
        raise Invalid(
            "Use message, tool_call, tool_result, correction, or a kind of your own with a dot: 'invoice.sent'.",
            (*where, "kind"),
            "kind",
        )
    content = validation.text(event.content, (*where, "content"), most=CONTENT_LENGTH)
    origin = _ORIGIN_OF_KIND.get(kind, Event.Origin.USER) if event.origin is None else event.origin
    if origin not in _ORIGINS:
        raise Invalid(f"Use one of {', '.join(Event.Origin.values)}.", (*where, "origin"), "enum")
    client_id = event.client_id
    if client_id is not None:
        client_id = validation.text(client_id, (*where, "id"), most=255, least=1)
    data = None
    if event.data is not None:
        if not isinstance(event.data, dict | list):
            raise Invalid("Give an object or a list.", (*where, "data"), "data_type")
        data = validation.json_value(event.data, (*where, "data"), most=settings.data_bytes)
    return {
        "id": ids.uuid7(),
        "kind": kind,
        "content": content,
        "data": data,
        "metadata": _metadata(event.metadata, (*where, "metadata"), settings),
        "origin": str(origin),
        "occurred_at": _moment(event.occurred_at, (*where, "occurred_at"), settings, now),
        "client_id": client_id,
        "copied_from_id": event.copied_from,
    }


def _metadata(value: Any, where: tuple[str | int, ...], settings: MemorySettings) -> str:
    given = dict(value) if isinstance(value, Mapping) else value
    return validation.metadata(given, where, most=settings.data_bytes)


def _moment(
    value: datetime | str | None, where: tuple[str | int, ...], settings: MemorySettings, now: datetime
) -> datetime:
    if value is None:
        return now
    moment = validation.moment(value, where)
    if moment > now + timedelta(seconds=settings.clock_skew_seconds):
        raise Invalid("This lies in the future; the log takes what has happened.", where, "datetime_future")
    return moment


def _counted_text(row: Mapping[str, Any]) -> str:
    return f"{row['content']} {row['data']}" if row["data"] else row["content"]


def _resolve(
    place: Place, events: Sequence[NewEvent], where: tuple[str | int, ...]
) -> tuple[Place, dict[str, User], dict[str, tuple[UUID, UUID]]]:
    """Find or make the authors and projects that events name; who is new in the session joins it first."""
    authors: dict[str, User] = {}
    projects: dict[str, tuple[UUID, UUID]] = {}
    named = {event.author: i for i, event in reversed(list(enumerate(events))) if event.author is not None}
    asked = {event.project: i for i, event in reversed(list(enumerate(events))) if event.project is not None}
    if not named and not asked:
        return place, authors, projects
    app = App(id=place.app_id)
    for ref, i in named.items():
        validation.name(ref, (*where, i, "author"))
        try:
            author = tenants.find_user(place.app_id, ref)
        except NotFound:
            author, _ = tenants.make_user(app, ref)
        authors[ref] = author
    for ref, i in asked.items():
        validation.name(ref, (*where, i, "project"))
        try:
            project = tenants.find_project(place.app_id, ref)
        except NotFound:
            project, _ = tenants.make_project(app, ref)
        projects[ref] = (project.id, tenants.subject_of(project).id)
    return _with_participants(place, {author.pk for author in authors.values()}), authors, projects


def _with_participants(place: Place, authors: set[UUID]) -> Place:
    if place.session_id is None or not authors:
        return place
    session = Session(id=place.session_id, app_id=place.app_id)
    missing = authors - set(session.participations.values_list("user_id", flat=True))
    if not missing:
        return place
    for user_id in sorted(missing):
        tenants.join(session, User(id=user_id, app_id=place.app_id))
    refs = (place.user_id, place.session_id, place.project_id)
    return open_place(ids.encode(place.app_id), *(None if ref is None else ids.encode(ref) for ref in refs))


def _check_place(place: Place, rows: Sequence[Mapping[str, Any]], where: tuple[str | int, ...]) -> None:
    if place.user_id is None and place.session_id is None:
        for i, row in enumerate(rows):
            if row["project_id"] is None:
                raise Invalid("Say whose event this is: a user's, a session's or a project's.", (*where, i), "place")


def _author(event: NewEvent, origin: str, place: Place, authors: Mapping[str, User]) -> tuple[UUID | None, str | None]:
    """Return who said it: the id and the name."""
    if event.author is not None:
        return authors[event.author].pk, authors[event.author].name
    if place.user_id is not None and origin == Event.Origin.USER:
        return place.user_id, place.user_name
    return None, None


def _insert(place: Place, rows: Sequence[Mapping[str, Any]], now: datetime) -> set[UUID]:
    """Insert events and feed entries in one statement; return the ids of those whose client ids were used before."""
    values: dict[str, Any] = {
        "events": json.dumps(rows, default=str, ensure_ascii=False),
        "app_id": place.app_id,
        "session_id": place.session_id,
        "user_id": place.user_id,
        "subject_ids": list(place.subject_ids),
        "recorded_at": now,
    }
    with connection.cursor() as cursor:
        try:
            cursor.execute(_APPEND, values)
        except IntegrityError as error:
            cause = error.__cause__
            if isinstance(cause, ForeignKeyViolation) and cause.diag.table_name != FeedEntry._meta.db_table:
                raise Conflict("What this belongs to, or who said it, was erased meanwhile.") from None
            raise
        return {row[0] for row in cursor.fetchall()}


def _earlier(place: Place, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[UUID, str], Event]:
    """Return the events that have the client ids of these rows, by scope and client id."""
    repeated = [(place.app_id, *_scoped(place, row)) for row in rows]
    used = ClientId.objects.filter(pk__in=repeated).values_list("scope", "client_id", "event_id")
    places = {event_id: (scope, client_id) for scope, client_id, event_id in used}
    return {places[event.pk]: event for event in Event.objects.filter(pk__in=places).select_related("author")}


def _scoped(place: Place, row: Mapping[str, Any]) -> tuple[UUID, str]:
    return place.session_id or place.user_id or row["project_id"], row["client_id"]


def _same_or_conflict(
    place: Place, row: Mapping[str, Any], event: NewEvent, earlier: Mapping[tuple[UUID, str], Event]
) -> LoggedEvent:
    """Return what an earlier write stored under this client id, if it says the same."""
    first = earlier.get(_scoped(place, row))
    if first is None:
        raise Conflict(f"The event with the id {row['client_id']!r} was erased meanwhile: write it again.")
    same = (
        first.kind == row["kind"]
        and first.content == row["content"]
        and _as_stored(first.data) == _as_stored(event.data)
        and first.author_id == row["author_id"]
        and first.origin == row["origin"]
        and (event.occurred_at is None or first.occurred_at == row["occurred_at"])
    )
    if not same:
        raise Conflict(f"The id {row['client_id']!r} was used before with another body.")
    kept = {name: getattr(first, name) for name in LoggedEvent.__dataclass_fields__ if hasattr(first, name)}
    return LoggedEvent(**kept, author_name=first.author.name if first.author else None, created=False)


def _as_stored(data: Any) -> Any:
    """Return JSON with its numbers as PostgreSQL compares them: it gives back a float of 1e16 as a whole number."""
    return json.loads(json.dumps(data), parse_int=Decimal, parse_float=Decimal)


def _logged(place: Place, row: Mapping[str, Any], now: datetime) -> LoggedEvent:
    return LoggedEvent(
        id=row["id"],
        app_id=place.app_id,
        session_id=place.session_id,
        user_id=place.user_id,
        project_id=row["project_id"],
        author_id=row["author_id"],
        origin=row["origin"],
        kind=row["kind"],
        content=row["content"],
        data=None if row["data"] is None else json.loads(row["data"]),
        metadata=json.loads(row["metadata"]) if row["metadata"] != "{}" else {},
        client_id=row["client_id"],
        occurred_at=row["occurred_at"],
        recorded_at=now,
        tokens=row["tokens"],
        author_name=row["author_name"],
    )


def set_metadata(event: Event, metadata: Mapping[str, Any]) -> Event:
    """Replace an event's metadata, the one part of it that may change, and return the event."""
    validation.metadata(dict(metadata), ("metadata",), most=MemorySettings.load().data_bytes)
    Event.objects.filter(pk=event.pk).update(metadata=metadata)
    event.metadata = dict(metadata)
    return event
