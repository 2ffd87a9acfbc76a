"""What an operator does with work that stands still: retry it, go on without an event, ask budgets again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpRequest
from django.utils.text import Truncator

from memory.admin.acts import LISTED, Act, Done, Preview
from memory.admin.links import page_url
from memory.errors import Conflict
from reasoning import disposition, signals
from reasoning.models import Work

MOST = 900
"""What is done in one statement is done to so many rows at a time: more, a form cannot name (Django's limit)."""


class OnWork(Act):
    """What these acts share: they are for work in one state, and rows in another are left alone."""

    permission = "reasoning.change_work"
    state: Work.State

    def needs(self, request: HttpRequest, obj: Work) -> bool:
        """Whether it is in that state."""
        return obj.state == self.state

    def preview(self, obj: Work, data: dict[str, Any]) -> Preview:
        """Say what waits, and how it failed. Raises :class:`memory.errors.Conflict` in another state."""
        if obj.state != self.state:
            raise Conflict(f"It is {obj.state}, not {self.state}.")
        return Preview(lines=[("Waiting", waiting(obj)), ("Failed", _failed(obj))], token=self.stands(obj))

    def preview_many(self, objs: Sequence[Any], data: dict[str, Any]) -> Preview:
        """Say what waits, in all and of the first, and how many are left alone."""
        chosen = [obj for obj in objs if obj.state == self.state]
        events, tokens = (sum(getattr(obj, name) for obj in chosen) for name in ("waiting_events", "waiting_tokens"))
        lines: list[tuple[str, Any]] = [("In all", f"{len(chosen):,} lines, {events:,} events, {tokens:,} tokens")]
        if left := len(objs) - len(chosen):
            lines.append((f"Not {self.state}", f"{left:,}: left as they are"))
        lines += [(str(obj.line.subject), f"{waiting(obj)}; {_failed(obj)}") for obj in chosen[:LISTED]]
        if len(chosen) > LISTED:
            lines.append(("and", f"{len(chosen) - LISTED:,} more"))
        return Preview(lines=lines, token=" ".join(map(self.stands, objs)))

    def stands(self, obj: Work) -> str:
        """Return what must still be so when it is confirmed; how often it failed, and what waits, changes by itself."""
        return f"{obj.pk}:{obj.state}"


class AllAtOnce(OnWork):
    """What these acts share: one statement does them to all that are chosen."""

    at_once = MOST
    do: ClassVar[Callable[..., int]]
    """Do it to these rows, with a ``reason`` and ``by`` whom; return to how many it was done."""
    one: str
    several: str

    def perform(self, obj: Work, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Do it."""
        return self.perform_many([obj], data, by, preview)

    def perform_many(self, objs: Sequence[Any], data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Do it to them all."""
        count = self.do(objs, reason=data["reason"], by=by)
        transaction.on_commit(signals.wake, robust=True)
        return Done(message=_count(count, len(objs), self.one, self.several))


class Retry(AllAtOnce):
    """Let parked work be tried again."""

    name, verb, bulk, state = "retry", "Retry", "Retry parked work", Work.State.PARKED
    one, several = "is due now", "are due now"
    do = staticmethod(disposition.retry)

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "Parked work has failed so often that nobody tries it any more. To retry it makes it due now, with a clean "
            "count of attempts: do it once what made it fail is mended."
        )


class AskAgain(AllAtOnce):
    """Let held work ask its budgets again."""

    name, verb, bulk, state = "ask-again", "Ask again now", "Ask again now (held work)", Work.State.HELD
    one, several = "asks again", "ask again"
    do = staticmethod(disposition.ask_again)

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "Held work waits for a budget or for the price of a model. It asks again by itself when one is changed or "
            "a new period begins; this lets it ask now."
        )


class Skip(OnWork):
    """Let a parked line go on without its next event."""

    name, verb, state = "skip", "Go on without an event", Work.State.PARKED
    bulk = "Go on without the event that fails"

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "The next event that the line would read is left out for good: a new version, the same as the last, counts "
            "it as read. The event stays in the log. Do it where a single event makes every attempt fail."
        )

    def stands(self, obj: Work) -> str:
        """Return where its line stands too: a line may be parked anew, by another event than the one that was meant."""
        return f"{super().stands(obj)}:{obj.line.cursor}"

    def perform(self, obj: Work, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Leave the event out."""
        made = disposition.skip(obj, reason=data["reason"], by=by)
        transaction.on_commit(signals.wake, robust=True)
        url = page_url(made, self.model_admin.admin_site.name)
        return Done(message=f"{made.subject} goes on without an event.", made=[(str(made), url)])


def waiting(work: Work) -> str:
    """Return what waits, in words."""
    count = work.waiting_events
    return f"{count:,} event{'' if count == 1 else 's'}, {work.waiting_tokens:,} tokens" if count else "nothing"


def _failed(work: Work) -> str:
    if not work.last_failure:
        return "not yet"
    return f"{work.last_failure}, {work.attempts} attempts: {Truncator(work.last_error).chars(160)}"


def _count(done: int, chosen: int, one: str, several: str) -> str:
    said = f"{done} {'line' if done == 1 else 'lines'} {one if done == 1 else several}."
    return said if done == chosen else f"{said} {chosen - done} were left as they were."
