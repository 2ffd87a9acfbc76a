"""What an answer must be before it may become memory."""

from __future__ import annotations

from dataclasses import replace

from memory.models import Event
from reasoning.providers.base import Answer, Request, Statement


def problems(request: Request, answer: Answer) -> list[str]:
    """Return why ``answer`` must not be published, in words for people; empty where nothing speaks against it."""
    found = []
    shown = {event.number for event in request.events}
    known = {statement.number for statement in request.known}
    for index, statement in enumerate(answer.add):
        if not statement.content.strip():
            found.append(f"Statement {index + 1} is empty.")
        if not statement.events:
            found.append(f"Statement {index + 1} rests on no event.")
        if foreign := sorted(set(statement.events) - shown):
            found.append(f"Statement {index + 1} rests on events that were not shown: {foreign}.")
    for item in answer.retire:
        if item.known not in known:
            found.append(f"It retires statement {item.known}, which it was not shown.")
        if item.replaced_by is not None and not 0 <= item.replaced_by < len(answer.add):
            found.append(f"It replaces statement {item.known} with one that it does not add.")
    if request.short_summary and not answer.short_summary.strip():
        found.append("It would leave nothing of the summary.")
    if (request.card or request.now) and not (answer.card or answer.now or answer.add):
        found.append("It would leave nothing of the card and of what matters now.")
    return found


def admissible(request: Request, answer: Answer) -> Answer:
    """Return ``answer`` without what it has no say in.

    That is what rests on recalled memory alone (it was known before and proves nothing new), and the retirement of
    statements that a human has pinned.
    """
    recalled = {event.number for event in request.events if event.origin == Event.Origin.RECALLED}
    pinned = {statement.number for statement in request.known if statement.pinned}
    kept: list[Statement] = []
    place: dict[int | None, int | None] = {None: None}
    for index, item in enumerate(answer.add):
        numbers = tuple(number for number in item.events if number not in recalled)
        if numbers:
            place[index] = len(kept)
            kept.append(replace(item, events=numbers))
    retire = tuple(
        replace(item, replaced_by=place[item.replaced_by])
        for item in answer.retire
        if item.known not in pinned and item.replaced_by in place
    )
    return replace(answer, add=tuple(kept), retire=retire)
