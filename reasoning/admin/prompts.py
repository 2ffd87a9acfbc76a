"""Prompt versions: read side by side with what they made, the next one written, one made live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import JSONField, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from memory.admin import charts
from memory.admin.base import CappedCount, HonchoAdmin
from memory.admin.charts import Series
from memory.admin.filters import AppFilter
from memory.admin.links import list_url, may_view, when
from memory.admin.permissions import allowed
from memory.admin.tenants import JSON_TEXT, PrettyJSONField
from reasoning import labels, prompt_figures, prompt_places, prompt_versions
from reasoning.admin import figures, rollbacks, trials
from reasoning.admin.labels import MakeCandidate, MakeLive, TakeOffCandidate, TakeOffLive
from reasoning.admin.prompt_compare import Compare
from reasoning.admin.rollbacks import RollBackDeployment
from reasoning.models import Label, LabelMove, Pass, PromptVersion, Rollback, Spend, Trial
from reasoning.prompts.library import check_template, placeholders
from reasoning.providers.base import Kind

COUNTED = 1_000
SHOWN = 20


class NextVersionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """The next version of a prompt."""

    class Meta:
        model = PromptVersion
        fields = ("app", "kind", "instructions", "model", "parameters", "message")
        widgets = {
            "instructions": forms.Textarea(attrs={"class": "vLargeTextField honcho-prompt", "rows": 24}),
            "message": forms.TextInput(attrs={"class": "vLargeTextField"}),
        }
        help_texts = {
            "app": "Empty: the prompt of the whole site, for every app without one of its own.",
            "model": "Empty: the site's default model.",
            "parameters": "A JSON object: temperature, max_output_tokens, …",
        }

    def clean_parameters(self) -> dict[str, Any]:
        """Check that the parameters are an object."""
        value = self.cleaned_data["parameters"]
        if value is not None and not isinstance(value, dict):
            raise forms.ValidationError("Give a JSON object.")
        return value or {}

    def clean(self) -> dict[str, Any]:
        """Show what is wrong with the template at its field."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "instructions" in values and "kind" in values:
            for problem in check_template(Kind(values["kind"]), values["instructions"]):
                self.add_error("instructions", problem)
        return values


class LabelFilter(admin.ChoicesFieldListFilter):
    """Versions that a label points at."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "label"


@admin.register(PromptVersion)
class PromptVersionAdmin(HonchoAdmin[PromptVersion]):
    """Immutable recipes. To change one is to make the next; one of each app and kind is live."""

    form = NextVersionForm
    list_display = ("label", "at_work", "message", "used", "made")
    list_select_related = ("app", "author")
    list_filter = (("labels__name", LabelFilter), "kind", AppFilter)
    actions = ("compare_selected",)
    search_fields = ("message", "model")
    search_help_text = "A part of the message or of the model's name, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("app",)
    formfield_overrides = {JSONField: {"form_class": PrettyJSONField, "widget": JSON_TEXT}}
    page_related = ("app", "author")
    immutable = True
    pages = (Compare,)
    acts = (MakeLive, TakeOffLive, MakeCandidate, TakeOffCandidate, RollBackDeployment)
    change_form_template = "admin/reasoning/promptversion/change_form.html"
    change_list_template = "admin/reasoning/promptversion/change_list.html"

    class Media:
        css = {"all": ["reasoning/prompts.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether this user may write the next version."""
        return request.user.has_perm("reasoning.edit_prompts")

    def has_change_permission(self, request: HttpRequest, obj: PromptVersion | None = None) -> bool:
        """A version never changes."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: PromptVersion | None = None) -> Any:
        """Show a form for the next version only."""
        return super().get_fieldsets(request, obj) if obj is None else [(None, {"fields": ()})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        """Return the versions with their labels: every act asks for them."""
        return super().get_queryset(request).prefetch_related("labels")

    def for_list(self, rows: QuerySet[PromptVersion]) -> QuerySet[PromptVersion]:
        """Count the passes of each; leave the texts where they are."""
        passes = Pass.objects.filter(prompt_version=OuterRef("pk")).values("pk")[: COUNTED + 1]
        return prompt_places.with_places(rows.defer("instructions").annotate(pass_count=CappedCount(passes)))

    @admin.display(description="version")
    def label(self, row: PromptVersion) -> str:
        """Show its kind and number, and whose it is where it is not the site's."""
        return f"{_title(row)} of {row.app}" if row.app else _title(row)

    @admin.display(description="at work")
    def at_work(self, row: PromptVersion) -> SafeString:
        """Show the labels that point at it, and what tries it."""
        shown = render_to_string("admin/reasoning/includes/places.html", {"places": prompt_places.of(row)})
        return mark_safe(shown)  # noqa: S308 - a template escapes

    @admin.display(description="made")
    def made(self, row: PromptVersion) -> SafeString:
        """Show when it was made, and by whom; a key by how its id begins."""
        by = f"{row.maker[:10]}…" if row.maker.startswith("key ") else row.maker
        return format_html('{}<br><span class="honcho-meta">{}</span>', when(row.created_at), by)

    @admin.display(description="passes")
    def used(self, row: PromptVersion) -> str:
        """Show how many passes were made by it."""
        count: int = row.pass_count  # type: ignore[attr-defined]  # an annotation
        return f"{COUNTED:,}+" if count > COUNTED else str(count)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the version that the link names, or else with the live one of the site."""
        version = self._begin_with(request)
        if version is None:
            return {"parameters": {}}
        initial = {name: getattr(version, name) for name in ("kind", "instructions", "model", "parameters")}
        return initial | {"app": version.app_id}

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool) -> None:
        """Make the next version; it is not live yet."""
        author = request.user if isinstance(request.user, AbstractBaseUser) else None
        made = prompt_versions.create(
            obj.kind,
            obj.instructions,
            message=obj.message,
            app=obj.app,
            model=obj.model,
            parameters=obj.parameters,
            author=author,
        )
        obj.pk, obj.number = made.pk, made.number

    def response_add(
        self, request: HttpRequest, obj: PromptVersion, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go to the new version's page, where it can be made live."""
        self.message_user(request, f"{obj} was made. It is not live yet.", messages.SUCCESS)
        return HttpResponseRedirect(self._page(obj) if self.has_view_permission(request, obj) else "../")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with ways to what goes with it."""
        beside = [(Trial, "Dry runs"), (LabelMove, "Label moves"), (Rollback, "Rollbacks")]
        site = self.admin_site.name
        related = [
            format_html('<a href="{}">{}</a>', list_url(model, site), text)
            for model, text in beside
            if may_view(request, model)
        ]
        shown = {"title": "Prompt versions", "related": related}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    @admin.action(description="Compare two versions")
    def compare_selected(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> HttpResponse | None:
        """Go to the page that compares the two that are selected."""
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[:3])
        if len(chosen) != 2:
            self.message_user(request, "Select two versions of one kind.", messages.WARNING)
            return None
        return HttpResponseRedirect(f"{Compare(self).url()}?from={chosen[0]}&to={chosen[1]}")

    def detail(self, request: HttpRequest, row: PromptVersion) -> dict[str, Any]:
        """Show where it is at work, how it does, its text, and what else there is to say of it."""
        live = labels.live(row.app_id, row.kind) if row.app_id else labels.pointed(Label.Name.LIVE, None, row.kind)
        same = PromptVersion.objects.filter(app=row.app_id, kind=row.kind).select_related("author")
        siblings = list(same.defer("instructions").order_by("-number")[:SHOWN])
        prompt_places.look_up([row, *siblings])
        moves = _moves(row) if may_view(request, LabelMove) else []
        return {
            "title": _title(row),
            "subtitle": None,
            "places": _places(row, moves),
            "served": rollbacks.served(row),
            "live": live,
            "figures": figures.table([row] if live is None or live == row else [row, live]),
            "spent": _spent(row) if may_view(request, Spend) else "",
            "may_make_next": self.has_add_permission(request),
            "try_url": trials.try_url(row.pk, self.admin_site.name) if self.has_add_permission(request) else "",
            "experiment_url": "" if row == live else self._experiment_url(request, row),
            "trials": trials.latest(row) if may_view(request, Trial) else [],
            "compare_url": Compare(self).url(),
            "siblings": [{"version": each, "places": prompt_places.of(each)} for each in siblings],
            "moves": moves,
            "placeholders": sorted(placeholders(Kind(row.kind))),
        }

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one way to save: it leads to the page where the version can be tried and made live."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        if kwargs.get("add"):
            origin = self._begin_with(request)
            context |= {"title": f"Clone {origin}" if origin else "Write a prompt", "origin": origin}
        return super().render_change_form(request, context, *args, **kwargs)

    def _begin_with(self, request: HttpRequest) -> PromptVersion | None:
        try:
            wanted = UUID(request.GET["from"])
        except (KeyError, ValueError):
            kind = request.GET.get("kind", Kind.USER)
            return labels.pointed(Label.Name.LIVE, None, kind)
        return PromptVersion.objects.filter(pk=wanted).first()

    def _experiment_url(self, request: HttpRequest, version: PromptVersion) -> str:
        """Return where an experiment that tries a version is set up; empty for who may not."""
        if not allowed(request, "reasoning.run_experiments"):
            return ""
        url = reverse("admin:reasoning_experiment_add", current_app=self.admin_site.name)
        return f"{url}?version={version.public_id}"

    def _page(self, version: PromptVersion) -> str:
        return reverse(
            "admin:reasoning_promptversion_change", args=[quote(version.pk)], current_app=self.admin_site.name
        )


def _title(version: PromptVersion) -> str:
    return str(capfirst(str(version)))


def _places(version: PromptVersion, moves: Sequence[LabelMove]) -> list[dict[str, Any]]:
    """Return where a version is at work, with how its labels came there: ``moves`` are the newest first."""
    moved = {move.name: move for move in reversed(moves) if move.to_id == version.pk}
    return [{"place": place, "move": moved.get(place.how)} for place in prompt_places.of(version)]


def _moves(version: PromptVersion) -> list[LabelMove]:
    """Return how labels came to a version and went from it, newest first."""
    found = LabelMove.objects.filter(Q(to=version) | Q(origin=version)).select_related("origin", "to")
    return list(found.defer("origin__instructions", "to__instructions").order_by("-pk")[:SHOWN])


def _spent(version: PromptVersion) -> SafeString | str:
    """Return what a version cost by day as a chart; empty where it cost nothing lately."""
    days = prompt_figures.by_day(version)
    if not days:
        return ""
    priced = any(day.cost for day in days)
    values = [float(day.cost) if priced else float(day.tokens) for day in days]
    title = "What it cost, by day" if priced else "Tokens, by day"
    series = [Series(name="cost" if priced else "tokens", values=values)]
    described = "The past 30 days (UTC), dry runs and consolidations among it."
    return charts.stacked(series, [f"{day.day:%-d %b}" for day in days], title=title, description=described)
