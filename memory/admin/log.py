"""The log: found by id, content, session or author, and read as the conversation that it was part of."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
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
    as_id,
    asked_id,
)
from memory.admin.links import link, when
from memory.models import Event, FeedEntry, Project, Representation, Session, User
from memory.search import Filters, Scope, log

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

    list_display = ("excerpt", "occurred", "author_link", "session_link", "kind")
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
        f"With an app, user, session or project chosen: words that an event has, all of them; the newest {log.MOST} are"
        " shown, however far back. Without: a part of the content, or the client's id. Or an event's id. Searches of "
        f"all apps, and kind and origin alone, look at the newest {WINDOW:,} events."
    )
    ordering = ("-pk",)
    sortable_by = ()
    window = WINDOW
    indexed = {
        "session": "session",
        "user": "user",
        "project": "project",
        "app": "app",
        "author": "author",
        "recorded": "",
        "covered_by": "",
    }
    page_related = ("app", "session", "user", "project", "author")
    acts = (Erase,)
    change_form_template = "admin/memory/event/change_form.html"

    def looks_up(self, request: HttpRequest, term: str) -> bool:
        """Whether a search goes by the index of words: it does where it is known of which app."""
        return super().looks_up(request, term) or (bool(term) and _scope(request) is not None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Find events by their words, in a scope; by a part of the content, or an id, otherwise."""
        where = _scope(request) if search_term and not self.names_row(search_term.strip()) else None
        if where is None:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(pk__in=log.events(where, search_term, _filters(request))), False

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
        """Link to who wrote it, or say what did."""
        return link(row.author) if row.author else row.get_origin_display()

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
        events = neighbourhood(row)
        return {
            "events": events,
            "conversation": conversation_url(row, events[0], self.admin_site.name),
            "feeds": row.feed_entries.select_related(*subject).order_by("subject")[:SHOWN],
            "rests": rests.order_by("-conclusion")[:SHOWN],
        }


_SCOPES: dict[str, type[Session | User | Project]] = {"session": Session, "user": User, "project": Project}


def _scope(request: HttpRequest) -> Scope | None:
    """Return what the list's filters narrow a search to: a session, user or project, or else an app."""
    for name, model in _SCOPES.items():
        if (pk := as_id(request.GET.get(name))) is not None:
            app = model._default_manager.filter(pk=pk).values_list("app", flat=True).first()
            return None if app is None else Scope(app, pk)
    app = as_id(request.GET.get("app"))
    return None if app is None else Scope(app)


def _filters(request: HttpRequest) -> Filters:
    """Return what else the list's filters narrow a search to."""
    kind, origin, author = (request.GET.get(name, "") for name in ("kind", "origin__exact", "author"))
    span = Recorded.spans.get(request.GET.get("recorded", ""))
    return Filters(
        kinds=[kind] if kind not in ("", ".") else [],
        origins=[origin] if origin else [],
        authors=[chosen] if (chosen := as_id(author)) else None,
        since=timezone.now() - span[1] if span else None,
    )


def conversation_url(event: Event, after: Event, site: str) -> str:
    """Return the address of the conversation that an event is in, from the event ``after`` on, with it marked."""
    name, pk = next((name, pk) for name in _SCOPES if (pk := getattr(event, f"{name}_id")) is not None)
    url = reverse(f"admin:memory_{name}_conversation", args=[pk], current_app=site)
    return f"{url}?{urlencode({'after': after.pk, 'here': event.pk} if after != event else {'here': event.pk})}"


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
