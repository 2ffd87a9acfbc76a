"""Runs that read old events again: their list, a run's page, its subjects, what it would change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import ids
from memory.admin import pages
from memory.admin.base import CappedCount, ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, may_view, when
from memory.admin.pages import Page
from memory.admin.sections import Section, section_of
from reasoning.admin.amounts import money
from reasoning.admin.reprocessing import acts, showing
from reasoning.admin.reprocessing.batches import TONES, counted
from reasoning.admin.reprocessing.setup import NewRun
from reasoning.models import Batch, PromptVersion, Reprocess, ReprocessItem
from reasoning.reprocessing import outcome, progress

COUNTED = 20_000
"""How far the list counts the subjects of a run that are read."""

SHOWN = 5
PAGE = 50
SAMPLED = 10
VIEW = ("reasoning.view_reprocess", "reasoning.change_reprocess")

Item = ReprocessItem.State


class OfRun(Page):
    """A page of a run, in the run's own styles."""

    permission = VIEW

    class Media:
        css = {"all": showing.STYLES}


class Sample(OfRun):
    """What would change, for some subjects drawn by chance."""

    name, title, template = "sample", "What would change", "admin/reasoning/reprocess/sample.html"

    def context(self, request: HttpRequest, obj: Reprocess) -> dict[str, Any]:
        """Compare what readers get of some subjects with what the run has made of them."""
        found = outcome.sample(obj, SAMPLED)
        return {
            "title": f"What would change: {showing.title_of(obj)}",
            "sample": showing.compared(found),
            "worse": sum(bool(each.regressions) for each in found),
        }


class Subjects(OfRun):
    """The subjects of a run by state, with what went wrong and where what was made of them is worse."""

    name, title, template = "subjects", "Subjects", "admin/reasoning/reprocess/subjects.html"

    def context(self, request: HttpRequest, obj: Reprocess) -> dict[str, Any]:
        """Return a page of subjects, after one that a link names."""
        state = request.GET.get("state") or None
        after = request.GET.get("after") or None
        key = ids.decode(after) if after else None
        if (state is not None and state not in Item.values) or (after and key is None):
            raise Http404("There is no such page.")
        found = list(progress.items(obj, state=state, after=key, limit=PAGE + 1))
        shown = found[:PAGE]
        worse = outcome.regressions(shown)
        return {
            "title": f"Subjects: {showing.title_of(obj)}",
            "rows": [{"item": item, "worse": worse[item.subject_id]} for item in shown],
            "state": state,
            "after": after,
            "next": shown[-1].subject.public_id if len(found) > PAGE else None,
            "tabs": showing.slices(progress.states(obj)),
            "states": dict(Item.choices),
        }


@admin.register(Reprocess)
class ReprocessAdmin(ReadOnlyAdmin[Reprocess]):
    """Runs that read old events again with another prompt version, beside what is served."""

    list_display = ("label", "shown_state", "read", "spent")
    list_display_links = None
    list_select_related = ("app", "prompt_version")
    list_filter = ("state", AppFilter, "carrier")
    search_fields = ("reason",)
    search_help_text = "A part of the reason, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app", "prompt_version__app")
    pages = (NewRun,)
    object_pages = (Sample, Subjects)
    acts = acts.EVERY
    change_list_template = "admin/reasoning/reprocess/change_list.html"
    change_form_template = "admin/reasoning/reprocess/change_form.html"

    @property
    def media(self) -> Media:
        """The styles of these pages, and what renews them."""
        return super().media + Media(css={"all": showing.STYLES}, js=["memory/refresh.js"])

    def for_list(self, rows: QuerySet[Reprocess]) -> QuerySet[Reprocess]:
        """Count the subjects that are read, up to some; leave the lists of subjects where they are."""
        read = ReprocessItem.objects.filter(run=OuterRef("pk")).exclude(state__in=[Item.PENDING, Item.READING])
        count = CappedCount(read.order_by().values("subject_id")[: COUNTED + 1])
        return rows.defer("subjects", "prompt_version__instructions").annotate(read_count=count)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the form of a new run."""
        more = {
            "list_pages": pages.links(self, request, self.pages),
            "title": "Reprocess runs",
            **(extra_context or {}),
        }
        return super().changelist_view(request, more)

    @admin.display(description="run")
    def label(self, row: Reprocess) -> SafeString:
        """Link to the run by the prompt version that reads again and where, with why, when and by whom."""
        note = f"{when(row.created_at)}{f' by {row.by}' if row.by else ''}: {row.reason[:160]}"
        return format_html('{} <span class="honcho-label-note">{}</span>', link(row, showing.title_of(row)), note)

    @admin.display(description="state")
    def shown_state(self, row: Reprocess) -> SafeString:
        """Show where it is."""
        return format_html('<span class="honcho-badge {}">{}</span>', showing.TONES[row.state], row.get_state_display())

    @admin.display(description="subjects read")
    def read(self, row: Reprocess) -> SafeString | str:
        """Show how many of its subjects are read, as a bar too."""
        count: int = row.read_count  # type: ignore[attr-defined]  # an annotation
        total = int(row.estimate.get("subjects", 0))
        if row.started_at is None:
            return f"{total:,} expected"
        shown = f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"
        return format_html(
            '<progress class="honcho-meter" max="{}" value="{}" aria-label="Subjects read"></progress> {} of {}',
            max(total, 1), count, shown, f"{total:,}",
        )  # fmt: skip

    @admin.display(description="spent")
    def spent(self, row: Reprocess) -> SafeString | str:
        """Show what it took, in tokens and in money."""
        if not row.tokens:
            return "–"
        return format_html('{} tokens <span class="honcho-label-note">{}</span>', f"{row.tokens:,}", money(row.cost))

    def detail(self, request: HttpRequest, row: Reprocess) -> dict[str, Any]:
        """Show how far it is, what it spent, what went wrong, and what it would change."""
        told = progress.progress(row)
        waits_for_people = row.state in (Reprocess.State.PAUSED, Reprocess.State.DONE)
        batches = counted(Batch.objects.filter(run=row)).order_by("-pk")[: SHOWN * 2]
        return {
            "title": f"Run of {showing.title_of(row)}",
            "subtitle": "",
            "tone": showing.TONES[row.state],
            "renewed": showing.RENEWED.get(row.state),
            "told": told,
            "percent": round(told.share * 100),
            "figures": showing.figures(row, told) if row.started_at else showing.expected(row.estimate),
            "limits": showing.limits_of(row),
            "beyond": showing.beyond_budget(row) if row.state == Reprocess.State.DRAFT else "",
            "slices": showing.slices(told.items),
            "chart": showing.chart(row) if row.state in showing.OPEN else "",
            "wrong": showing.went_wrong(told),
            "failed": progress.items(row, state=Item.FAILED, limit=SHOWN) if told.items.get(Item.FAILED) else [],
            "sample": showing.compared(outcome.sample(row, acts.SHOWN)) if waits_for_people else None,
            "batches": [(batch, TONES[Batch.State(batch.state)]) for batch in batches]
            if row.carrier == Reprocess.Carrier.BATCH
            else None,
            "scope_count": len(row.subjects),
            "subjects_url": Subjects(self).url(row),
        }


@section_of(PromptVersion)
def runs_of(request: HttpRequest, row: PromptVersion) -> Section | None:
    """Show the runs that a prompt version reads again, and lead to a new one."""
    if not may_view(request, Reprocess):
        return None
    runs = list(Reprocess.objects.filter(prompt_version=row).select_related("app").order_by("-pk")[:SHOWN])
    return Section(
        title="Reading the past again",
        template="admin/reasoning/includes/runs.html",
        context={"runs": [(run, showing.TONES[run.state]) for run in runs], "prompt": row.pk, "app": row.app},
        place="side",
    )
