"""Dry runs: a prompt version tried on a real subject, and what it would make beside what stands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from memory.admin.base import HonchoAdmin
from memory.admin.links import link, may_view
from memory.errors import Invalid, Refusal
from memory.models import Representation
from memory.worddiff import Diff
from reasoning import dry_runs, health, trials
from reasoning.conf import ReasoningSettings
from reasoning.models import PromptVersion, Trial

_SUBJECT = ("subject__user", "subject__observer", "subject__session", "subject__project")
OPEN = (Trial.State.WAITING, Trial.State.RUNNING)


class TrialForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What shall be tried, and on whom."""

    class Meta:
        model = Trial
        fields = ("prompt_version", "subject", "events")
        help_texts = {
            "subject": "Whose memory it is tried on: a user, a session or a project, as the prompt’s kind says.",
            "events": "How many events it reads, at most. Empty: as many as one pass shows. Those that no version has "
            "read yet come first; where there are none, it reads the last ones again.",
        }

    def clean(self) -> dict[str, Any]:
        """Show at its field what cannot be tried."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if {"prompt_version", "subject", "events"} <= values.keys():
            try:
                dry_runs.check(values["prompt_version"], values["subject"], values["events"])
            except Invalid as refusal:
                self.add_error("events" if refusal.where == ("events",) else "subject", refusal.message)
        return values


@admin.register(Trial)
class TrialAdmin(HonchoAdmin[Trial]):
    """Dry runs, newest first. Each is one model call that publishes nothing, and is kept for some days."""

    form = TrialForm
    list_display = ("label", "subject_link", "version_link", "state", "by", "made_at")
    list_display_links = ("label",)
    list_select_related = (*_SUBJECT, "prompt_version__app")
    list_filter = ("state",)
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("prompt_version", "subject")
    page_related = (*_SUBJECT, "subject__app", "subject__current", "prompt_version__app")
    immutable = True
    change_form_template = "admin/reasoning/trial/change_form.html"

    class Media:
        css = {"all": ["reasoning/prompts.css"]}
        js = ["memory/refresh.js"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether this user may try prompts; it costs a model call."""
        return request.user.has_perm("reasoning.edit_prompts")

    def has_change_permission(self, request: HttpRequest, obj: Trial | None = None) -> bool:
        """What came of one is shown, not edited."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Trial | None = None) -> Any:
        """Show a form for a new one only."""
        return super().get_fieldsets(request, obj) if obj is None else [(None, {"fields": ()})]

    def for_list(self, rows: QuerySet[Trial]) -> QuerySet[Trial]:
        """Leave what came of them, and the prompts, where they are."""
        return rows.defer("outcome", "prompt_version__instructions")

    @admin.display(description="dry run")
    def label(self, row: Trial) -> str:
        """Show what was tried."""
        return str(row)

    @admin.display(description="subject")
    def subject_link(self, row: Trial) -> SafeString | str:
        """Link to whom it was tried on."""
        return link(row.subject)

    @admin.display(description="prompt")
    def version_link(self, row: Trial) -> SafeString | str:
        """Link to the prompt version."""
        return link(row.prompt_version)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer what there is, and no way to make more of it here."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_add_related = field.widget.can_change_related = False
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what the link names."""
        return {name: request.GET[name] for name in ("prompt_version", "subject", "events") if request.GET.get(name)}

    def save_model(self, request: HttpRequest, obj: Trial, form: Any, change: bool) -> None:
        """Ask a worker for it."""
        made = trials.ask(obj.prompt_version, obj.subject, events=obj.events, by=request.user.get_username())
        obj.pk = made.pk

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form or the outcome; where too many wait already, say so and keep nothing."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def response_add(self, request: HttpRequest, obj: Trial, post_url_continue: str | None = None) -> HttpResponse:
        """Go to its page, which shows the outcome as soon as there is one."""
        url = reverse("admin:reasoning_trial_change", args=[quote(obj.pk)], current_app=self.admin_site.name)
        return HttpResponseRedirect(url if self.has_view_permission(request, obj) else "../")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one way to save: it leads to the outcome."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if kwargs.get("add") or (args and args[0]):
            context |= {"title": "Try a prompt on a real subject", "most_events": ReasoningSettings.load().pass_events}
        return super().render_change_form(request, context, *args, **kwargs)

    def detail(self, request: HttpRequest, row: Trial) -> dict[str, Any]:
        """Show the outcome beside what stands."""
        found: dict[str, Any] = {"title": "Dry run", "subtitle": str(row), "is_open": row.state in OPEN}
        if row.state in OPEN:
            found["no_worker"] = health.problems().get("worker", "")
        if row.outcome is not None:
            found |= _told(request, row, row.outcome)
        return found


def _told(request: HttpRequest, row: Trial, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome as the page shows it."""
    stands = None
    if outcome["stands"] is not None and may_view(request, Representation):
        stands = Representation.objects.filter(subject=row.subject_id, number=outcome["stands"]).first()
    would_be = outcome["would_be"]
    before = "" if stands is None else stands.text
    return {
        "outcome": outcome,
        "stands": stands,
        "moved_on": stands is not None and row.subject.current_id != stands.pk,
        "text_diff": Diff("What readers would get, word by word", before, would_be["text"]),
        "reworded": [
            Diff("Reworded", item["from"]["content"], item["to"]["content"], item["from"]["reason"])
            for item in outcome["reworded"]
        ],
        "seconds": _seconds(row),
    }


def _seconds(row: Trial) -> float | None:
    if row.started_at is None or row.ended_at is None:
        return None
    return (row.ended_at - row.started_at).total_seconds()


def latest(version: PromptVersion, most: int = 5) -> list[Trial]:
    """Return the newest dry runs of a prompt version. One statement."""
    rows = Trial.objects.filter(prompt_version=version).select_related(*_SUBJECT).defer("outcome")
    return list(rows.order_by("-pk")[:most])


def try_url(version: UUID, site: str) -> str:
    """Return the address of the form that tries a version."""
    return f"{reverse('admin:reasoning_trial_add', current_app=site)}?prompt_version={version}"
