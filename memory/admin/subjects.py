"""Subjects: what is known now, how fresh it is, and how it came to be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory import publishing
from memory.admin import timeline
from memory.admin.acts import Act
from memory.admin.base import CappedCount, ReadOnlyAdmin
from memory.admin.correcting import PERMISSION, Add
from memory.admin.filters import AppFilter
from memory.admin.links import link, may_view, when
from memory.admin.rolling_back import RollBack
from memory.admin.sentences import Sentence, lines_of
from memory.admin.statements import SHOWN, standing
from memory.admin.timeline import ComparePage, TimelinePage
from memory.models import Conclusion, Correction, FeedEntry, Subject

CORRECTIONS = 20
COUNTED = 1_000
WINDOW = 50_000


@admin.register(Subject)
class SubjectAdmin(ReadOnlyAdmin[Subject]):
    """What representations are about."""

    list_display = ("label", "kind", "app_link", "version", "as_of", "behind", "versions")
    list_display_links = ("label",)
    list_select_related = ("app", "user", "observer", "session", "project", "current")
    list_filter = ("kind", AppFilter)
    search_fields = ("user__name", "session__name", "project__name")
    search_help_text = (
        "A part of the name of the user, session or project, or an id. "
        f"A search, and the kind, look at the newest {WINDOW:,}."
    )
    window = WINDOW
    indexed = {"app": "app"}
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app", "user", "observer", "session", "project", "line", "current__line")
    change_form_template = "admin/memory/subject/change_form.html"
    acts: tuple[type[Act], ...] = (Add,)
    object_pages = (TimelinePage, ComparePage, Sentence)

    class Media:
        css = {"all": ["memory/subjects.css"]}

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
        """Show the text, the statements in it with what they rest on, what humans said, and the newest versions."""
        current = row.current
        behind = with_behind(Subject.objects.filter(pk=row.pk)).get().behind_events  # type: ignore[attr-defined]
        statements = standing(current) if current else []
        said = [item.span.conclusion for item in statements] if may_view(request, Conclusion) else []
        return {
            "title": str(row),
            "subtitle": None,
            "current": current,
            "lines": lines_of(publishing.text_of(current).text, said, row.person) if current else [],
            "tokens": sum(current.line_tokens) if current else 0,
            "behind": behind,
            "waiting_since": _waiting_since(row) if behind else None,
            "statements": statements,
            "statements_limit": SHOWN,
            "timeline": timeline.of(row),
            "corrections": corrections_of(row),
            "corrections_limit": CORRECTIONS,
            "may_correct": request.user.has_perm(PERMISSION),
            "may_roll_back": request.user.has_perm(RollBack.permission),
        }


def offer(*acts: type[Act]) -> None:
    """Let another app's acts be done to subjects; call it when the app's admin is imported."""
    SubjectAdmin.acts += acts


def corrections_of(subject: Subject) -> list[Correction]:
    """Return what humans said of a subject's statements, newest first."""
    said = Correction.objects.filter(subject=subject).select_related("conclusion", "replaced_by", "event")
    return list(said.select_related("representation").order_by("-representation__number")[:CORRECTIONS])


def with_behind(rows: QuerySet[Subject]) -> QuerySet[Subject]:
    """Annotate how many events the current version has not read."""
    not_numbered = FeedEntry.objects.filter(subject=OuterRef("pk"), position=None).values("event")[:COUNTED]
    return rows.annotate(
        behind_events=F("head")
        - Greatest(Coalesce("current__covers_to", 0, output_field=BigIntegerField()), F("archived_to"))
        + CappedCount(not_numbered)
    )


def _waiting_since(subject: Subject) -> datetime | None:
    """Return when the oldest event was recorded that the current version has not read."""
    read = max(subject.current.covers_to if subject.current else 0, subject.archived_to)
    entries = FeedEntry.objects.filter(subject=subject).values_list("event__recorded_at", flat=True)
    numbered = entries.filter(position=read + 1).first()
    return numbered or entries.filter(position=None).order_by("event").first()
