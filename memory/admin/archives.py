"""What was taken out of the log: which part, when, and where to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from memory import ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import when
from memory.models import Archive


@admin.register(Archive)
class ArchiveAdmin(ReadOnlyAdmin[Archive]):
    """The archived parts of the log, newest first. Taking one out is a command's: see docs/retention.md."""

    list_display = ("label", "state", "count", "file", "by", "done")
    list_filter = ("state",)
    search_fields = ("partition", "file", "by")
    ordering = ("-pk",)
    sortable_by = ()
    change_form_template = "admin/memory/archive/change_form.html"

    @admin.display(description="events recorded")
    def label(self, row: Archive) -> str:
        """Show from when to when the events were recorded."""
        return period(row)

    @admin.display(description="events")
    def count(self, row: Archive) -> str:
        """Show how many there were."""
        return f"{row.events:,}"

    @admin.display(description="done")
    def done(self, row: Archive) -> str:
        """Show when the last of it had left the log."""
        return when(row.done_at)

    def detail(self, request: HttpRequest, row: Archive) -> dict[str, Any]:
        """Show the period."""
        return {"period": period(row)}


def period(row: Archive) -> str:
    """Return when the archived events were recorded: ids follow time."""
    before = f"before {ids.moment_of(row.before):%Y-%m-%d}"
    return before if row.first is None else f"{ids.moment_of(row.first):%Y-%m-%d} and later, {before}"
