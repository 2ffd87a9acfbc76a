"""Experiments in the admin: all of them, one with its arms side by side, and who falls where."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from memory import ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, when
from memory.admin.pages import Page
from memory.admin.permissions import allowed
from memory.models import Subject
from reasoning import assignment, prompt_versions
from reasoning.admin.experiments import figures
from reasoning.admin.experiments.acts import ACTS
from reasoning.admin.experiments.review import Review, Samples
from reasoning.admin.experiments.setup import SetUp
from reasoning.experiments import falling, guardrails, measures, split
from reasoning.experiments.split import BUCKETS
from reasoning.models import Arm, Experiment
from reasoning.templatetags.honcho_prompts import percent

ACTS_SHOWN = 50
COMPARED = 50
"""Of so many subjects the page compares the arms' statements; the API, of more."""

COUNTED = 1_000
"""Of more subjects than these the page counts so many, chosen by chance, unless it is asked to count all."""


class WhoFallsWhere(Page):
    """How many subjects each arm has, some of them, and where any one falls."""

    name = "who"
    title = "Who falls where"
    permission = ("reasoning.view_experiment", "reasoning.run_experiments")
    template = "admin/reasoning/experiment/who.html"

    class Media:
        css = {"all": ["reasoning/experiments.css"]}

    def context(self, request: HttpRequest, experiment: Experiment) -> dict[str, Any]:
        """Show the split, and the one who was asked for."""
        arms = _arms(experiment)
        asked = request.GET.get("subject", "").strip()
        subject = _subject(experiment, asked) if asked else None
        arm = assignment.arm_of(arms, split.bucket_of(experiment.salt, subject.pk)) if subject else None
        return {
            "falls": falling.who(experiment, arms),
            "sampled": experiment.sample / BUCKETS,
            "asked": asked,
            "subject": subject,
            "bucket": split.bucket_of(experiment.salt, subject.pk) if subject else None,
            "arm": arm,
            "left_out": [] if experiment.app else list(falling.left_out(experiment.kind)[:11]),
        }


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin[Experiment]):
    """Prompt versions on live traffic: what each arm did, and what is done with it."""

    list_display = ("name", "state_badge", "where", "of_what", "arms_shown", "started")
    list_select_related = ("app", "control")
    list_filter = ("state", "kind", "mode", AppFilter)
    search_fields = ("name",)
    search_help_text = "A part of the name, or an id."
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app", "control__app")
    change_form_template = "admin/reasoning/experiment/change_form.html"
    object_pages = (Review, Samples, WhoFallsWhere)
    acts = ACTS

    class Media:
        css = {"all": ["reasoning/experiments.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether this user may set experiments up."""
        return allowed(request, SetUp.permission)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the form with its preview, in place of one field after the other."""
        return SetUp(self).view(request)

    def for_list(self, rows: QuerySet[Experiment]) -> QuerySet[Experiment]:
        """Fetch the arms with the list."""
        return rows.prefetch_related("arms__version")

    @admin.display(description="state")
    def state_badge(self, row: Experiment) -> SafeString:
        """Show where it is."""
        return format_html('<span class="honcho-badge honcho-experiment-{}">{}</span>', row.state, row.state)

    @admin.display(description="where")
    def where(self, row: Experiment) -> SafeString | str:
        """Link to the app, if it is not the site's."""
        return link(row.app) if row.app else "the whole site"

    @admin.display(description="of what")
    def of_what(self, row: Experiment) -> str:
        """Show the kind of subjects, and whether nobody reads what the candidates make."""
        return f"{row.kind}, {row.mode}"

    @admin.display(description="control and candidates")
    def arms_shown(self, row: Experiment) -> SafeString:
        """Show what is compared, with the candidates' shares."""
        arms = sorted(row.arms.all(), key=lambda arm: arm.pk)
        shown = ((prompt_versions.name_of(arm.version), percent(arm.share), _paused(arm)) for arm in arms)
        candidates = format_html_join(", ", '<span class="honcho-nowrap">{} {}{}</span>', shown)
        return format_html("{} against {}", prompt_versions.name_of(row.control), candidates)

    @admin.display(description="started")
    def started(self, row: Experiment) -> str:
        """Show when it began."""
        return when(row.started_at)

    def detail(self, request: HttpRequest, row: Experiment) -> dict[str, Any]:
        """Show the arms side by side, or, of a draft, who would fall where."""
        past = list(row.acts.select_related("arm__version").order_by("-pk")[: ACTS_SHOWN + 1])
        shown: dict[str, Any] = {
            "title": row.name,
            "subtitle": None,
            "past": past[:ACTS_SHOWN],
            "more_past": len(past) > ACTS_SHOWN,
            "sampled": row.sample / BUCKETS,
            "can_steer": allowed(request, "reasoning.run_experiments"),
            "can_promote": allowed(request, "reasoning.promote_prompts"),
            "is_open": row.state in (Experiment.State.RUNNING, Experiment.State.PAUSED),
        }
        if row.started_at is None:
            return shown | {"falls": falling.who(row, _arms(row)), "limits": _limits(row)}
        asked = request.GET.get("chart", "")
        charted = asked if asked in figures.CHARTED else figures.CHARTED[0]
        most = None if "all" in request.GET else COUNTED
        found = measures.of(row, compared=COMPARED, periods=figures.PERIODS, most=most)
        return shown | {
            "figures": found,
            "counted": COUNTED,
            "all": most is None,
            "charted": charted,
            "table": figures.table(found),
            "rails": figures.rails(found),
            "chart": figures.chart(found, charted),
            "charts": [(name, figures.TITLES[name], name == charted) for name in figures.CHARTED],
        }


def _arms(row: Experiment) -> list[Arm]:
    return list(row.arms.select_related("version").order_by("pk"))


def _paused(arm: Arm) -> str:
    return " (paused)" if arm.paused else ""


def _limits(row: Experiment) -> list[tuple[str, str]]:
    return [(figures.TITLES[rail.measure], figures.limit_text(rail)) for rail in guardrails.of(row.guardrails)]


def _subject(row: Experiment, ref: str) -> Subject | None:
    """Return the subject that an id, or the name of a user, session or project, means in an experiment."""
    concerned = falling.concerned(row.kind, row.app).select_related("app", "user", "observer", "session", "project")
    key: UUID | None = ids.decode(ref)
    found = concerned.filter(pk=key).first() if key else None
    named = {"session": "session", "project": "project"}.get(row.kind, "user")
    return found or concerned.filter(**{f"{named}__name": ref}).order_by("pk").first()
