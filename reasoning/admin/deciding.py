"""What an operator decides about an answer that a gate stopped: publish it, discard it, or ask again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from memory import publishing
from memory import quarantine as store
from memory.admin.acts import Act, Done, Preview
from memory.admin.links import page_url
from memory.admin.permissions import allowed, demand
from memory.errors import Refusal
from memory.models import Representation, Ruling, Span
from memory.worddiff import Diff
from reasoning import quarantine
from reasoning.models import Quarantined, Work

DIFFS_SHOWN = 5
"""Of several versions, so many are shown as readers would get them."""


class Decision(Act):
    """What all decisions share: each is made once, by somebody who may see what it is about."""

    also: tuple[str, ...] = ("reasoning.view_quarantined",)
    """What somebody needs besides ``permission``."""

    def needs(self, request: HttpRequest, obj: Quarantined) -> bool:
        """Whether nobody has decided yet."""
        return ruling_of(obj) is None and all(allowed(request, name) for name in self.also)

    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse who lacks one of several permissions; else as any act."""
        for name in self.also:
            demand(request, name)
        return super().view(request, object_id)

    def answer(self, request: HttpRequest, objs: Sequence[Any], back: str, *, many: bool = False) -> HttpResponse:
        """Refuse who lacks one of several permissions, in the list too; else as any act."""
        for name in self.also:
            demand(request, name)
        return super().answer(request, objs, back, many=many)

    def perform_many(self, objs: Sequence[Any], data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Decide about each by itself, the oldest first: several may be of one line."""
        return super().perform_many(sorted(objs, key=lambda obj: obj.pk), data, by, preview)


class Publish(Decision):
    """Let readers have it after all."""

    name, verb, permission = "publish", "Publish", "reasoning.publish_quarantined"
    bulk = "Publish selected versions"

    def needs(self, request: HttpRequest, obj: Quarantined) -> bool:
        """Whether it can be published."""
        return super().needs(request, obj) and not outcome(obj)["obstacle"]

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return "Readers get what the gate stopped, as a new version, and the line goes on from there, parked or not."

    def preview(self, obj: Quarantined, data: dict[str, Any]) -> Preview:
        """Show the text as readers would get it. Raises what :func:`memory.quarantine.publish` raises."""
        lines = _published(outcome(obj, strict=True))
        now = "" if obj.subject.current is None else obj.subject.current.text
        return Preview(lines=lines, diffs=[Diff("What an agent reads", now, store.text_if_published(obj))])

    def preview_many(self, objs: Sequence[Any], data: dict[str, Any]) -> Preview:
        """Say of each what would come of it, and show the first few as readers would get them."""
        lines: list[tuple[str, Any]] = []
        diffs: list[Diff] = []
        for obj in objs:
            try:
                found = outcome(obj, strict=True)
                if len(diffs) < DIFFS_SHOWN:
                    now = "" if obj.subject.current is None else obj.subject.current.text
                    diffs.append(Diff(f"{obj.subject}: what an agent reads", now, store.text_if_published(obj)))
            except Refusal as refusal:
                lines.append((str(obj), f"left as it is: {refusal.message}"))
            else:
                lines.append((str(obj), "; ".join(f"{label.lower()}: {said}" for label, said in _published(found))))
        return Preview(lines=lines, diffs=diffs)

    def perform(self, obj: Quarantined, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Publish it."""
        made = quarantine.publish(obj, reason=data["reason"], by=by)
        url = page_url(made, self.model_admin.admin_site.name)
        return Done(message=f"Readers get version {made.number} of {made.subject} now.", made=[(str(made), url)])


class Discard(Decision):
    """Decide that nobody will ever read it."""

    name, verb, permission = "discard", "Discard", "reasoning.discard_quarantined"
    bulk = "Discard selected versions"

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return "Nobody will ever read it. What readers get stays as it is, and the line stays where it is."

    def preview(self, obj: Quarantined, data: dict[str, Any]) -> Preview:
        """Say what goes, and what stays."""
        added, retired = publishing.proposed(_open(obj))
        return Preview(
            lines=[
                ("Stopped by", obj.gate or "a gate"),
                ("Never said", f"{len(added)} new statement{'' if len(added) == 1 else 's'}"),
                ("Never retired", f"{len(retired)} statement{'' if len(retired) == 1 else 's'}"),
            ]
        )

    def perform(self, obj: Quarantined, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Discard it."""
        quarantine.discard(obj, reason=data["reason"], by=by)
        return Done(message=f"Discarded: {obj}.")


class AskAnew(Discard):
    """Discard it, and have the model asked again where the line is parked."""

    name, verb, permission = "ask-anew", "Discard and ask again", "reasoning.change_work"
    bulk = "Discard selected versions and ask again"
    also = (*Discard.also, "reasoning.discard_quarantined")

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "Nobody will ever read it, and a line that is parked is tried again now: the model is asked once more "
            "about the same events. What readers get stays as it is until an answer passes the gates."
        )

    def preview(self, obj: Quarantined, data: dict[str, Any]) -> Preview:
        """Say what goes, and what is asked again."""
        found = super().preview(obj, data)
        work = Work.objects.filter(line=obj.line_id).first()
        return Preview(lines=[*found.lines, ("Asked again", _asked_again(work))])

    def perform(self, obj: Quarantined, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Discard it and try again."""
        tried = quarantine.ask_anew(obj, reason=data["reason"], by=by)
        return Done(message=f"Discarded: {obj}. {'It is asked again now.' if tried else 'Its line was not parked.'}")


def ruling_of(row: Quarantined) -> Ruling | None:
    """Return what was decided about a version, if anything was."""
    return getattr(row, "ruling", None)


def outcome(row: Quarantined, *, strict: bool = False) -> dict[str, Any]:
    """Return what publishing would make of it now, or as ``obstacle`` why it cannot be done; ``strict`` raises that."""
    try:
        draft = store.as_it_would_be(row)
    except Refusal as refusal:
        if strict:
            raise
        return {"obstacle": refusal.message}
    prints = {publishing.fingerprint(item.content, item.about_id) for item in draft.added}
    standing = Span.objects.filter(line=row.line_id, until=None, conclusion__fingerprint__in=prints)
    return {
        "obstacle": "",
        "number": row.subject.versions + 1,
        "more": len(prints) - standing.count(),
        "fewer": len({item.conclusion_id for item in draft.retired}),
        "events": draft.covers_to - draft.covers_from,
        "moved": (draft.parent_id, draft.covers_from) != (row.parent_id, row.covers_from),
    }


def _published(found: dict[str, Any]) -> list[tuple[str, str]]:
    events = found["events"]
    read = f"after the {events} event{'' if events == 1 else 's'} that it read"
    moved = "from where it stands: it has moved on since, so card and summaries stay and no events are covered"
    return [
        ("Readers get", f"version {found['number']}"),
        ("Statements", f"{found['more']} more, {found['fewer']} retired"),
        ("The line goes on", moved if found["moved"] else read),
    ]


def _open(row: Quarantined) -> Representation:
    """Return a version that nobody has decided about. Raises :class:`memory.errors.Conflict`."""
    store.check_open(row)
    return row


def _asked_again(work: Work | None) -> str:
    if work is None or work.state != Work.State.PARKED:
        return f"no: its line is {'gone' if work is None else work.state}, not parked"
    count = work.waiting_events
    return f"yes, about {count:,} event{'' if count == 1 else 's'} that wait"
