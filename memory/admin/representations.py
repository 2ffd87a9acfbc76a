"""Versions and the statements that stand in them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory import explaining
from memory.admin import makers
from memory.admin.base import CappedCount, ReadOnlyAdmin
from memory.admin.correcting import Correct, Pin, Retract, Unpin
from memory.admin.filters import AppOfSubject, ChosenSubject
from memory.admin.links import link
from memory.admin.log import covered
from memory.admin.rolling_back import RollBack
from memory.admin.statements import SHOWN, confidence, standing
from memory.admin.timeline import origin
from memory.models import Conclusion, Event, Evidence, Representation, Span

WINDOW = 50_000
EXCERPT = 200
EVENTS_SHOWN = 20
_SUBJECT = ("subject__user", "subject__observer", "subject__session", "subject__project")


@admin.register(Representation)
class RepresentationAdmin(ReadOnlyAdmin[Representation]):
    """Every version of every subject, newest first."""

    list_display = ("label", "subject_link", "kind", "status", "made_at", "size", "events", "prompt", "reasoner")
    list_display_links = ("label",)
    list_select_related = _SUBJECT
    list_filter = ("status", "subject__kind", AppOfSubject, ChosenSubject)
    search_fields = ("subject__user__name", "subject__session__name", "subject__project__name")
    search_help_text = (
        "A part of the name of the user, session or project, or an id. "
        f"Search and filters look at the newest {WINDOW:,} versions."
    )
    ordering = ("-pk",)
    sortable_by = ()
    window = WINDOW
    indexed = {"subject": "subject"}
    page_related = (*_SUBJECT, "subject__app", "line", "parent")
    change_form_template = "admin/memory/representation/change_form.html"
    acts = (RollBack,)

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def for_list(self, rows: QuerySet[Representation]) -> QuerySet[Representation]:
        """Leave the texts where they are."""
        return rows.defer("text", "card", "now", "short_summary", "long_summary", "reason")

    @admin.display(description="version")
    def label(self, row: Representation) -> str:
        """Show its number."""
        return f"Version {row.number}"

    @admin.display(description="subject")
    def subject_link(self, row: Representation) -> SafeString | str:
        """Link to what it is about."""
        return link(row.subject)

    @admin.display(description="kind")
    def kind(self, row: Representation) -> str:
        """Show what kind of subject it is about."""
        return row.subject.get_kind_display()

    @admin.display(description="tokens")
    def size(self, row: Representation) -> int:
        """Show how many tokens the text has."""
        return sum(row.line_tokens)

    @admin.display(description="events")
    def events(self, row: Representation) -> int:
        """Show how many events it read."""
        return row.covers_to - row.covers_from

    @admin.display(description="prompt")
    def prompt(self, row: Representation) -> str:
        """Show the number of the prompt, or that it was rolled back."""
        if "rolled_back_to" in row.made_by:
            return f"rolled back to {row.made_by['rolled_back_to']}"
        return str(row.made_by.get("prompt_number", "–"))

    @admin.display(description="model")
    def reasoner(self, row: Representation) -> str:
        """Show which model made it."""
        return str(row.made_by.get("model", "–"))

    def detail(self, request: HttpRequest, row: Representation) -> dict[str, Any]:
        """Show what it says and what each sentence rests on, what it changed, and what it read."""
        published = row.status == Representation.Status.PUBLISHED
        spans = Span.objects.filter(line=row.line_id).select_related("conclusion__about")
        events = Event.objects.filter(pk__in=covered(row)).select_related("author").order_by("pk")
        return {
            "origin": origin(row),
            "published": published,
            "is_current": row.subject.current_id == row.pk,
            "tokens": sum(row.line_tokens),
            "event_count": row.covers_to - row.covers_from,
            "statements": standing(row) if published else [],
            "statements_limit": SHOWN,
            "added": list(spans.filter(since=row.number).order_by("conclusion")[:SHOWN]) if published else [],
            "retired": list(spans.filter(until=row.number).select_related("replaced_by").order_by("conclusion")[:SHOWN])
            if published
            else [],
            "events": events[:EVENTS_SHOWN] if row.covers_to > row.covers_from else [],
        }


class Importance(admin.SimpleListFilter):
    """Conclusions of one importance; the choices are known and need no query."""

    title = parameter_name = "importance"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer 5 to 1."""
        return [(str(value), str(value)) for value in range(5, 0, -1)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conclusion]) -> QuerySet[Conclusion]:
        """Keep the chosen importance."""
        value = self.value() or ""
        return queryset.filter(importance=int(value)) if value in {"1", "2", "3", "4", "5"} else queryset


@admin.register(Conclusion)
class ConclusionAdmin(ReadOnlyAdmin[Conclusion]):
    """Every statement, newest first."""

    list_display = ("excerpt", "subject_link", "level", "importance", "held_fast", "resting_on", "made_at")
    list_display_links = ("excerpt",)
    list_select_related = _SUBJECT
    list_filter = ("level", "pinned", "retracted", Importance, "subject__kind", AppOfSubject, ChosenSubject)
    search_fields = ("content",)
    search_help_text = f"A part of the statement, or an id. Search and filters look at the newest {WINDOW:,}."
    ordering = ("-pk",)
    sortable_by = ()
    window = WINDOW
    indexed = {"subject": "subject"}
    page_related = (*_SUBJECT, "subject__app", "about")
    change_form_template = "admin/memory/conclusion/change_form.html"
    acts = (Correct, Pin, Unpin, Retract)

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def for_list(self, rows: QuerySet[Conclusion]) -> QuerySet[Conclusion]:
        """Read how each begins and count what it rests on."""
        evidence = Evidence.objects.filter(conclusion=OuterRef("pk")).values("event")[:1001]
        return rows.defer("content").annotate(
            beginning=Left("content", EXCERPT), length=Length("content"), evidence_count=CappedCount(evidence)
        )

    @admin.display(description="statement")
    def excerpt(self, row: Conclusion) -> str:
        """Show how it begins."""
        beginning, length = row.beginning, row.length  # type: ignore[attr-defined]  # annotations
        return f"{beginning}…" if length > EXCERPT else beginning

    @admin.display(description="subject")
    def subject_link(self, row: Conclusion) -> SafeString | str:
        """Link to the subject that it belongs to."""
        return link(row.subject)

    @admin.display(description="a human")
    def held_fast(self, row: Conclusion) -> str:
        """Show whether a human pinned it, or took it out."""
        return "pinned" if row.pinned else "retracted" if row.retracted else "–"

    @admin.display(description="events")
    def resting_on(self, row: Conclusion) -> str:
        """Show how many events it rests on."""
        count: int = row.evidence_count  # type: ignore[attr-defined]  # an annotation
        return "1,000+" if count > 1000 else str(count)

    def detail(self, request: HttpRequest, row: Conclusion) -> dict[str, Any]:
        """Show why it stands or stood: its events, the version that brought it, the prompt and the pass."""
        found = explaining.explain(row.subject, row)
        brought = found.introduced
        edges = [(stand.span.since, stand.span.until) for stand in found.spans]
        versions = {
            version.number: version
            for version in Representation.objects.filter(
                subject=row.subject_id, number__in={number for edge in edges for number in edge if number}
            )
            .select_related(*_SUBJECT)
            .only("number", *_SUBJECT)
        }
        recipe = brought.line.recipe if brought else ""
        return {
            "title": "Why this is said" if found.stands else "Why this was said",
            "subtitle": None,
            "found": found,
            "confidence": confidence(row),
            "brought": brought,
            "origin": origin(brought) if brought else "",
            "prompt": makers.recipes([recipe]).get(recipe) if brought else None,
            "made_in": makers.passes([brought]).get(brought.pk) if brought else None,
            "stands": [
                {"stand": stand, "since": versions.get(stand.span.since), "until": versions.get(stand.span.until or 0)}
                for stand in found.spans[:SHOWN]
            ],
            "said": row.corrections.select_related("event", "replaced_by", "representation").order_by("-pk")[:SHOWN],
        }
