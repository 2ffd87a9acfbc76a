"""Keeping parts of an answer from readers, and the rest for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from reasoning.conf import ReasoningSettings
from reasoning.gates.instructions import orders
from reasoning.gates.secrets import credential
from reasoning.gates.size import by_human
from reasoning.gates.structure import with_statements
from reasoning.gates.text import flat
from reasoning.gates.verdict import Gate, Problem
from reasoning.providers.base import Answer, Request, Statement

NO_REASON = "(withheld)"
"""Stands for the reason of a retirement that cannot be shown."""

_WHOLE = {"now": "What matters now", "short_summary": "The short summary", "long_summary": "The long summary"}


def withhold(request: Request, answer: Answer, settings: ReasoningSettings) -> tuple[Answer, list[Problem], Answer]:
    """Return ``answer`` without its parts that must not be published, what is wrong with those, and the statements.

    What a withheld statement was to replace stands. In the place of a summary, of ``now`` and of a card of which
    nothing is left is what stood before.
    """

    def wrong(text: str, *, label: bool = False, said: Sequence[str] = ()) -> tuple[Gate, str] | None:
        return _wrong(text, settings, label=label, said=said)

    found: list[Problem] = []
    kept: dict[int, Statement] = {}
    held: list[Statement] = []
    words = {event.number: event.content for event in request.events if by_human(event)}
    stood = {statement.number: statement.content for statement in request.known}
    for index, item in enumerate(answer.add):
        said = [words[number] for number in item.events if number in words]
        said += [stood[number] for number in item.known if number in stood]
        if problem := wrong(item.content, said=said):
            found.append(_problem(f"Statement {index + 1}", problem))
            held.append(item)
        else:
            kept[index] = item
    answer = with_statements(answer, kept)
    retire = list(answer.retire)
    for place, retired in enumerate(retire):
        if problem := wrong(retired.reason):
            found.append(_problem(f"The reason why statement {retired.known} is retired", problem))
            retire[place] = replace(retired, reason=NO_REASON)
    card, problems = _card(request, answer, wrong)
    found.extend(problems)
    whole: dict[str, str] = {}
    for name, title in _WHOLE.items():
        text, before = getattr(answer, name), getattr(request, name)
        if problem := wrong(text):
            found.append(_problem(title, problem))
            text = "" if wrong(before) else before
        whole[name] = text
    answer = replace(
        answer,
        retire=tuple(retire),
        card=card,
        now=whole["now"],
        short_summary=whole["short_summary"],
        long_summary=whole["long_summary"],
    )
    return answer, found, Answer(add=tuple(held))


def _card(
    request: Request, answer: Answer, wrong: Callable[..., tuple[Gate, str] | None]
) -> tuple[tuple[str, ...], Iterator[Problem]]:
    bad = {index: problem for index, line in enumerate(answer.card) if (problem := wrong(line, label=True))}
    card = tuple(line for index, line in enumerate(answer.card) if index not in bad)
    if bad and not card:
        card = tuple(line for line in request.card if not wrong(line, label=True))
    return card, (_problem(f"Line {index + 1} of the card", problem) for index, problem in bad.items())


def _wrong(text: str, settings: ReasoningSettings, *, label: bool, said: Sequence[str]) -> tuple[Gate, str] | None:
    """Return the gate that ``text`` does not pass, and what it holds.

    An order in the very words of a human with authority, or of a statement that has passed before (``said``), passes:
    operators may instruct their agents.
    """
    if settings.gate_instructions and (order := orders(text, label=label)):
        what, fragment = order
        if not (fragment and any(fragment in flat(each) for each in said)):
            return Gate.INSTRUCTIONS, what
    if settings.gate_secrets and (what_kind := credential(text)):
        return Gate.SECRETS, what_kind
    return None


def _problem(part: str, wrong: tuple[Gate, str]) -> Problem:
    gate, what = wrong
    if gate is Gate.SECRETS:
        return Problem(gate, f"{part} holds a secret: {what}.")
    return Problem(gate, f"{part} reads like a prompt injection: {what}.")
