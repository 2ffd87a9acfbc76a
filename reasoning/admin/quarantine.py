"""What the gates stopped: the list, and all that a decision needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from memory import ids, publishing
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppOfSubject, ChosenSubject
from memory.admin.links import may_view
from memory.admin.sections import Section, section_of
from memory.admin.statements import QUOTED, SHOWN, with_evidence
from memory.models import Conclusion, Event, Representation, Ruling, Span, User
from memory.publishing import NewConclusion, Retired
from memory.standing import standing_now
from memory.templatetags.honcho_admin import lasting
from reasoning.admin.deciding import AskAnew, Discard, Publish, outcome, ruling_of
from reasoning.models import Pass, Quarantined, Work

WINDOW = 50_000
LOOKED_AT = 1_000
_SUBJECT = ("subject__user", "subject__observer", "subject__session", "subject__project")


class Decision(admin.SimpleListFilter):
    """Undecided versions, unless others are asked for."""

    title = "decision"
    parameter_name = "ruling"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the decisions."""
        return [*((str(value), str(label)) for value, label in Ruling.Decision.choices), ("any", "Any")]

    def choices(self, changelist: ChangeList) -> Any:
        """Offer what shows when nothing is chosen under its own name."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Undecided"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep those with the chosen decision."""
        if self.value() in Ruling.Decision.values:
            return queryset.filter(ruling__decision=self.value())
        return queryset if self.value() == "any" else queryset.filter(ruling=None)


class Gate(admin.SimpleListFilter):
    """What one gate stopped."""

    title = parameter_name = "gate"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the gates that stopped one of the newest versions."""
        newest = model_admin.get_queryset(request).order_by("-pk").values_list("gate", flat=True)[:LOOKED_AT]
        return [(gate, gate) for gate in sorted({*newest, self.value() or ""} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what the chosen gate stopped."""
        return queryset.filter(gate=self.value()) if self.value() else queryset


@admin.register(Quarantined)
class QuarantinedAdmin(ReadOnlyAdmin[Quarantined]):
    """The versions that a gate stopped, newest first; first of all those that wait for a decision."""

    list_display = ("subject_version", "stopped", "age", "decision")
    list_display_links = ("subject_version",)
    list_select_related = (*_SUBJECT, "subject__app", "ruling")
    list_filter = (Decision, Gate, "subject__kind", AppOfSubject, ChosenSubject)
    search_fields = ("subject__user__name", "subject__session__name", "subject__project__name")
    search_help_text = (
        "A part of the name of the user, session or project, or an id. "
        f"Search and filters look at the newest {WINDOW:,}."
    )
    ordering = ("-pk",)
    sortable_by = ()
    acts = (Publish, Discard, AskAnew)
    window = WINDOW
    indexed = {"ruling": "", "subject": "subject"}
    page_related = (*_SUBJECT, "subject__app", "subject__current", "line", "parent", "ruling__made")
    change_list_template = "admin/reasoning/quarantined/change_list.html"
    change_form_template = "admin/reasoning/quarantined/change_form.html"

    class Media:
        css = {"all": ["memory/forms.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantined]:
        """Return what was quarantined, decided or not."""
        return super().get_queryset(request).filter(status=Representation.Status.QUARANTINED)

    def for_list(self, rows: QuerySet[Quarantined]) -> QuerySet[Quarantined]:
        """Leave the texts where they are."""
        return rows.defer("text", "card", "now", "short_summary", "long_summary", "line_tokens", "draft")

    @admin.display(description="what")
    def subject_version(self, row: Quarantined) -> SafeString:
        """Show what it is about and its number, and below in which app and by which prompt."""
        beside = [str(row.subject.app), f"{row.subject.get_kind_display().lower()}"]
        if "prompt_number" in row.made_by:
            beside.append(f"prompt {row.made_by['prompt_number']}")
        said = f"{row.subject}, version {row.number}"
        return format_html('{}<div class="honcho-meta">{}</div>', said, " · ".join(beside))

    @admin.display(description="why it was stopped")
    def stopped(self, row: Quarantined) -> SafeString:
        """Show what stopped it, and how the reason begins."""
        gate = format_html('<span class="honcho-badge honcho-bad">{}</span> ', row.gate) if row.gate else ""
        return format_html("{}{}", gate, Truncator(row.reason).chars(160))

    @admin.display(description="age")
    def age(self, row: Quarantined) -> str:
        """Show for how long it has been there."""
        return lasting(row.created_at)

    @admin.display(description="decision")
    def decision(self, row: Quarantined) -> str:
        """Show what was decided, and by whom."""
        ruling = ruling_of(row)
        return "undecided" if ruling is None else f"{ruling.decision} by {ruling.by or 'nobody known'}"

    def detail(self, request: HttpRequest, row: Quarantined) -> dict[str, Any]:
        """Show what it would change, what stands now, and what can be done."""
        ruling = ruling_of(row)
        added, retired = publishing.proposed(row)
        standing = standing_now(row.line_id).select_related("conclusion__about")
        order = ("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content")
        return {
            "subtitle": f"Version {row.number} of {row.subject}",
            "ruling": ruling,
            "obstacle": outcome(row)["obstacle"] if ruling is None else "",
            "known": row.draft is not None,
            "added": _shown_added(added[:SHOWN]),
            "added_count": len(added),
            "retired": _shown_retired(row, added, retired[:SHOWN]),
            "retired_count": len(retired),
            "statements": with_evidence(standing.order_by(*order), row.subject.versions),
            "limit": SHOWN,
            "item": _pass_of(row),
            "work": Work.objects.filter(line=row.line_id).first(),
            "event_count": row.covers_to - row.covers_from,
            "version": Representation(pk=row.pk, number=row.number),
        }


@section_of(Representation)
def ruled(request: HttpRequest, row: Representation) -> Section | None:
    """Lead from a version that was stopped, or published after all, to what was decided about it."""
    if not may_view(request, Quarantined):
        return None
    stopped = Quarantined.objects.filter(subject=row.subject_id, status=Representation.Status.QUARANTINED)
    if row.status == Representation.Status.QUARANTINED:
        found = stopped.filter(pk=row.pk)
    elif "published_from" in row.made_by:
        found = stopped.filter(ruling__made=row.pk)
    else:
        return None
    return Section(
        title="Quarantine",
        template="admin/reasoning/includes/ruling.html",
        context={"stopped": found.select_related("ruling__made").first()},
        place="side",
    )


def _key(row: Quarantined, maker: str) -> UUID | None:
    """Return the id of the pass or prompt version that made a version. (A pass knows only what it published.)"""
    return ids.decode(str(row.made_by.get(maker, "")))


def _pass_of(row: Quarantined) -> Pass | None:
    key = _key(row, "pass")
    return Pass.objects.select_related("prompt_version", "line").filter(pk=key).first() if key else None


def _shown_added(added: Sequence[NewConclusion]) -> list[dict[str, Any]]:
    """Return new statements with whom they are about and the newest events that they rest on."""
    newest = {id(item): sorted(item.evidence, reverse=True)[:QUOTED] for item in added}
    named = {event_id for ids in newest.values() for event_id in ids}
    events = Event.objects.select_related("author").in_bulk(named)
    users = User.objects.in_bulk({item.about_id for item in added if item.about_id})
    return [
        {
            "statement": item,
            "level": Conclusion.Level(item.level).label if item.level in Conclusion.Level.values else item.level,
            "about": users.get(item.about_id) if item.about_id else None,
            "events": [events[event_id] for event_id in newest[id(item)] if event_id in events],
        }
        for item in added
    ]


def _shown_retired(
    row: Quarantined, added: Sequence[NewConclusion], retired: Sequence[Retired]
) -> list[dict[str, Any]]:
    """Return what it would retire, with whether that stands still and what would replace it."""
    named: list[UUID] = [item.conclusion_id for item in retired]
    conclusions = Conclusion.objects.filter(subject=row.subject_id).in_bulk(named)
    open_spans = Span.objects.filter(line=row.line_id, until=None, conclusion__in=named)
    standing = set(open_spans.values_list("conclusion_id", flat=True))
    return [
        {
            "conclusion": conclusions.get(item.conclusion_id),
            "reason": item.reason,
            "stands": item.conclusion_id in standing,
            "replaced_by": added[item.replaced_by].content
            if item.replaced_by is not None and 0 <= item.replaced_by < len(added)
            else "",
        }
        for item in retired
    ]
