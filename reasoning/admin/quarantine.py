"""What the gates stopped: looked at, and published after all or discarded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince

from memory import ids, publishing
from memory import quarantine as store
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppOfSubject, ChosenSubject
from memory.admin.links import link, may_view
from memory.admin.sections import Section, section_of
from memory.admin.statements import QUOTED, SHOWN, with_evidence
from memory.errors import Refusal
from memory.models import Conclusion, Event, Representation, Ruling, Span, User
from memory.publishing import NewConclusion, Retired
from reasoning import quarantine
from reasoning.models import Pass, PromptVersion, Quarantined, Work

WINDOW = 50_000
LOOKED_AT = 1_000
AT_ONCE = 100
"""So many are ruled upon in one go: each is a transaction of its own."""

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


class RulingForm(forms.Form):
    """Why somebody decides so."""

    reason = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="It is kept with the decision, for whoever asks later.",
    )


@admin.register(Quarantined)
class QuarantinedAdmin(ReadOnlyAdmin[Quarantined]):
    """The versions that a gate stopped, newest first; first of all those that wait for a decision."""

    list_display = (
        "label", "subject_link", "gate", "why", "age", "decision", "prompt_link", "pass_link", "app_link",
    )  # fmt: skip
    list_display_links = ("label",)
    list_select_related = (*_SUBJECT, "subject__app", "ruling")
    list_filter = (Decision, Gate, "subject__kind", AppOfSubject, ChosenSubject)
    search_fields = ("subject__user__name", "subject__session__name", "subject__project__name")
    search_help_text = (
        "A part of the name of the user, session or project, or an id. "
        f"Search and filters look at the newest {WINDOW:,}."
    )
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("publish_selected", "discard_selected")
    window = WINDOW
    indexed = {"ruling": "", "subject": "subject"}
    page_related = (*_SUBJECT, "subject__app", "subject__current", "line", "parent", "ruling__made")
    change_form_template = "admin/reasoning/quarantined/change_form.html"

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether this user may let readers have what a gate stopped."""
        return self.has_view_permission(request) and request.user.has_perm("reasoning.publish_quarantined")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Whether this user may decide that nobody will ever read it."""
        return self.has_view_permission(request) and request.user.has_perm("reasoning.discard_quarantined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantined]:
        """Return what was quarantined, decided or not."""
        return super().get_queryset(request).filter(status=Representation.Status.QUARANTINED)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that ask before something is decided."""
        publish = self.admin_site.admin_view(self.publish_view)
        discard = self.admin_site.admin_view(self.discard_view)
        return [
            path("<path:object_id>/publish/", publish, name="reasoning_quarantined_publish"),
            path("<path:object_id>/discard/", discard, name="reasoning_quarantined_discard"),
            *super().get_urls(),
        ]

    def for_list(self, rows: QuerySet[Quarantined]) -> QuerySet[Quarantined]:
        """Leave the texts where they are."""
        return rows.defer("text", "card", "now", "short_summary", "long_summary", "line_tokens", "draft")

    @admin.display(description="version")
    def label(self, row: Quarantined) -> str:
        """Show its number."""
        return f"Version {row.number}"

    @admin.display(description="subject")
    def subject_link(self, row: Quarantined) -> SafeString | str:
        """Link to what it is about."""
        return link(row.subject)

    @admin.display(description="app")
    def app_link(self, row: Quarantined) -> SafeString | str:
        """Link to the app."""
        return link(row.subject.app)

    @admin.display(description="reason")
    def why(self, row: Quarantined) -> str:
        """Show how the reason begins."""
        return Truncator(row.reason).chars(160)

    @admin.display(description="age")
    def age(self, row: Quarantined) -> str:
        """Show for how long it has been there."""
        return timesince(row.created_at)

    @admin.display(description="prompt")
    def prompt_link(self, row: Quarantined) -> SafeString | str:
        """Link to the prompt version that it was made by."""
        key = _key(row, "prompt_version")
        return link(PromptVersion(pk=key), f"prompt {row.made_by.get('prompt_number', '')}") if key else "–"

    @admin.display(description="pass")
    def pass_link(self, row: Quarantined) -> SafeString | str:
        """Link to the pass whose answer it is."""
        key = _key(row, "pass")
        return link(Pass(pk=key), "pass") if key else "–"

    @admin.display(description="decision")
    def decision(self, row: Quarantined) -> str:
        """Show what was decided, and by whom."""
        ruling = _ruling_of(row)
        return "undecided" if ruling is None else f"{ruling.decision} by {ruling.by or 'nobody known'}"

    def detail(self, request: HttpRequest, row: Quarantined) -> dict[str, Any]:
        """Show what it would change, what stands now, and what can be done."""
        ruling = _ruling_of(row)
        added, retired = publishing.proposed(row)
        standing = Span.objects.filter(line=row.line_id, until=None).select_related("conclusion__about")
        order = ("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content")
        return {
            "subtitle": f"Version {row.number} of {row.subject}",
            "ruling": ruling,
            "obstacle": _outcome(row)["obstacle"] if ruling is None else "",
            "may_publish": self.has_publish_permission(request),
            "may_discard": self.has_discard_permission(request),
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

    def publish_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then let readers have one version."""
        if not self.has_publish_permission(request):
            raise PermissionDenied
        return self._decide_one(request, object_id, "publish")

    def discard_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then discard one version."""
        if not self.has_discard_permission(request):
            raise PermissionDenied
        return self._decide_one(request, object_id, "discard")

    @admin.action(description="Publish selected versions", permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> HttpResponse | None:
        """Ask why, then let readers have the selected versions."""
        return self._decide_many(request, queryset, "publish")

    @admin.action(description="Discard selected versions", permissions=["discard"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> HttpResponse | None:
        """Ask why, then discard the selected versions."""
        return self._decide_many(request, queryset, "discard")

    def _decide_one(self, request: HttpRequest, object_id: str, act: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404("There is no such quarantined version.")
        page = reverse("admin:reasoning_quarantined_change", args=[quote(row.pk)], current_app=self.admin_site.name)
        form = RulingForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._decide(request, [row], act, form.cleaned_data["reason"])
            return HttpResponseRedirect(page)
        return self._ask(request, [row], act, form, page)

    def _decide_many(self, request: HttpRequest, queryset: QuerySet[Quarantined], act: str) -> HttpResponse | None:
        chosen = queryset.filter(ruling=None).select_related(*_SUBJECT, "line").prefetch_related(None).defer(None)
        rows = list(chosen.order_by("pk")[: AT_ONCE + 1])
        if not rows or len(rows) > AT_ONCE:
            problem = f"Select at most {AT_ONCE} at a time." if rows else "Those were decided already."
            self.message_user(request, problem, messages.WARNING)
            return None
        form = RulingForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._decide(request, rows, act, form.cleaned_data["reason"])
            return None
        return self._ask(request, rows, act, form, "")

    def _ask(
        self, request: HttpRequest, rows: Sequence[Quarantined], act: str, form: RulingForm, page: str
    ) -> HttpResponse:
        """Show what will happen and ask for the reason; ``page`` is the one row's, empty for the list's action."""
        what = f"version {rows[0].number} of {rows[0].subject}" if page else f"{len(rows)} versions"
        context = {
            **self.admin_site.each_context(request),
            "title": f"{act.capitalize()} {what}?",
            "opts": self.opts,
            "act": act,
            "publishing": act == "publish",
            "form": form,
            "page": page,
            "outcomes": [{"row": row, **_outcome(row)} for row in rows],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/reasoning/quarantined/decide.html", context)

    def _decide(self, request: HttpRequest, rows: Sequence[Quarantined], act: str, reason: str) -> None:
        """Rule upon each in a transaction of its own, and say what came of it."""
        by = request.user.get_username()
        done = []
        for row in rows:
            try:
                with transaction.atomic():
                    if act == "publish":
                        made = quarantine.publish(row, reason=reason, by=by)
                        done.append(f"version {made.number} of {made.subject}")
                        self.log_change(request, row, f"Published as version {made.number}: {reason}")
                    else:
                        quarantine.discard(row, reason=reason, by=by)
                        done.append(str(row))
                        self.log_change(request, row, f"Discarded: {reason}")
            except Refusal as refusal:
                self.message_user(request, f"{row} was left as it was: {refusal.message}", messages.ERROR)
        if done:
            named = ", ".join(done) if len(done) <= 3 else f"{len(done)} versions"
            said = f"Readers get {named} now." if act == "publish" else f"Discarded: {named}."
            self.message_user(request, said, messages.SUCCESS)


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


def _ruling_of(row: Quarantined) -> Ruling | None:
    return getattr(row, "ruling", None)


def _outcome(row: Quarantined) -> dict[str, Any]:
    """Return what publishing would make of it now, or why it cannot be done."""
    try:
        draft = store.as_it_would_be(row)
    except Refusal as refusal:
        return {"obstacle": refusal.message}
    prints = {publishing.fingerprint(item.content, item.about_id) for item in draft.added}
    standing = Span.objects.filter(line=row.line_id, until=None, conclusion__fingerprint__in=prints)
    return {
        "obstacle": "",
        "number": row.subject.versions + 1,
        "more": len(prints) - standing.count(),
        "fewer": len({item.conclusion_id for item in draft.retired}),
        "events": draft.covers_to - draft.covers_from,
        "moved": (draft.parent_id, draft.covers_from) != (row.parent_id, row.covers_from),
    }


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
