"""Whether an answer can be what it says: nothing lost, nothing made up, nothing that it has no say in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from memory import tokens
from memory.models import Event
from reasoning.conf import ReasoningSettings
from reasoning.gates.verdict import Gate, Problem
from reasoning.providers.base import Answer, Request, Retirement, Statement, Task


def empty(request: Request, answer: Answer) -> Iterator[Problem]:
    """Yield what is nothing where something must stand."""
    for index, statement in enumerate(answer.add):
        if not statement.content.strip():
            yield Problem(Gate.EMPTY, f"Statement {index + 1} is empty.")
    if request.short_summary and not answer.short_summary.strip():
        yield Problem(Gate.EMPTY, "It would leave nothing of the summary.")
    if (request.card or request.now) and not (answer.card or answer.now or answer.add):
        yield Problem(Gate.EMPTY, "It would leave nothing of the card and of what matters now.")


def silent(request: Request, answer: Answer, settings: ReasoningSettings) -> Iterator[Problem]:
    """Yield that an answer says nothing at all of much that people said: its events would count as read."""
    if answer.add or answer.retire or answer.card or any((answer.now, answer.short_summary, answer.long_summary)):
        return
    said = [event.content for event in request.events if event.origin in (Event.Origin.USER, Event.Origin.OPERATOR)]
    if settings.gate_empty_tokens and sum(tokens.count_each(said)) > settings.gate_empty_tokens:
        yield Problem(Gate.EMPTY, "It says nothing of all that was said.")


def schema(request: Request, answer: Answer) -> Iterator[Problem]:
    """Yield the numbers that stand for nothing."""
    known = {statement.number for statement in request.known}
    for item in answer.retire:
        if item.known not in known:
            yield Problem(Gate.SCHEMA, f"It retires statement {item.known}, which it was not shown.")
        if item.replaced_by is not None and not 0 <= item.replaced_by < len(answer.add):
            yield Problem(Gate.SCHEMA, f"It replaces statement {item.known} with one that it does not add.")


def sources(request: Request, answer: Answer) -> Iterator[Problem]:
    """Yield the statements that rest on nothing, or on what was not shown."""
    shown = {event.number for event in request.events}
    known = {statement.number for statement in request.known}
    for index, statement in enumerate(answer.add):
        if request.task is Task.CONSOLIDATE and not statement.known:
            yield Problem(Gate.SOURCES, f"Statement {index + 1} rests on no known statement.")
        if request.task is Task.READ and not statement.events:
            yield Problem(Gate.SOURCES, f"Statement {index + 1} rests on no event.")
        if foreign := sorted(set(statement.events) - shown):
            yield Problem(Gate.SOURCES, f"Statement {index + 1} rests on events that were not shown: {foreign}.")
        if foreign := sorted(set(statement.known) - known):
            yield Problem(Gate.SOURCES, f"Statement {index + 1} rests on statements that were not shown: {foreign}.")


def admissible(request: Request, answer: Answer) -> Answer:
    """Return ``answer`` without what it has no say in.

    That is what rests on recalled memory alone (it was known before and proves nothing new), and the retirement of
    statements that a human has pinned. Where nothing new was read, it is also the retirement of a statement in whose
    place nothing comes that rests on it: nothing has happened by which it could have ended.
    """
    recalled = {event.number for event in request.events if event.origin == Event.Origin.RECALLED}
    pinned = {statement.number for statement in request.known if statement.pinned}
    kept: dict[int, Statement] = {}
    for index, item in enumerate(answer.add):
        numbers = tuple(number for number in item.events if number not in recalled)
        if numbers or request.task is Task.CONSOLIDATE:
            kept[index] = replace(item, events=numbers)
    retire = tuple(item for item in answer.retire if item.known not in pinned)
    if request.task is Task.CONSOLIDATE:
        retire = tuple(item for item in retire if _lives_on(item, answer))
    return with_statements(replace(answer, retire=retire), kept)


def _lives_on(item: Retirement, answer: Answer) -> bool:
    """Say whether a retired statement is among the premises of what replaces it."""
    by = item.replaced_by
    return by is not None and 0 <= by < len(answer.add) and item.known in answer.add[by].known


def with_statements(answer: Answer, kept: dict[int, Statement]) -> Answer:
    """Return ``answer`` with only these of its statements (by index), and what they replace pointing to them.

    What was to be replaced by another one stands.
    """
    place: dict[int | None, int | None] = {None: None}
    place.update({index: number for number, index in enumerate(kept)})
    retire = tuple(
        replace(item, replaced_by=place[item.replaced_by]) for item in answer.retire if item.replaced_by in place
    )
    return replace(answer, add=tuple(kept.values()), retire=retire)
