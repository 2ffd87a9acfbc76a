"""Labels: a version made live, made the candidate, taken off again; and the history of all that."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory.admin.acts import Act, Done, Preview
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link
from memory.errors import Conflict
from memory.models import Subject
from memory.worddiff import Diff
from reasoning import labels, prompt_places
from reasoning.admin.prompt_compare import settings_told
from reasoning.models import Label, LabelMove, PromptVersion

COUNTED = 10_000
Name = Label.Name


class MakeLive(Act):
    """Let new passes be made by a version."""

    name, verb, permission = "make_live", "Make live", "reasoning.promote_prompts"
    four_eyes = True

    def needs(self, request: HttpRequest, obj: PromptVersion) -> bool:
        """What is live need not be made so."""
        return not obj.is_live

    def about(self, obj: PromptVersion) -> str:
        """Say what follows from it, and what does not."""
        return (
            f"New passes of kind {obj.get_kind_display()} in {_where(obj)} will be made by this version. A subject "
            "goes on from where it stands with its next event: nothing is read again, and nobody's memory changes at "
            "once."
        )

    def preview(self, obj: PromptVersion, data: dict[str, Any]) -> Preview:
        """Show what is live until now, whom it concerns, and what changes in the text."""
        standing = _standing(obj)
        lines = [("Live until now", _told(standing)), ("Live from now on", _told(obj)), ("Subjects", _subjects(obj))]
        diffs = []
        if standing is not None:
            lines += _settings(standing, obj)
            diffs = [Diff("The prompt’s text", standing.instructions, obj.instructions)]
        return Preview(lines=lines, diffs=diffs, warning=_warning(standing))

    def perform(self, obj: PromptVersion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Move the label."""
        standing = _standing(obj)
        if labels.move(Name.LIVE, obj, reason=data["reason"], by=by) is None:
            raise Conflict(f"{obj} is live already.")
        undo = None
        if standing is not None and standing.app_id == obj.app_id:
            undo = (f"Make version {standing.number} live again", self.url(standing))
        elif obj.app_id is not None:
            undo = ("Go by the site’s prompt again", TakeOffLive(self.model_admin).url(obj))
        return Done(message=f"{obj} is live: new passes are made by it.", undo=undo)


class MakeCandidate(Act):
    """Mark a version as the one that may be next. It serves nobody."""

    name, verb, permission = "make_candidate", "Make candidate", "reasoning.edit_prompts"

    def needs(self, request: HttpRequest, obj: PromptVersion) -> bool:
        """Neither what is live nor what is the candidate already may be next."""
        return not {Name.LIVE, Name.CANDIDATE} & {label.name for label in obj.labels.all()}

    def about(self, obj: PromptVersion) -> str:
        """Say that nothing follows from it."""
        return "The label says that this version may be next. It serves nobody, and no pass is made by it."

    def preview(self, obj: PromptVersion, data: dict[str, Any]) -> Preview:
        """Show what was the candidate."""
        before = labels.pointed(Name.CANDIDATE, obj.app_id, obj.kind)
        return Preview(lines=[("Candidate until now", _told(before)), ("Candidate from now on", _told(obj))])

    def perform(self, obj: PromptVersion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Move the label."""
        before = labels.pointed(Name.CANDIDATE, obj.app_id, obj.kind)
        labels.move(Name.CANDIDATE, obj, reason=data["reason"], by=by)
        if before is None:
            undo = ("Take the label off", TakeOffCandidate(self.model_admin).url(obj))
        else:
            undo = (f"Make version {before.number} the candidate again", self.url(before))
        return Done(message=f"{obj} is the candidate.", undo=undo)


class TakeOffCandidate(Act):
    """Let no version be the candidate."""

    name, verb, permission = "take_off_candidate", "Take candidate off", "reasoning.edit_prompts"

    def needs(self, request: HttpRequest, obj: PromptVersion) -> bool:
        """Only what is the candidate."""
        return any(label.name == Name.CANDIDATE for label in obj.labels.all())

    def preview(self, obj: PromptVersion, data: dict[str, Any]) -> Preview:
        """Show what the label points at."""
        return Preview(lines=[("Candidate until now", _told(obj)), ("Candidate from now on", "none")])

    def perform(self, obj: PromptVersion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Take the label off."""
        labels.take_off(Name.CANDIDATE, obj.app_id, obj.kind, reason=data["reason"], by=by)
        return Done(
            message=f"{obj} is the candidate no more.",
            undo=("Make it the candidate again", MakeCandidate(self.model_admin).url(obj)),
        )


class TakeOffLive(Act):
    """Let an app go by the site's live version again."""

    name, verb, permission = "take_off_live", "Go by the site’s prompt", "reasoning.promote_prompts"
    four_eyes = True

    def needs(self, request: HttpRequest, obj: PromptVersion) -> bool:
        """Only an app's own live version can be taken off: the site must have one."""
        return obj.app_id is not None and obj.is_live

    def about(self, obj: PromptVersion) -> str:
        """Say what follows from it."""
        return (
            f"App {obj.app} will have no {obj.get_kind_display()} prompt of its own in use: new passes are made by "
            "what is live for the site. A subject goes on from where it stands with its next event."
        )

    def preview(self, obj: PromptVersion, data: dict[str, Any]) -> Preview:
        """Show what takes its place."""
        site = labels.pointed(Name.LIVE, None, obj.kind)
        lines = [("Live until now", _told(obj)), ("Live from now on", _told(site)), ("Subjects", _subjects(obj))]
        diffs = []
        if site is not None:
            lines += _settings(obj, site)
            diffs = [Diff("The prompt’s text", obj.instructions, site.instructions)]
        return Preview(lines=lines, diffs=diffs, warning=_warning(obj))

    def perform(self, obj: PromptVersion, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Take the label off."""
        labels.take_off(Name.LIVE, obj.app_id, obj.kind, reason=data["reason"], by=by)
        return Done(
            message=f"App {obj.app} goes by the site’s {obj.get_kind_display()} prompt.",
            undo=("Make it live again", MakeLive(self.model_admin).url(obj)),
        )


@admin.register(LabelMove)
class LabelMoveAdmin(ReadOnlyAdmin[LabelMove]):
    """Who moved which label, when and why."""

    list_display = ("moved", "name", "kind", "app_link", "origin_link", "to_link", "why", "by")
    list_display_links = None
    list_select_related = ("app", "origin", "to")
    list_filter = ("name", "kind", AppFilter)
    ordering = ("-pk",)
    sortable_by = ()

    class Media:
        css = {"all": ["reasoning/prompts.css"]}

    def for_list(self, rows: QuerySet[LabelMove]) -> QuerySet[LabelMove]:
        """Leave the prompts' texts where they are."""
        return rows.defer("origin__instructions", "to__instructions")

    @admin.display(description="moved")
    def moved(self, row: LabelMove) -> str:
        """Show when."""
        return self.made_at(row)

    @admin.display(description="app")
    def app_link(self, row: LabelMove) -> SafeString | str:
        """Link to the app, if it is not the site's."""
        return link(row.app) if row.app else "the site"

    @admin.display(description="from")
    def origin_link(self, row: LabelMove) -> SafeString | str:
        """Link to what it pointed at before."""
        return link(row.origin, f"version {row.origin.number}") if row.origin else "nothing"

    @admin.display(description="to")
    def to_link(self, row: LabelMove) -> SafeString | str:
        """Link to what it points at since."""
        return link(row.to, f"version {row.to.number}") if row.to else "taken off"

    @admin.display(description="why")
    def why(self, row: LabelMove) -> str:
        """Show the reason."""
        return row.reason


def _standing(version: PromptVersion) -> PromptVersion | None:
    """Return what is live now in place of a version: in its app, or for the site."""
    if version.app_id is not None:
        return labels.live(version.app_id, version.kind)
    return labels.pointed(Name.LIVE, None, version.kind)


def _where(version: PromptVersion) -> str:
    return f"app {version.app}" if version.app else "every app without a prompt of its own"


def _told(version: PromptVersion | None) -> str:
    if version is None:
        return "none"
    return f"version {version.number}{'' if version.app_id else ' of the site'}: “{version.message}”"


def _subjects(version: PromptVersion) -> str:
    found = Subject.objects.filter(kind=version.kind)
    if version.app_id is not None:
        found = found.filter(app=version.app_id)
    count = found.order_by()[: COUNTED + 1].count()
    shown = f"over {COUNTED:,}" if count > COUNTED else f"{count:,}"
    return shown if version.app_id else f"{shown}, those of apps with a prompt of their own among them"


def _settings(before: PromptVersion, after: PromptVersion) -> list[tuple[str, Any]]:
    return [(name, f"{old} → {new}") for name, old, new in settings_told(before, after)]


def _warning(standing: PromptVersion | None) -> str:
    """Say which experiments are compared with what is live no more then."""
    if standing is None:
        return ""
    prompt_places.look_up([standing])
    named: list[Model | None] = [place.where for place in prompt_places.of(standing) if place.how == "control"]
    if not named:
        return ""
    listed = ", ".join(f"“{experiment}”" for experiment in named)
    return (
        f"Going on with it as their control: {listed}. What they compare with would be live no more: stop them first."
    )
