"""Whether an answer takes away, or adds, more than can be right."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from memory import tokens
from memory.models import Event
from reasoning.conf import ReasoningSettings
from reasoning.gates.text import same
from reasoning.gates.verdict import Gate, Problem
from reasoning.prompts.acts import carried_out
from reasoning.providers.base import Answer, Request, ShownEvent, Task

ENOUGH_TOKENS = 100
"""Less than so much is a handful of statements: that most of them end at once is everyday, not a loss."""


def by_human(event: ShownEvent) -> bool:
    """Say whether an operator stands behind an event. (Whoever may write can make a correction.)"""
    return event.origin == Event.Origin.OPERATOR


def shrunk(request: Request, answer: Answer, settings: ReasoningSettings) -> Iterator[Problem]:
    """Yield a problem where too little is left of what stood and was shown (``now`` is made anew each time).

    What replaces something counts as what is left of it, up to its size. An operator may have anything taken away, but
    a correction has been carried out already: it takes no model for that. Merging may take away more than reading: what
    stood several times stands once.
    """
    if any(by_human(event) and carried_out(event) is None for event in request.events):
        return
    most = settings.gate_merge_percent if request.task is Task.CONSOLIDATE else settings.gate_shrink_percent
    stood, lost = measure_loss(request, answer)
    if too_much_lost(stood, lost, most):
        yield Problem(
            Gate.SHRUNK,
            f"It would take away {lost:,} of the {stood:,} tokens that stood; at most {most:g} per cent may go.",
        )


def too_much_lost(stood: int, lost: int, most: float) -> bool:
    """Say whether more than ``most`` per cent of what stood are lost, in tokens."""
    return stood >= ENOUGH_TOKENS and lost * 100 > most * stood


def measure_loss(request: Request, answer: Answer) -> tuple[int, int]:
    """Return how many tokens stood, and how many of them ``answer`` takes away."""
    known = dict(
        zip(
            (statement.number for statement in request.known),
            tokens.count_each([statement.content for statement in request.known]),
            strict=True,
        )
    )
    replaced: dict[int | None, int] = defaultdict(int)
    for number, by in {item.known: item.replaced_by for item in answer.retire}.items():
        replaced[by] += known.get(number, 0)
    pairs = [(size, 0 if by is None else tokens.count(answer.add[by].content)) for by, size in replaced.items()]
    pairs += zip(_whole(request), _whole(answer), strict=True)
    stood = sum(known.values()) + sum(_whole(request))
    return stood, sum(max(0, before - after) for before, after in pairs)


def grown(request: Request, answer: Answer, settings: ReasoningSettings) -> Iterator[Problem]:
    """Yield a problem where much more is added than the new events, or the premises, can carry."""
    evidence, added = measure_growth(request, answer)
    if request.task is Task.CONSOLIDATE:  # what sums statements up is no longer than they are
        carried, most = "the statements that it rests on", evidence + ENOUGH_TOKENS
    else:
        carried, most = "new events", int(settings.gate_growth_tokens + settings.gate_growth_ratio * evidence)
    if added > most:
        yield Problem(
            Gate.GROWN, f"It would add {added:,} tokens; {evidence:,} tokens of {carried} allow for at most {most:,}."
        )


def measure_growth(request: Request, answer: Answer) -> tuple[int, int]:
    """Return how many tokens the evidence has, and how many ``answer`` adds to what stood (without ``now``).

    The evidence is the new events or, where there are none, the known statements that something new rests on.
    """
    standing = {same(statement.content) for statement in request.known}
    new = {same(statement.content): statement for statement in answer.add if same(statement.content) not in standing}
    if request.task is Task.CONSOLIDATE:
        premises = {number for statement in new.values() for number in statement.known}
        evidence = [statement.content for statement in request.known if statement.number in premises]
    else:
        evidence = [_said(event) for event in request.events if event.origin != Event.Origin.RECALLED]
    added = sum(tokens.count_each([statement.content for statement in new.values()]))
    added += sum(max(0, after - before) for before, after in zip(_whole(request), _whole(answer), strict=True))
    return sum(tokens.count_each(evidence)), added


def _whole(given: Request | Answer) -> list[int]:
    """Return the sizes of what is rewritten as a whole each time."""
    return tokens.count_each(["\n".join(given.card), given.short_summary, given.long_summary])


def _said(event: ShownEvent) -> str:
    data = "" if event.data is None else json.dumps(event.data, ensure_ascii=False, default=str)
    return f"{event.content}\n{data}".strip()
