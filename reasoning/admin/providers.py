"""How providers are doing: which are paused, why, and until when."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import when
from reasoning import circuit
from reasoning.models import ProviderState


@admin.register(ProviderState)
class ProviderStateAdmin(ReadOnlyAdmin[ProviderState]):
    """The pauses that every worker keeps. A provider that is well has no row."""

    list_display = ("name", "state", "reason", "failures", "slots", "changed_at")
    ordering = ("name",)
    actions = ("resume",)

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Whether this user may end a pause."""
        return request.user.has_perm("reasoning.change_providerstate")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderState]:
        """Ask the database what time it is, once for all rows."""
        return super().get_queryset(request).annotate(asked_at=Now())

    @admin.display(description="state")
    def state(self, row: ProviderState) -> str:
        """Show until when nobody calls it."""
        allowed = circuit.allowed_by(row, row.asked_at)  # type: ignore[attr-defined]  # an annotation
        if allowed.calls == 0:
            return f"paused until {when(allowed.until)}" if allowed.until else "paused until an operator resumes it"
        return "coming back" if allowed.calls else "failing"

    @admin.action(description="Resume", permissions=["resume"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ProviderState]) -> None:
        """End the pause of the selected providers; calls begin again one at a time."""
        for row in queryset:
            circuit.resume(row.name, by=request.user.get_username())
            self.log_change(request, row, "Resumed")
            messages.success(request, f"{row.name} is resumed.")
