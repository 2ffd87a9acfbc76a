"""Subjects: what is known now, how fresh it is, and how it came to be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, Count, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory.admin.base import CappedCount, ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, when
from memory.admin.statements import standing
from memory.models import Correction, FeedEntry, Representation, Span, Subject

HISTORY = 50
CORRECTIONS = 20
COUNTED = 1_000


@admin.register(Subject)
class SubjectAdmin(ReadOnlyAdmin[Subject]):
    """What representations are about."""

    list_display = ("label", "kind", "app_link", "version", "as_of", "behind", "versions")
    list_display_links = ("label",)
    list_select_related = ("app", "user", "observer", "session", "project", "current")
    list_filter = ("kind", AppFilter)
    search_fields = ("user__name", "session__name", "project__name")
    search_help_text = "A part of the name of the user, session or project, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app", "user", "observer", "session", "project", "line", "current__line")
    change_form_template = "admin/memory/subject/change_form.html"

    def for_list(self, rows: QuerySet[Subject]) -> QuerySet[Subject]:
        """Count what the current version has not read; leave the texts where they are."""
        return with_behind(rows).defer(
            *(f"current__{name}" for name in ("text", "line_tokens", "now", "card", "short_summary", "long_summary"))
        )

    @admin.display(description="subject")
    def label(self, row: Subject) -> str:
        """Show who or what it is."""
        return str(row)

    @admin.display(description="app")
    def app_link(self, row: Subject) -> SafeString | str:
        """Link to the app."""
        return link(row.app)

    @admin.display(description="current version")
    def version(self, row: Subject) -> SafeString | str:
        """Link to what readers get."""
        return link(row.current, f"version {row.current.number}") if row.current else "–"

    @admin.display(description="as of")
    def as_of(self, row: Subject) -> str:
        """Show when the newest event was recorded that it has read."""
        return when(row.current.as_of if row.current else None)

    @admin.display(description="behind")
    def behind(self, row: Subject) -> str:
        """Show how many events wait."""
        count: int = row.behind_events  # type: ignore[attr-defined]  # an annotation
        return "up to date" if not count else f"{count:,} event{'s' if count > 1 else ''}"

    def detail(self, request: HttpRequest, row: Subject) -> dict[str, Any]:
        """Show the text, the statements in it with what they rest on, what humans said, and the versions before."""
        current = row.current
        behind = with_behind(Subject.objects.filter(pk=row.pk)).get().behind_events  # type: ignore[attr-defined]
        return {
            "current": current,
            "behind": behind,
            "waiting_since": _waiting_since(row) if behind else None,
            "statements": standing(current) if current else [],
            "history": history(row),
            "history_limit": HISTORY,
            "corrections": corrections_of(row),
            "corrections_limit": CORRECTIONS,
        }


def corrections_of(subject: Subject) -> list[Correction]:
    """Return what humans said of a subject's statements, newest first."""
    said = Correction.objects.filter(subject=subject).select_related("conclusion", "replaced_by", "event")
    return list(said.select_related("representation").order_by("-representation__number")[:CORRECTIONS])


def with_behind(rows: QuerySet[Subject]) -> QuerySet[Subject]:
    """Annotate how many events the current version has not read."""
    not_numbered = FeedEntry.objects.filter(subject=OuterRef("pk"), position=None).values("event")[:COUNTED]
    return rows.annotate(
        behind_events=F("head")
        - Coalesce("current__covers_to", 0, output_field=BigIntegerField())
        + CappedCount(not_numbered)
    )


def history(subject: Subject) -> list[dict[str, Any]]:
    """Return the newest versions, each with how many statements it added and retired."""
    versions = list(
        Representation.objects.filter(subject=subject)
        .select_related("line")
        .defer("text", "card", "now", "short_summary", "long_summary")
        .order_by("-number")[:HISTORY]
    )
    numbers = [version.number for version in versions]
    added, retired = _counted(subject, "since", numbers), _counted(subject, "until", numbers)
    return [
        {
            "version": version,
            "current": version.pk == subject.current_id,
            "events": version.covers_to - version.covers_from,
            "tokens": sum(version.line_tokens),
            "added": added.get((version.line_id, version.number), 0),
            "retired": retired.get((version.line_id, version.number), 0),
        }
        for version in versions
    ]


def _counted(subject: Subject, edge: str, numbers: list[int]) -> dict[Any, int]:
    spans = Span.objects.filter(line__subject=subject, **{f"{edge}__in": numbers})
    rows = spans.values_list("line_id", edge).annotate(count=Count("pk"))
    return {(line_id, number): count for line_id, number, count in rows}


def _waiting_since(subject: Subject) -> datetime | None:
    """Return when the oldest event was recorded that the current version has not read."""
    read = subject.current.covers_to if subject.current else 0
    entries = FeedEntry.objects.filter(subject=subject).values_list("event__recorded_at", flat=True)
    numbered = entries.filter(position=read + 1).first()
    return numbered or entries.filter(position=None).order_by("event").first()
