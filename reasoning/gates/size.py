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
from reasoning.providers.base import Answer, Request, ShownEvent

ENOUGH_TOKENS = 100
"""Less than so much is a handful of statements: that most of them end at once is everyday, not a loss."""


def by_human(event: ShownEvent) -> bool:
    """Say whether an operator stands behind an event. (Whoever may write can make a correction.)"""
    return event.origin == Event.Origin.OPERATOR


def shrunk(request: Request, answer: Answer, settings: ReasoningSettings) -> Iterator[Problem]:
    """Yield a problem where too little is left of what stood and was shown (``now`` is made anew each time).

    What replaces something counts as what is left of it, up to its size. An operator may have anything taken away, but
    a correction has been carried out already: it takes no model for that.
    """
    if any(by_human(event) and carried_out(event) is None for event in request.events):
        return
    stood, lost = measure_loss(request, answer)
    if too_much_lost(stood, lost, settings):
        yield Problem(
            Gate.SHRUNK,
            f"It would take away {lost:,} of the {stood:,} tokens that stood;"
            f" at most {settings.gate_shrink_percent:g} per cent may go.",
        )


def too_much_lost(stood: int, lost: int, settings: ReasoningSettings) -> bool:
    """Say whether more of what stood is lost, in tokens, than may be."""
    return stood >= ENOUGH_TOKENS and lost * 100 > settings.gate_shrink_percent * stood


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
    """Yield a problem where much more is added than the new events can carry."""
    evidence, added = measure_growth(request, answer)
    most = int(settings.gate_growth_tokens + settings.gate_growth_ratio * evidence)
    if added > most:
        yield Problem(
            Gate.GROWN, f"It would add {added:,} tokens; {evidence:,} tokens of new events allow for at most {most:,}."
        )


def measure_growth(request: Request, answer: Answer) -> tuple[int, int]:
    """Return how many tokens the new events have, and how many ``answer`` adds to what stood (without ``now``)."""
    fresh = [_said(event) for event in request.events if event.origin != Event.Origin.RECALLED]
    standing = {same(statement.content) for statement in request.known}
    new = {same(statement.content): statement.content for statement in answer.add}
    added = sum(tokens.count_each([content for key, content in new.items() if key not in standing]))
    added += sum(max(0, after - before) for before, after in zip(_whole(request), _whole(answer), strict=True))
    return sum(tokens.count_each(fresh)), added


def _whole(given: Request | Answer) -> list[int]:
    """Return the sizes of what is rewritten as a whole each time."""
    return tokens.count_each(["\n".join(given.card), given.short_summary, given.long_summary])


def _said(event: ShownEvent) -> str:
    data = "" if event.data is None else json.dumps(event.data, ensure_ascii=False, default=str)
    return f"{event.content}\n{data}".strip()
