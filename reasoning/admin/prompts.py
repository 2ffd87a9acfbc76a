"""Prompt versions: read side by side with what they made, the next one written, one made live."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import JSONField, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from memory.admin.base import CappedCount, HonchoAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link
from memory.admin.tenants import JSON_TEXT, PrettyJSONField
from reasoning import labels, prompt_versions
from reasoning.models import Label, Pass, PromptVersion
from reasoning.prompts.library import check_template, placeholders
from reasoning.providers.base import Kind

COUNTED = 1_000


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


@admin.register(PromptVersion)
class PromptVersionAdmin(HonchoAdmin[PromptVersion]):
    """Immutable recipes. To change one is to make the next; one of each app and kind is live."""

    form = NextVersionForm
    list_display = ("label", "kind", "app_link", "live", "message", "author", "used", "made_at")
    list_select_related = ("app", "author")
    list_filter = ("labels__name", "kind", AppFilter)
    search_fields = ("message", "model")
    search_help_text = "A part of the message or of the model's name, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("app",)
    formfield_overrides = {JSONField: {"form_class": PrettyJSONField, "widget": JSON_TEXT}}
    page_related = ("app", "author")
    immutable = True
    change_form_template = "admin/reasoning/promptversion/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether this user may write the next version."""
        return request.user.has_perm("reasoning.edit_prompts")

    def has_change_permission(self, request: HttpRequest, obj: PromptVersion | None = None) -> bool:
        """A version never changes."""
        return False

    def has_make_live_permission(self, request: HttpRequest) -> bool:
        """Whether this user may choose what new passes are made by."""
        return request.user.has_perm("reasoning.promote_prompts")

    def get_fieldsets(self, request: HttpRequest, obj: PromptVersion | None = None) -> Any:
        """Show a form for the next version only."""
        return super().get_fieldsets(request, obj) if obj is None else [(None, {"fields": ()})]

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before a version goes live."""
        view = self.admin_site.admin_view(self.make_live_view)
        return [
            path("<path:object_id>/make-live/", view, name="reasoning_promptversion_make_live"),
            *super().get_urls(),
        ]

    def for_list(self, rows: QuerySet[PromptVersion]) -> QuerySet[PromptVersion]:
        """Count the passes of each; leave the texts where they are."""
        passes = Pass.objects.filter(prompt_version=OuterRef("pk")).values("pk")[: COUNTED + 1]
        return rows.defer("instructions").prefetch_related("labels").annotate(pass_count=CappedCount(passes))

    @admin.display(description="version")
    def label(self, row: PromptVersion) -> str:
        """Show its number."""
        return f"Version {row.number}"

    @admin.display(description="app")
    def app_link(self, row: PromptVersion) -> SafeString | str:
        """Link to the app, if it is not the site's."""
        return link(row.app) if row.app else "the site"

    @admin.display(description="live", boolean=True)
    def live(self, row: PromptVersion) -> bool:
        """Show whether new passes are made by it."""
        return row.is_live

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

    def make_live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then make a version live."""
        if not self.has_make_live_permission(request):
            raise PermissionDenied
        version = self.get_object(request, unquote(object_id))
        if version is None:
            raise Http404("There is no such prompt version.")
        standing = self._standing(version)
        reason = request.POST.get("reason", "").strip()
        if request.method == "POST" and reason:
            labels.move(Label.Name.LIVE, version, reason=reason, by=request.user.get_username())
            self.log_change(request, version, "Made live.")
            self.message_user(request, f"{version} is live: new passes are made by it.", messages.SUCCESS)
            return HttpResponseRedirect(self._page(version))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Make {version} live?",
            "opts": self.opts,
            "original": version,
            "standing": standing,
            "page": self._page(version),
            "reason_missing": request.method == "POST",
        }
        return TemplateResponse(request, "admin/reasoning/promptversion/make_live.html", context)

    def detail(self, request: HttpRequest, row: PromptVersion) -> dict[str, Any]:
        """Show the text and its neighbours."""
        return {
            "may_make_live": not row.is_live and self.has_make_live_permission(request),
            "may_make_next": self.has_add_permission(request),
            "siblings": PromptVersion.objects.filter(app=row.app_id, kind=row.kind)
            .select_related("author")
            .defer("instructions")
            .order_by("-number")[:20],
            "placeholders": sorted(placeholders(Kind(row.kind))),
        }

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one way to save: it leads to the page where the version can be made live."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def _begin_with(self, request: HttpRequest) -> PromptVersion | None:
        try:
            wanted = UUID(request.GET["from"])
        except (KeyError, ValueError):
            kind = request.GET.get("kind", Kind.USER)
            return labels.pointed(Label.Name.LIVE, None, kind)
        return PromptVersion.objects.filter(pk=wanted).first()

    def _standing(self, version: PromptVersion) -> PromptVersion | None:
        """Return what is live now in place of ``version``."""
        if version.app_id is not None:
            return labels.live(version.app_id, version.kind)
        return labels.pointed(Label.Name.LIVE, None, version.kind)

    def _page(self, version: PromptVersion) -> str:
        return reverse(
            "admin:reasoning_promptversion_change", args=[quote(version.pk)], current_app=self.admin_site.name
        )
