"""How what is known of a subject came to be: its versions by line, with who and what made each, any two compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest

from memory import diffs, history, publishing
from memory.admin import makers
from memory.admin.pages import Page
from memory.admin.rolling_back import RollBack
from memory.errors import Refusal
from memory.models import Line, Representation, Subject
from memory.worddiff import Diff

SHOWN = 20
LINES = 26
LANES = 4
"""So many lines have a lane of their own in the drawing; those beyond share the last."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A line as the timeline draws it: its letter, its place, what made it, and whether readers get it."""

    line: Line
    letter: str
    place: int
    recipe: Model | None
    serves: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the timeline: how it came to be in words, and the row of the pass that made it, if one did."""

    version: Representation
    lane: Lane | None
    current: bool
    added: int
    retired: int
    events: int
    tokens: int
    origin: str
    made_in: Model | None

    @property
    def by(self) -> str:
        """Who asked for it, where somebody did."""
        return str(self.version.made_by.get("by") or "")

    @property
    def comparable(self) -> bool:
        """Whether readers could ever get it, so that it can be compared."""
        return self.version.status == Representation.Status.PUBLISHED

    @property
    def may_be_restored(self) -> bool:
        """Whether readers can be taken back to it."""
        return self.comparable and not self.current


@dataclass(frozen=True, slots=True)
class Timeline:
    """Versions of a subject, newest first; ``older`` is below which number the next page begins, if there is one."""

    entries: Sequence[Entry]
    lanes: Sequence[Lane]
    older: int | None

    @property
    def picked(self) -> Sequence[int]:
        """The two versions that are offered to be compared first: the newest and the one before."""
        return [entry.version.number for entry in self.entries if entry.comparable][:2]


def of(subject: Subject, *, before: int | None = None, line: UUID | None = None, limit: int = SHOWN) -> Timeline:
    """Return a page of a subject's versions, of all lines or one. Four statements of SQL, however many there are."""
    found = history.versions(subject, before=before, line=line, limit=limit + 1)
    shown = found[:limit]
    lanes = lanes_of(subject)
    passes = makers.passes([item.representation for item in shown])
    entries = [_entry(subject, item, lanes, passes) for item in shown]
    return Timeline(entries, list(lanes.values()), shown[-1].representation.number if len(found) > limit else None)


def lanes_of(subject: Subject) -> dict[UUID, Lane]:
    """Return a subject's lines, the oldest first. Two statements of SQL."""
    lines = list(Line.objects.filter(subject=subject).order_by("pk")[:LINES])
    recipes = makers.recipes({line.recipe for line in lines})
    return {
        line.pk: Lane(
            line, ascii_uppercase[place], min(place, LANES - 1), recipes.get(line.recipe), line.pk == subject.line_id
        )
        for place, line in enumerate(lines)
    }


def _entry(subject: Subject, item: history.Version, lanes: dict[UUID, Lane], passes: dict[UUID, Model]) -> Entry:
    version = item.representation
    return Entry(
        version=version,
        lane=lanes.get(version.line_id),
        current=version.pk == subject.current_id,
        added=item.added,
        retired=item.retired,
        events=version.covers_to - version.covers_from,
        tokens=sum(version.line_tokens),
        origin=origin(version),
        made_in=passes.get(version.pk),
    )


_ACTS = {
    "add": "A human added a statement",
    "edit": "A human corrected a statement",
    "retract": "A human retracted a statement",
    "pin": "A human pinned a statement",
    "unpin": "A human let go of a pinned statement",
}


def origin(version: Representation) -> str:
    """Return in words how a version came to be, by what was noted with it."""
    made_by = version.made_by
    if version.status == Representation.Status.ERASED:
        return "Erased: something that it may have known of was"
    if "correction" in made_by:
        return _ACTS.get(str(made_by.get("act")), "A human corrected it")
    if "rolled_back_to" in made_by:
        return _repeats("Rolled back", made_by["rolled_back_to"])
    if "went_back_to" in made_by:
        return _repeats("Taken back by an erasure", made_by["went_back_to"])
    if "promotes" in made_by:
        return f"A reprocess was promoted: version {made_by['promotes']}"
    if "published_from" in made_by:
        return f"Published from quarantine: version {made_by['published_from']}"
    if "skipped" in made_by:
        return "Went on without an event that failed"
    if made_by.get("task") == "consolidate":
        return "Went over what was known"
    if "reprocess" in made_by and "pass" not in made_by:
        return "A reprocess began"
    events = version.covers_to - version.covers_from
    return f"Read {events:,} event{'' if events == 1 else 's'}"


def _repeats(what: str, number: int | None) -> str:
    return f"{what} to version {number}" if number else f"{what} to before anything was known"


class TimelinePage(Page):
    """All versions of a subject, page by page."""

    name = "timeline"
    title = "Timeline"
    permission = "memory.view_representation"
    template = "admin/memory/subject/timeline.html"

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def context(self, request: HttpRequest, obj: Subject) -> dict[str, Any]:
        """Return a page of the timeline."""
        lines = {str(pk): pk for pk in obj.lines.values_list("pk", flat=True)[:LINES]}
        chosen = lines.get(request.GET.get("line", ""))
        return {
            "title": f"Timeline of {obj}",
            "timeline": of(obj, before=number_of(request, "before"), line=chosen, limit=50),
            "chosen": chosen,
            "may_roll_back": request.user.has_perm(RollBack.permission),
        }


class ComparePage(Page):
    """Any two versions of a subject beside each other: the text word by word, and which statements came and went."""

    name = "compare"
    title = "Compare versions"
    permission = "memory.view_representation"
    template = "admin/memory/subject/compare.html"

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def context(self, request: HttpRequest, obj: Subject) -> dict[str, Any]:
        """Return what changed from the one to the other; by default from the version before the current one."""
        asked = [number_of(request, "from"), number_of(request, "to")]
        end = max((number for number in asked if number), default=None) or (obj.current.number if obj.current else None)
        start = min((number for number in asked if number), default=None) if all(asked) else None
        shown: dict[str, Any] = {
            "title": f"Compare versions of {obj}",
            "start": start,
            "end": end,
            "may_roll_back": request.user.has_perm(RollBack.permission),
        }
        if end is None:
            return shown
        try:
            found = diffs.compare(obj, start, end)
        except Refusal as refusal:
            return shown | {"refusal": refusal.message}
        return shown | _compared(obj, found)


def _compared(subject: Subject, found: diffs.Diff) -> dict[str, Any]:
    sides = [_whole(side.version) for side in (found.start, found.end)]
    texts = [publishing.text_of(version).text if version else "" for version in sides]
    lanes = lanes_of(subject)
    made_in = makers.passes([version for version in sides if version])
    return {
        "start": found.start.number,
        "end": found.end.number,
        "found": found,
        "told": diffs.tell(found),
        "text": Diff("What an agent reads", *texts),
        "reworded": [
            (item, Diff("Reworded", item.before.conclusion.content, item.after.conclusion.content))
            for item in found.reworded
        ],
        "sides": [
            {
                "version": version,
                "lane": lanes.get(version.line_id) if len(lanes) > 1 else None,
                "origin": origin(version),
                "made_in": made_in.get(version.pk),
                "current": version.pk == subject.current_id,
            }
            for version in sides
            if version is not None
        ],
    }


def _whole(version: Representation | None) -> Representation | None:
    """Return a version with its text, which a comparison leaves where it is."""
    if version is None:
        return None
    return Representation.objects.select_related("subject__user", "subject__session", "subject__project").get(
        pk=version.pk
    )


def number_of(request: HttpRequest, name: str) -> int | None:
    """Return the number that an address gives, None where it gives none."""
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None
