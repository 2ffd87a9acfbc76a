"""The log as the conversation that it was: of a session, a user or a project, page by page, nothing editable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db.models import F, prefetch_related_objects
from django.http import HttpRequest

from memory import history, ids
from memory.admin.links import list_url
from memory.admin.pages import Page
from memory.models import Event, FeedEntry, Project, Representation, Session, Subject, User
from memory.places import Place

SHOWN = 50
"""How many events a page has."""


class Conversation(Page):
    """What was said, in the order in which it was recorded; the newest page first, as a messenger shows it.

    ``?before=`` and ``?after=`` take an event's id, ``?at=`` a day, ``?here=`` an event that is to be marked.
    """

    name = "conversation"
    title = "Conversation"
    permission = "memory.view_event"
    template = "admin/memory/conversation.html"

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def context(self, request: HttpRequest, obj: Session | User | Project) -> dict[str, Any]:
        """Return a page of events and where versions had read up to."""
        before, after = (_id(request.GET.get(name, "")) for name in ("before", "after"))
        day = _day(request.GET.get("at", ""))
        if day is not None:
            after = ids.first_at(day)
        backwards = after is None
        found = history.events(place_of(obj), cursor=before if backwards else after, reverse=backwards, limit=SHOWN + 1)
        more, events = len(found) > SHOWN, found[:SHOWN]
        if backwards:
            events.reverse()
        if not isinstance(obj, Session):
            prefetch_related_objects(events, "session")
        subject = _subject_of(obj)
        return {
            "title": f"Conversation: {obj}",
            "events": events,
            "older": events[0].pk if events and (more if backwards else True) else None,
            "newer": events[-1].pk if events and (before is not None if backwards else more) else None,
            "here": _id(request.GET.get("here", "")),
            "day": day,
            "subject": subject,
            "read_up_to": read_up_to(subject, events) if subject else {},
            "search_url": list_url(Event, self.model_admin.admin_site.name),
            "scope": obj._meta.model_name,
        }


def place_of(obj: Session | User | Project) -> Place:
    """Return where the events of a session, user or project are."""
    named: dict[str, Any] = {f"{name}_id": None for name in ("user", "session", "project")}
    named[f"{obj._meta.model_name}_id"] = obj.pk
    return Place(obj.app_id, subject_ids=(), **named)


def read_up_to(subject: Subject, events: Sequence[Event]) -> dict[UUID, list[Representation]]:
    """Return by event the published versions of a subject that had read up to it, and no further. Two statements."""
    entries = FeedEntry.objects.filter(subject=subject, event__in=events, position__isnull=False)
    places = {place: event for place, event in entries.values_list("position", "event_id") if place is not None}
    if not places:
        return {}
    versions = Representation.objects.filter(subject=subject, status=Representation.Status.PUBLISHED)
    read = versions.filter(covers_to__gte=min(places), covers_to__lte=max(places), covers_from__lt=F("covers_to"))
    found: dict[UUID, list[Representation]] = {}
    for version in read.only("number", "covers_to", "subject").order_by("number"):
        if version.covers_to in places:
            found.setdefault(places[version.covers_to], []).append(version)
    return found


def _subject_of(obj: Session | User | Project) -> Subject | None:
    return Subject.objects.filter(kind=obj._meta.model_name, **{str(obj._meta.model_name): obj}).first()


def _id(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None


def _day(value: str) -> datetime | None:
    """Return the beginning of a day, in UTC."""
    try:
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    except ValueError:
        return None
