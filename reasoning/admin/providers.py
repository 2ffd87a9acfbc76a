"""How providers are doing: which are paused, why, and until when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from memory.admin.acts import Act, Done, Preview
from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import when
from reasoning import circuit
from reasoning.models import ProviderState


class Resume(Act):
    """End a pause."""

    name, verb, permission, bulk = "resume", "Resume", "reasoning.change_providerstate", "Resume"

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "Nobody calls a provider while it is paused: it asked for that, its quota is used up, or it failed too "
            "often in a row. To resume it lets calls begin again, one at a time; what fails pauses it anew."
        )

    def preview(self, obj: ProviderState, data: dict[str, Any]) -> Preview:
        """Say why it is paused."""
        until = when(obj.paused_until) if obj.paused_until else "an operator resumes it"
        return Preview(lines=[("Paused until", until), ("Why", obj.reason or "–")], token=obj.name)

    def perform(self, obj: ProviderState, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """End the pause."""
        circuit.resume(obj.name, reason=data["reason"], by=by)
        return Done(message=f"{obj.name} is resumed.")


@admin.register(ProviderState)
class ProviderStateAdmin(ReadOnlyAdmin[ProviderState]):
    """The pauses that every worker keeps. A provider that is well has no row."""

    list_display = ("name", "state", "reason", "failures", "slots", "changed_at")
    ordering = ("name",)
    acts = (Resume,)
    change_form_template = "admin/reasoning/providerstate/change_form.html"

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
