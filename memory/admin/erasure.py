"""Erasing from the pages of what can be erased, with a look first; and the receipts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from memory import ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import link, when
from memory.admin.sections import Section, section_of
from memory.erasure import act, scope
from memory.errors import Refusal
from memory.models import App, Erasure, Event, Project, Session, Subject, User

PERMISSION = "memory.erase"


class ErasureForm(forms.Form):
    """Why something is erased."""

    reason = forms.CharField(
        max_length=act.REASON_LENGTH,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="It is kept with the receipt: leave out the names of what is erased.",
    )


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts, newest first."""

    list_display = ("label", "app_link", "rows", "unreadable", "rebuilding", "by", "made_at", "vacuumed")
    list_filter = ("what",)
    search_fields = ("reason", "by")
    ordering = ("-pk",)
    sortable_by = ()
    change_form_template = "admin/memory/erasure/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which something is erased."""
        view = self.admin_site.admin_view(self.erase_view)
        return [path("of/<str:what>/<path:object_id>/", view, name="memory_erase"), *super().get_urls()]

    @admin.display(description="what")
    def label(self, row: Erasure) -> str:
        """Show what was erased, by its id."""
        return f"{row.what} {ids.encode(row.target)}"

    @admin.display(description="app")
    def app_link(self, row: Erasure) -> SafeString | str:
        """Link to the app, as far as it is there."""
        return link(App(pk=row.app), ids.encode(row.app))

    @admin.display(description="rows")
    def rows(self, row: Erasure) -> str:
        """Show how many rows went."""
        return f"{sum(row.counts.values()):,}"

    @admin.display(description="vacuumed")
    def vacuumed(self, row: Erasure) -> str:
        """Show when the dead rows had gone."""
        return when(row.vacuumed_at)

    def detail(self, request: HttpRequest, row: Erasure) -> dict[str, Any]:
        """Show what went."""
        return {"target": ids.encode(row.target), "app_id": ids.encode(row.app), "counts": sorted(row.counts.items())}

    def erase_view(self, request: HttpRequest, what: str, object_id: str) -> HttpResponse:
        """Show what would go and ask why; then erase it."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        thing = _thing(what, unquote(object_id))
        form = ErasureForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                row = act.erase(thing, reason=form.cleaned_data["reason"], by=request.user.get_username())
            except Refusal as refusal:
                form.add_error("reason", refusal.message)
            else:
                self.message_user(request, f"Erased. Receipt {row.public_id}.", messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:index", current_app=self.admin_site.name))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erase {what} {thing}?",
            "opts": self.opts,
            "form": form,
            "plan": act.plan(thing),
            "page": reverse(f"admin:memory_{what}_change", args=[thing.pk], current_app=self.admin_site.name),
        }
        return TemplateResponse(request, "admin/memory/erasure/erase.html", context)


def _thing(what: str, object_id: str) -> Any:
    model = scope.MODELS.get(what)
    try:
        found = None if model is None else model._default_manager.filter(pk=object_id).first()
    except ValidationError:
        found = None
    if found is None:
        raise Http404("There is nothing of the kind.")
    return found


def _section(request: HttpRequest, row: Model) -> Section | None:
    """Lead to where a row is erased, whoever may."""
    if not request.user.has_perm(PERMISSION):
        return None
    url = reverse("admin:memory_erase", args=[row._meta.model_name, row.pk])
    return Section(
        title="Erase", template="admin/memory/erasure/section.html", context={"url": url, "row": row}, place="side"
    )


for _model in (App, User, Project, Session, Event):
    section_of(_model)(_section)


@section_of(Subject)
def _of_subject(request: HttpRequest, row: Subject) -> Section | None:
    """Lead to where the user, session or project is erased; what one user knows of another goes with either."""
    thing = row.session or row.project or row.user
    return None if row.observer_id or thing is None else _section(request, thing)
