"""Rolling a deployment back: all that a prompt version made is taken from readers at once, and given back again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppFilter, as_id
from memory.admin.links import link, page_url, when
from memory.admin.pages import Page
from memory.admin.permissions import demand
from memory.errors import Conflict
from memory.models import App, Line, Subject
from memory.restoring import Onward
from memory.worddiff import Diff
from reasoning import labels, prompt_places, rollbacks
from reasoning.admin.labels import MakeLive
from reasoning.models import Pass, PromptVersion, Rollback, RolledBack

SHOWN = 50
SAMPLE = 5
OFFERED = 200
COUNTED = 1_000


class DeploymentForm(ReasonForm):
    """What shall be taken back, and what becomes of the rest."""

    since = forms.DateTimeField(
        required=False,
        label="Made since",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    app = forms.ModelChoiceField(
        App.objects.order_by("name"), required=False, label="Only in app", help_text="Empty: in every app."
    )
    then = forms.ChoiceField(
        choices=[
            ("stay", "They stay read: what was learned from them since is gone"),
            ("reason_again", "They are read again, by what is live then"),
        ],
        label="Events read since",
        initial="stay",
        widget=forms.RadioSelect,
    )
    live = forms.ModelChoiceField(
        PromptVersion.objects.none(),
        required=False,
        label="Live instead",
        empty_label="The version that was live before",
    )
    keep_live = forms.BooleanField(
        required=False,
        label="Leave the prompt live",
        help_text="Take back what it made so far and go on with it: labels, experiments and runs stay as they are.",
    )
    field_order = ("since", "app", "then", "live", "keep_live", "reason")

    def narrow(self, version: PromptVersion, site: admin.AdminSite) -> None:
        """Offer what fits a prompt version."""
        zone = timezone.get_current_timezone_name()
        self.fields["since"].help_text = f"In {zone}. Empty: all that it ever made."
        if version.app_id is not None:
            del self.fields["app"]
        else:
            self.fields["app"].widget = AutocompleteSelect(PromptVersion._meta.get_field("app"), site)
            self.fields["app"].widget.choices = self.fields["app"].choices  # type: ignore[attr-defined]
        if not version.is_live:
            del self.fields["live"]
            return
        others = PromptVersion.objects.filter(kind=version.kind).exclude(pk=version.pk).select_related("app")
        if version.app_id is not None:
            others = others.filter(app=version.app_id)
        live: Any = self.fields["live"]
        live.queryset = others.defer("instructions").order_by("-pk")
        live.label_from_instance = _named


class RollBackDeployment(Act):
    """Take readers back from all that a prompt version made."""

    name, verb, permission = "roll_back", "Roll back what it made", "memory.roll_back_versions"
    form_class = DeploymentForm

    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse who may not promote prompts to name one as live that never was; else as any act."""
        named = as_id(request.POST.get("live"))
        if named is not None and not labels.was_live(named):
            demand(request, MakeLive.permission)
        return super().view(request, object_id)

    def needs(self, request: HttpRequest, obj: PromptVersion) -> bool:
        """What has no line has made nothing."""
        return Line.objects.filter(recipe=obj.recipe).exists()

    def form(self, obj: PromptVersion, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Return the form with what fits this version."""
        form = DeploymentForm(data, initial={"then": "stay", **(initial or {})})
        form.narrow(obj, self.model_admin.admin_site)
        return form

    def about(self, obj: PromptVersion) -> str:
        """Say what follows from it."""
        return (
            "Readers of every subject whose memory this version made, or that goes on from what it made, get again "
            "what they got before. Nothing is deleted: it can be undone. It sticks: the version is live no more, and "
            "experiments and runs that would bring it back are stopped."
        )

    def preview(self, obj: PromptVersion, data: dict[str, Any]) -> Preview:
        """Count what would be taken back, and show some of it."""
        app, live = data.get("app") or obj.app, data.get("live")
        instead = None if data["keep_live"] else rollbacks.live_instead(obj, app=app, live=live)
        plan = rollbacks.plan(obj, app=app, since=data["since"])
        if not plan.affected and instead is None:
            raise Conflict(f"Readers get nothing that {obj} made{' since then' if data['since'] else ''}.")
        stopped = not data["keep_live"]
        lines = [
            ("Subjects taken back", f"{len(plan.affected):,}"),
            ("Versions that readers lose", f"{plan.versions:,}"),
            (
                "Events read since",
                f"{plan.events:,}: {'read again' if data['then'] == 'reason_again' else 'stay read'}",
            ),
            ("Live from then on", "as it is now" if instead is None else _named(instead)),
            ("Experiments paused or stopped", plan.experiments if stopped else 0),
            ("Reprocess runs ended", plan.runs if stopped else 0),
        ]
        warning = ""
        if plan.nothing_before:
            were = f"{plan.nothing_before:,} of them" if plan.nothing_before < len(plan.affected) else "All of them"
            warning = f"{were} had nothing before: their readers would get nothing."
        token = [sorted(map(str, plan.targets.items())), str(instead and instead.pk), lines, str(sorted(data.items()))]
        return Preview(lines=lines, diffs=_diffs(plan.targets), warning=warning, token=json.dumps(token, default=str))

    def perform(self, obj: PromptVersion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Take it back."""
        made = rollbacks.roll_back(
            obj,
            app=data.get("app") or obj.app,
            since=data["since"],
            then=Onward(data["then"]),
            live=data.get("live"),
            keep_live=data["keep_live"],
            reason=data["reason"],
            by=by,
        )
        url = page_url(made, self.model_admin.admin_site.name)
        undo = reverse("admin:reasoning_rollback_undo", args=[made.pk], current_app=self.model_admin.admin_site.name)
        return Done(message=_done(made), undo=("Undo", undo), url=url)


class UndoRollback(Act):
    """Give readers again what they got before a rollback."""

    name, verb, permission = "undo", "Undo this rollback", "memory.roll_back_versions"

    def needs(self, request: HttpRequest, obj: Rollback) -> bool:
        """What was undone, or undoes another, is not undone."""
        return obj.undoes_id is None and not Rollback.objects.filter(undoes=obj).exists()

    def about(self, obj: Rollback) -> str:
        """Say what follows from it, and what does not."""
        return (
            "Readers get again what they got before the rollback. What was read meanwhile stays read; experiments and "
            "runs that were stopped stay so."
        )

    def preview(self, obj: Rollback, data: dict[str, Any]) -> Preview:
        """Count whom it concerns, and show some of it."""
        targets, live = rollbacks.given_back(obj), rollbacks.live_again(obj)
        lines = [
            ("Subjects given back", f"{len(targets):,}"),
            ("Left as they are", f"{max(obj.subjects - len(targets), 0):,}: rolled back again since, or erased"),
            ("Live from then on", "as it is now" if live is None else _named(live)),
        ]
        token = json.dumps([sorted(map(str, targets.items())), lines])
        return Preview(lines=lines, diffs=_diffs(targets), token=token)

    def perform(self, obj: Rollback, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Undo it."""
        made = rollbacks.undo(obj, reason=data["reason"], by=by)
        again = RollBackDeployment.name
        url = reverse(
            f"admin:reasoning_promptversion_{again}",
            args=[obj.prompt_version_id],
            current_app=self.model_admin.admin_site.name,
        )
        said = f"{made.subjects:,} subject{'s' if made.subjects != 1 else ''} read again what they read before."
        return Done(
            message=said,
            undo=("Roll back once more", url),
            url=page_url(made, self.model_admin.admin_site.name),
        )


class Choose(Page):
    """Which deployment shall be rolled back: versions that made something, what made something last first."""

    name, title, permission = "deployments", "Roll back a deployment", "memory.roll_back_versions"
    template = "admin/reasoning/rollback/deployments.html"

    class Media:
        css = {"all": ["reasoning/prompts.css"]}

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the versions with when each made something last and how many subjects it serves."""
        newest = PromptVersion.objects.order_by("-pk").values("pk")[:OFFERED]
        last = Pass.objects.filter(prompt_version=OuterRef("pk")).order_by("-started_at").values("started_at")[:1]
        rows = PromptVersion.objects.filter(Q(pk__in=newest) | Q(app=None)).annotate(last=Subquery(last))
        made = rows.filter(last__isnull=False).order_by("-last").select_related("app").defer("instructions")
        found = list(prompt_places.with_places(made)[:SHOWN])
        site = self.model_admin.admin_site.name
        act = f"admin:reasoning_promptversion_{RollBackDeployment.name}"
        return {
            "rows": [
                {
                    "version": version,
                    "places": prompt_places.of(version),
                    "last": version.last,  # type: ignore[attr-defined]  # an annotation
                    "url": reverse(act, args=[version.pk], current_app=site),
                }
                for version in found
            ],
            "shown": SHOWN,
        }


@admin.register(Rollback)
class RollbackAdmin(ReadOnlyAdmin[Rollback]):
    """What was taken back, by whom and why, and what was undone again."""

    list_display = ("label", "app_link", "since_shown", "subjects", "why", "by", "outcome", "made_at")
    list_display_links = ("label",)
    list_select_related = ("app", "prompt_version", "undoes", "undone_by")
    list_filter = (AppFilter,)
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app", "prompt_version__app", "live", "undoes", "undone_by")
    pages = (Choose,)
    acts = (UndoRollback,)
    change_form_template = "admin/reasoning/rollback/change_form.html"
    change_list_template = "admin/reasoning/rollback/change_list.html"

    class Media:
        css = {"all": ["reasoning/prompts.css"]}

    def for_list(self, rows: QuerySet[Rollback]) -> QuerySet[Rollback]:
        """Leave the prompts' texts where they are."""
        return rows.defer("prompt_version__instructions")

    @admin.display(description="rollback")
    def label(self, row: Rollback) -> str:
        """Show what was taken back, or given back."""
        return f"{'Undone' if row.undoes_id else 'Rolled back'}: {row.prompt_version}"

    @admin.display(description="app")
    def app_link(self, row: Rollback) -> SafeString | str:
        """Link to the app, if it was in one alone."""
        return link(row.app) if row.app else "every app"

    @admin.display(description="made since")
    def since_shown(self, row: Rollback) -> str:
        """Show from when on what it made was taken back."""
        return when(row.since) if row.since else "the beginning"

    @admin.display(description="why")
    def why(self, row: Rollback) -> str:
        """Show the reason."""
        return row.reason

    @admin.display(description="undone")
    def outcome(self, row: Rollback) -> str:
        """Show whether it was undone."""
        if row.undoes_id:
            return "–"
        undone = getattr(row, "undone_by", None)
        return "no" if undone is None else when(undone.created_at)

    def detail(self, request: HttpRequest, row: Rollback) -> dict[str, Any]:
        """Show whom it concerned and some of what it changed."""
        items = list(_items(row)[:SHOWN])
        return {
            "title": str(self.label(row)),
            "subtitle": None,
            "undone": Rollback.objects.filter(undoes=row).first(),
            "items": items,
            "shown": SHOWN,
            "diffs": [
                Diff(
                    f"{item.subject}: version {item.before.number} → {item.made.number}",
                    item.before.text,
                    item.made.text,
                )
                for item in items[:SAMPLE]
            ],
        }


def _items(row: Rollback) -> QuerySet[RolledBack]:
    named = ("subject__user", "subject__observer", "subject__session", "subject__project", "before", "made")
    return row.items.select_related(*named).order_by("subject_id")


def _diffs(targets: Mapping[UUID, UUID | None]) -> Sequence[Any]:
    """Return what readers of some of the subjects get, and what they would get."""
    return [
        Diff(
            f"{item.subject}: {_version(item.current)} → {_version(item.target)}",
            item.current.text if item.current else "",
            item.target.text if item.target else "",
        )
        for item in rollbacks.samples(targets, SAMPLE)
    ]


def _version(row: Any) -> str:
    return "nothing" if row is None else f"version {row.number}"


def _named(version: PromptVersion) -> str:
    whose = f"app {version.app}" if version.app else "the site"
    return f"{version.get_kind_display()} prompt {version.number} of {whose}: {version.message}"


def _done(made: Rollback) -> str:
    said = f"{made.subjects:,} subject{'s' if made.subjects != 1 else ''} read again what they read before."
    return said if made.live is None else f"{said} Live now: {made.live}."


def served(version: PromptVersion) -> str:
    """Return how many subjects' readers get what a version's lines made, counted so far."""
    rows = Subject.objects.filter(line__recipe=version.recipe).order_by().values("pk")[: COUNTED + 1]
    count = rows.count()
    return f"over {COUNTED:,}" if count > COUNTED else f"{count:,}"
