"""The receipts of erasures."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from memory import ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.erasing import Erase
from memory.admin.links import link, when
from memory.admin.permissions import allowed
from memory.admin.sections import Section, section_of
from memory.models import App, Erasure, Subject


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts, newest first."""

    list_display = ("label", "app_link", "rows", "unreadable", "rebuilding", "by", "made_at", "vacuumed")
    list_filter = ("what",)
    search_fields = ("reason", "by")
    ordering = ("-pk",)
    sortable_by = ()
    change_form_template = "admin/memory/erasure/change_form.html"

    def has_view_permission(self, request: HttpRequest, obj: Erasure | None = None) -> bool:
        """Who erases sees the receipts."""
        return super().has_view_permission(request, obj) or request.user.has_perm(Erase.permission)

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
        counts = [(name.replace("_", " "), count) for name, count in sorted(row.counts.items())]
        return {"target": ids.encode(row.target), "app_id": ids.encode(row.app), "counts": counts}


@section_of(Subject)
def _of_subject(request: HttpRequest, row: Subject) -> Section | None:
    """Lead to where the user, session or project is erased; what one user knows of another goes with either."""
    thing = row.session or row.project or row.user
    if row.observer_id or thing is None or not allowed(request, Erase.permission):
        return None
    url = reverse(f"admin:memory_{thing._meta.model_name}_{Erase.name}", args=[thing.pk])
    return Section(
        title="Erase", template="admin/memory/erasure/section.html", context={"url": url, "what": thing}, place="side"
    )
