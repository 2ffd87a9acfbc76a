"""What can be done to a subject that the loop does: reading what waits now, going over what is known."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from memory import feeds
from memory.admin import subjects
from memory.admin.acts import Act, Done, Preview
from memory.admin.links import page_url
from memory.models import Subject
from memory.templatetags.honcho_admin import ago
from reasoning import consolidation, reasoning_now
from reasoning.models import Work

PERMISSION = "reasoning.change_work"


class ReasonNow(Act):
    """Have what waits read at once."""

    name = "reason-now"
    verb = "Reason now"
    permission = PERMISSION

    def needs(self, request: HttpRequest, obj: Subject) -> bool:
        """Something must wait that nobody is at."""
        work = _work(obj)
        waits = work is not None and work.waiting_events > 0 and work.state != Work.State.LEASED
        return waits or feeds.has_new([obj.pk])

    def about(self, obj: Subject) -> str:
        """Say what it does."""
        return (
            "A worker reads what waits as soon as one is free, without waiting for more to come. Readers get a new "
            "version when it has; until then they get what they get now. The model is asked once, as it would be later."
        )

    def preview(self, obj: Subject, data: dict[str, Any]) -> Preview:
        """Show what waits, and for what."""
        work = _work(obj)
        if work is None or not work.waiting_events:
            return Preview(lines=[("Waiting", "events that no worker has looked at yet")])
        lines: list[tuple[str, Any]] = [
            ("Waiting", f"{work.waiting_events:,} events, {work.waiting_tokens:,} tokens"),
            ("The oldest was recorded", ago(work.oldest)),
            ("State", work.get_state_display()),
        ]
        if work.last_failure:
            lines.append(("The last pass failed", f"{work.last_failure}: {work.last_error}"))
        warning = ""
        if work.state in (Work.State.PARKED, Work.State.HELD):
            warning = "It is stopped for a reason: unless that is mended, it ends the same way once more."
        return Preview(lines=lines, warning=warning, token=f"{work.state} {work.waiting_events}")

    def perform(self, obj: Subject, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Let it be read."""
        work = reasoning_now.reason_now(obj, reason=data["reason"], by=by)
        return Done(
            message="A worker reads it as soon as one is free.",
            made=[("its work", page_url(work, self.model_admin.admin_site.name))],
        )


class Consolidate(Act):
    """Have what is known gone over."""

    name = "consolidate"
    verb = "Consolidate"
    permission = PERMISSION

    def needs(self, request: HttpRequest, obj: Subject) -> bool:
        """A pass must have concluded something, and nothing be at it or in its way."""
        work = _work(obj)
        return work is not None and work.state == Work.State.IDLE and obj.current_id is not None

    def about(self, obj: Subject) -> str:
        """Say what it does."""
        return (
            "A worker goes over what is known: it merges what says the same, and looks for patterns and "
            "contradictions. Where something changes there is a new version, otherwise none. What is pinned stays."
        )

    def preview(self, obj: Subject, data: dict[str, Any]) -> Preview:
        """Show how much there is to go over."""
        work = _work(obj)
        new = work.unconsolidated if work else 0
        return Preview(lines=[("Statements added since the last time", f"{new:,}")])

    def perform(self, obj: Subject, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Ask for it, as the API does."""
        work = consolidation.ask_for(obj, by=by, reason=data["reason"])
        return Done(
            message="A worker goes over it as soon as one is free.",
            made=[("its work", page_url(work, self.model_admin.admin_site.name))],
        )


def _work(subject: Subject) -> Work | None:
    return Work.objects.filter(line=subject.line_id).first() if subject.line_id else None


subjects.offer(ReasonNow, Consolidate)
