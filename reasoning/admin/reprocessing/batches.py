"""Batches: passes of a run that went to the provider together. They hang on runs, and are listed by themselves too."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, Func, IntegerField, QuerySet
from django.forms import Media
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import link, when
from reasoning.admin.reprocessing import showing
from reasoning.admin.work import ChosenRun
from reasoning.models import Batch, Pass

TONES = {
    Batch.State.SENDING: "honcho-warn",
    Batch.State.SENT: "honcho-running",
    Batch.State.ENDED: "honcho-good",
    Batch.State.FAILED: "honcho-bad",
}
MEANINGS = {
    Batch.State.SENDING: "being sent; if its sending was never answered, it is looked for in the provider's list",
    Batch.State.SENT: "at the provider, which has 24 hours for it; it is asked after again and again",
    Batch.State.ENDED: "answered, and read",
    Batch.State.FAILED: "the provider did not take it, or forgot it: its passes go with a later batch",
}


def counted(rows: QuerySet[Batch]) -> QuerySet[Batch]:
    """Return batches with how many passes are in each, and without the list of them."""
    length = Func(F("passes"), function="jsonb_array_length", output_field=IntegerField())
    return rows.defer("passes").annotate(pass_count=length)


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin[Batch]):
    """What was sent to a provider's batch interface, newest first."""

    list_display = ("label", "shown_state", "size", "run_link", "sent")
    list_display_links = None
    list_select_related = ("run__prompt_version", "run__app")
    list_filter = ("state", ChosenRun)
    search_fields = ("remote_id__startswith",)
    search_help_text = "How the provider's id of it begins, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("run__prompt_version", "run__app")
    change_form_template = "admin/reasoning/batch/change_form.html"

    def for_list(self, rows: QuerySet[Batch]) -> QuerySet[Batch]:
        """Count the passes of each; leave their ids where they are."""
        return counted(rows)

    @property
    def media(self) -> Media:
        """The styles of these pages."""
        return super().media + Media(css={"all": showing.STYLES})

    @admin.display(description="batch")
    def label(self, row: Batch) -> SafeString:
        """Link to the batch by what the provider calls it, with what went wrong."""
        name = link(row, row.remote_id or row.public_id)
        return format_html('{} <span class="honcho-label-note">{}</span>', name, row.error[:160])

    @admin.display(description="state")
    def shown_state(self, row: Batch) -> SafeString:
        """Show where it is."""
        return format_html(
            '<span class="honcho-badge {}">{}</span>', TONES[Batch.State(row.state)], row.get_state_display()
        )

    @admin.display(description="passes")
    def size(self, row: Batch) -> str:
        """Show how many passes went with it."""
        return f"{row.pass_count:,}"  # type: ignore[attr-defined]  # an annotation

    @admin.display(description="run")
    def run_link(self, row: Batch) -> SafeString | str:
        """Link to the run that it carries."""
        return link(row.run, showing.title_of(row.run))

    @admin.display(description="sent")
    def sent(self, row: Batch) -> SafeString | str:
        """Show when it was written, to be sent, and how long it took."""
        took = f"took {showing.duration((row.ended_at - row.created_at).total_seconds())}" if row.ended_at else ""
        return format_html('{} <span class="honcho-label-note">{}</span>', when(row.created_at), took)

    def detail(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        """Show how its passes ended, and the first of those that gave no version."""
        keys = [key for key in map(ids.decode, row.passes) if key]
        passes = Pass.objects.filter(pk__in=keys)
        outcomes = dict(passes.values_list("outcome").annotate(Count("pk")))
        lost = [Pass.Outcome.FAILED, Pass.Outcome.QUARANTINED, Pass.Outcome.ABANDONED]
        related = ("representation", "line__subject__user", "line__subject__observer", "line__subject__session")
        return {
            "subtitle": row.remote_id or row.public_id,
            "tone": TONES[Batch.State(row.state)],
            "meaning": MEANINGS[Batch.State(row.state)],
            "outcomes": [(Pass.Outcome(name).label, name, count) for name, count in sorted(outcomes.items())],
            "count": len(keys),
            "lost": passes.filter(outcome__in=lost).select_related(*related, "line__subject__project")
            .defer("raw").order_by("-started_at")[:20],
        }  # fmt: skip
