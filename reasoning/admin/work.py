"""The loop at work: what waits, what was tried and what it cost, who is alive."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppFilter, Chosen
from memory.admin.links import link, when
from memory.models import Line
from memory.templatetags.honcho_admin import lasting
from reasoning import reconcile
from reasoning.admin.amounts import money
from reasoning.admin.unparking import AskAgain, Retry, Skip, waiting
from reasoning.models import Pass, PromptVersion, Reprocess, Work, Worker

WINDOW = 50_000
ACCOUNT_SECONDS = 20
"""The account of all events reads the whole store; where that takes longer, it is the command's work."""

STATES = (
    ("not_taken_in", "committed; no worker has looked at them yet"),
    ("waiting", "a worker takes them when they are due"),
    ("leased", "a worker is at them"),
    ("held", "a budget, or the price of a model, is missing"),
    ("parked", "they failed again and again: an operator must act"),
    ("covered", "a version covers them"),
    ("beside_covered", "covered by a version that nobody is given yet: of an experiment, or of a run that reads again"),
    ("beside_left", "such a line has yet to read them"),
)
FAULTS = (
    ("stateless", "in no state: nobody will read them"),
    ("uncovered", "stepped over: no version covers them"),
    ("doubled", "covered twice"),
    ("misplaced", "where cursors, versions and feeds disagree"),
)
_SUBJECT = (
    "line__subject__user",
    "line__subject__observer",
    "line__subject__session",
    "line__subject__project",
)


class AppOfLine(AppFilter):
    """Passes of one app."""

    path = "line__subject__app"


class ChosenPrompt(Chosen):
    """Passes of one prompt version."""

    title, parameter_name, path, model = "prompt version", "prompt_version", "prompt_version", PromptVersion


class ChosenLine(Chosen):
    """Passes of one line."""

    title, parameter_name, path, model = "line", "line", "line", Line
    related = ("subject__user", "subject__observer", "subject__session", "subject__project")


class ChosenRun(Chosen):
    """Rows of one run that reads old events again."""

    title, parameter_name, path, model = "reprocess run", "run", "run", Reprocess
    related = ("prompt_version",)


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin[Work]):
    """What each line still has to read."""

    list_display = ("subject_link", "state_badge", "waiting", "failing")
    list_display_links = ("state_badge",)
    list_select_related = ("app", *_SUBJECT)
    list_filter = ("state", "kind", AppFilter, "last_failure", ChosenRun)
    search_fields = ("line__subject__user__name", "line__subject__session__name", "line__subject__project__name")
    search_help_text = (
        "A part of the name of the user, session or project. "
        f"A search, the kind and the failure look at the newest {WINDOW:,} lines, of the chosen state."
    )
    ordering = ("-pk",)
    sortable_by = ()
    window = WINDOW
    indexed = {"state__exact": "state", "app": "app", "run": "run"}
    acts = (Retry, Skip, AskAgain)
    page_related = ("app", "line", *_SUBJECT)
    change_list_template = "admin/reasoning/work/change_list.html"
    change_form_template = "admin/reasoning/work/change_form.html"

    class Media:
        css = {"all": ["memory/forms.css"]}

    def get_urls(self) -> list[URLPattern]:
        """Add the account of all events."""
        view = self.admin_site.admin_view(self.reconcile_view)
        return [path("reconcile/", view, name="reasoning_work_reconcile"), *super().get_urls()]

    def reconcile_view(self, request: HttpRequest) -> HttpResponse:
        """Show where every event is, and that none is lost or was covered twice."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{ACCOUNT_SECONDS}s'")
                account = reconcile.account()
        except OperationalError:
            account = None
        context = {
            **self.admin_site.each_context(request),
            "title": "Where every event is",
            "opts": self.opts,
            "account": account,
            "states": account and [(name, text, getattr(account, name)) for name, text in STATES],
            "faults": account and [(name, text, getattr(account, name)) for name, text in FAULTS],
            "seconds": ACCOUNT_SECONDS,
        }
        return TemplateResponse(request, "admin/reasoning/work/reconcile.html", context)

    @admin.display(description="subject")
    def subject_link(self, row: Work) -> SafeString:
        """Link to the subject, and say below what it is and in which app."""
        beside = f"{row.app} · {row.get_kind_display().lower()}"
        return format_html('{}<div class="honcho-meta">{}</div>', link(row.line.subject), beside)

    @admin.display(description="state")
    def state_badge(self, row: Work) -> SafeString:
        """Show its state, loud where somebody must act, and below when somebody may claim it."""
        loud = {Work.State.PARKED: " honcho-bad", Work.State.HELD: " honcho-warn"}.get(Work.State(row.state), "")
        due = format_html('<div class="honcho-meta">due {}</div>', when(row.due_at)) if row.due_at else ""
        return format_html('<span class="honcho-badge{}">{}</span>{}', loud, row.get_state_display(), due)

    @admin.display(description="waiting")
    def waiting(self, row: Work) -> SafeString | str:
        """Show what waits, and below for how long the oldest has."""
        if not row.waiting_events:
            return "–"
        oldest = format_html('<div class="honcho-meta">for {}</div>', lasting(row.oldest)) if row.oldest else ""
        return format_html("{}{}", waiting(row), oldest)

    @admin.display(description="last failure")
    def failing(self, row: Work) -> str:
        """Show how the last pass failed, how often, and how its error begins."""
        if not row.last_failure:
            return "–"
        times = f" ({row.attempts}×)" if row.attempts > 1 else ""
        error = Truncator(row.last_error).chars(120)
        return f"{row.last_failure}{times}{': ' if error else ''}{error}"

    def detail(self, request: HttpRequest, row: Work) -> dict[str, Any]:
        """Show its last passes, and what the model said in the last that failed."""
        passes = list(row.line.passes.defer("raw").order_by("-started_at")[:20])
        failed = next((item for item in passes if item.failure), None)
        return {
            "subtitle": str(row.line.subject),
            "passes": passes,
            "failed": failed,
            "raw": Pass.objects.values_list("raw", flat=True).get(pk=failed.pk) if failed else "",
        }


@admin.register(Pass)
class PassAdmin(ReadOnlyAdmin[Pass]):
    """Every run of reasoning, newest first."""

    list_display = (
        "began",
        "subject_link",
        "outcome",
        "failure",
        "made",
        "prompt_link",
        "model",
        "tokens",
        "shown_cost",
        "duration",
    )
    list_select_related = ("prompt_version", "representation", *_SUBJECT)
    list_filter = ("outcome", "failure", AppOfLine, ChosenPrompt, ChosenLine, ChosenRun)
    search_fields = ("model__startswith", "worker__startswith", "error")
    search_help_text = (
        "How the name of the model or worker begins, a part of the error, or an id. "
        f"Search and filters look at the newest {WINDOW:,} passes."
    )
    ordering = ("-started_at",)
    sortable_by = ()
    window = WINDOW
    window_field = "started_at"
    indexed = {"prompt_version": "prompt_version", "line": "line", "run": "run"}
    page_related = ("prompt_version", "representation", "line", "line__subject__app", *_SUBJECT)
    change_form_template = "admin/reasoning/pass/change_form.html"

    def for_list(self, rows: QuerySet[Pass]) -> QuerySet[Pass]:
        """Leave the texts where they are."""
        texts = ("text", "card", "now", "short_summary", "long_summary", "line_tokens", "reason", "made_by")
        return rows.defer(
            "raw", "error", "prompt_version__instructions", *(f"representation__{name}" for name in texts)
        )

    @admin.display(description="subject")
    def subject_link(self, row: Pass) -> SafeString | str:
        """Link to the subject."""
        return link(row.line.subject)

    @admin.display(description="made")
    def made(self, row: Pass) -> SafeString | str:
        """Link to the version that it made."""
        return link(row.representation, f"version {row.representation.number}") if row.representation else "–"

    @admin.display(description="prompt")
    def prompt_link(self, row: Pass) -> SafeString | str:
        """Link to the prompt version."""
        return link(row.prompt_version, f"prompt {row.prompt_version.number}") if row.prompt_version else "–"

    @admin.display(description="tokens in, out")
    def tokens(self, row: Pass) -> str:
        """Show what it took."""
        return f"{row.input_tokens:,}, {row.output_tokens:,}"

    @admin.display(description="cost")
    def shown_cost(self, row: Pass) -> str:
        """Show what it cost."""
        return cost_of(row)

    @admin.display(description="started")
    def began(self, row: Pass) -> str:
        """Show when it started."""
        return when(row.started_at, seconds=True)

    @admin.display(description="took")
    def duration(self, row: Pass) -> str:
        """Show how long it took."""
        return took(row)

    def detail(self, request: HttpRequest, row: Pass) -> dict[str, Any]:
        """Show what it took."""
        return {
            "subtitle": f"{row.line.subject}, {when(row.started_at, seconds=True)}",
            "took": took(row),
            "cost": cost_of(row),
            "charged": f"{row.charged_tokens:,} tokens, {money(row.charged_cost)}" if row.charged_tokens else "–",
            "event_count": (row.covers_to or 0) - (row.covers_from or 0),
        }


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin[Worker]):
    """Who is alive."""

    list_display = ("name", "started", "beat_age", "in_flight")
    ordering = ("-beat_at",)
    sortable_by = ("name",)
    change_form_template = "admin/reasoning/worker/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """Ask the database what time it is, once for all rows."""
        return super().get_queryset(request).annotate(asked_at=Now())

    @admin.display(description="started")
    def started(self, row: Worker) -> str:
        """Show since when it has run."""
        return when(row.started_at)

    @admin.display(description="last heartbeat")
    def beat_age(self, row: Worker) -> str:
        """Show how long ago it was alive."""
        return f"{lasting(row.beat_at, row.asked_at)} ago"  # type: ignore[attr-defined]  # an annotation


def took(row: Pass) -> str:
    """Return how long a pass took, in seconds."""
    return "–" if row.ended_at is None else f"{(row.ended_at - row.started_at).total_seconds():.2f} s"


def cost_of(row: Pass) -> str:
    """Return what a pass cost: nothing is known of it while it runs, or where nobody knew the price or the tokens."""
    return "–" if row.outcome == Pass.Outcome.RUNNING else money(row.cost)
