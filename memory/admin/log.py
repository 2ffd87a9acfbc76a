"""The log: found by id, content, session or author, and read as the conversation that it was part of."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory.admin.base import ReadOnlyAdmin
from memory.admin.erasing import Erase
from memory.admin.filters import (
    AppFilter,
    Chosen,
    ChosenAuthor,
    ChosenProject,
    ChosenSession,
    ChosenUser,
    EventKind,
    Recorded,
    asked_id,
)
from memory.admin.links import link, when
from memory.models import Event, FeedEntry, Representation

WINDOW = 50_000
NEIGHBOURS = 10
EXCERPT = 160
SHOWN = 50


class CoveredBy(Chosen):
    """Events that one version covers."""

    title, parameter_name, path, model = "covered by version", "covered_by", "pk", Representation
    related = ("subject__user", "subject__observer", "subject__session", "subject__project")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Keep the events of the stretch of the feed that the version read."""
        if not self.value():
            return queryset
        version = Representation.objects.only("subject", "covers_from", "covers_to").filter(pk=asked_id(self.value()))
        row = version.first()
        return queryset.none() if row is None else queryset.filter(pk__in=covered(row))


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    """Every event, newest first; the database itself refuses to change one."""

    list_display = ("excerpt", "occurred", "author_link", "session_link", "origin", "kind", "tokens")
    list_select_related = ("author", "session")
    list_filter = (
        EventKind,
        "origin",
        Recorded,
        AppFilter,
        ChosenSession,
        ChosenUser,
        ChosenProject,
        ChosenAuthor,
        CoveredBy,
    )
    search_fields = ("content", "client_id__exact")
    search_help_text = (
        "A part of the content, the client's id or an event id. Search, kind, origin and author look at the newest "
        f"{WINDOW:,} events of the chosen session, user, project or app."
    )
    ordering = ("-pk",)
    sortable_by = ()
    window = WINDOW
    indexed = {
        "session": "session",
        "user": "user",
        "project": "project",
        "app": "app",
        "recorded": "",
        "covered_by": "",
    }
    page_related = ("app", "session", "user", "project", "author")
    acts = (Erase,)
    change_form_template = "admin/memory/event/change_form.html"

    def for_list(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Read the beginning of each content, not all of it."""
        return rows.defer("content", "data", "metadata").annotate(
            beginning=Left("content", EXCERPT), length=Length("content")
        )

    @admin.display(description="event")
    def excerpt(self, row: Event) -> str:
        """Show how the content begins."""
        beginning, length = row.beginning, row.length  # type: ignore[attr-defined]  # annotations
        return f"{beginning}…" if length > EXCERPT else beginning or "(data only)"

    @admin.display(description="author")
    def author_link(self, row: Event) -> SafeString | str:
        """Link to who wrote it."""
        return link(row.author)

    @admin.display(description="session")
    def session_link(self, row: Event) -> SafeString | str:
        """Link to the session."""
        return link(row.session)

    @admin.display(description="occurred")
    def occurred(self, row: Event) -> str:
        """Show when it happened."""
        return when(row.occurred_at)

    def detail(self, request: HttpRequest, row: Event) -> dict[str, Any]:
        """Show the event among its neighbours, whose feeds it joined, and what rests on it."""
        subject = ("subject__user", "subject__observer", "subject__session", "subject__project")
        rests = row.evidence_for.select_related("conclusion", *(f"conclusion__{path}" for path in subject))
        return {
            "events": neighbourhood(row),
            "feeds": row.feed_entries.select_related(*subject).order_by("subject")[:SHOWN],
            "rests": rests.order_by("-conclusion")[:SHOWN],
        }


def neighbourhood(event: Event) -> list[Event]:
    """Return an event between up to ten before and ten after it in its session (or user's or project's log)."""
    if event.session_id is not None:
        peers = Event.objects.filter(session=event.session_id)
    elif event.user_id is not None:
        peers = Event.objects.filter(user=event.user_id, session=None)
    else:
        peers = Event.objects.filter(project=event.project_id, user=None, session=None)
    peers = peers.select_related("author")
    before = peers.filter(pk__lt=event.pk).order_by("-pk")[:NEIGHBOURS]
    after = peers.filter(pk__gt=event.pk).order_by("pk")[:NEIGHBOURS]
    return [*reversed(before), event, *after]


def covered(version: Representation) -> QuerySet[FeedEntry, Any]:
    """Return the ids of the events that a version read, as a subquery."""
    return FeedEntry.objects.filter(
        subject=version.subject_id, position__gt=version.covers_from, position__lte=version.covers_to
    ).values("event")
