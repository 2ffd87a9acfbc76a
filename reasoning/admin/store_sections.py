"""What the loop adds to the store's pages: who made a version, and the work that waits for a subject's lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.http import HttpRequest

from memory import ids
from memory.admin import makers
from memory.admin.links import may_view
from memory.admin.sections import Section, section_of
from memory.models import Line, Representation, Subject
from reasoning.models import Pass, PromptVersion, Work

LINES = 50


@makers.names_recipes
def prompts(names: Collection[str]) -> Mapping[str, PromptVersion]:
    """Return the prompt version behind each recipe."""
    keys = [key for name in names if (key := ids.decode(name)) is not None]
    return {row.recipe: row for row in PromptVersion.objects.filter(pk__in=keys).defer("instructions")} if keys else {}


@makers.names_passes
def passes(versions: Sequence[Representation]) -> Mapping[UUID, Pass]:
    """Return the pass that made each version."""
    found = Pass.objects.filter(representation__in=[row.pk for row in versions]).select_related("line")
    return {row.representation_id: row for row in found.defer("raw", "error") if row.representation_id}


@section_of(Representation)
def made_by(request: HttpRequest, row: Representation) -> Section | None:
    """Show the pass and the prompt that made a version."""
    if not may_view(request, Pass):
        return None
    passes = row.passes.select_related("prompt_version__app", "line").order_by("-started_at")[:5]
    return Section(
        title="Passes", template="admin/reasoning/includes/made_by.html", context={"passes": passes}, place="side"
    )


@section_of(Subject)
def lines(request: HttpRequest, row: Subject) -> Section | None:
    """Show the subject's lines: their prompt, how far each has read, and its work."""
    found = list(Line.objects.filter(subject=row).select_related("head").order_by("-pk")[:LINES])
    work = {item.line_id: item for item in Work.objects.filter(line__in=found)} if may_view(request, Work) else {}
    prompts = {}
    if may_view(request, PromptVersion):
        keys = [key for line in found if (key := ids.decode(line.recipe)) is not None]
        prompts = {item.recipe: item for item in PromptVersion.objects.filter(pk__in=keys).select_related("app")}
    rows = [
        {"line": line, "serves": line.pk == row.line_id, "work": work.get(line.pk), "prompt": prompts.get(line.recipe)}
        for line in found
    ]
    return Section(title="Lines and work", template="admin/reasoning/includes/lines.html", context={"rows": rows})
