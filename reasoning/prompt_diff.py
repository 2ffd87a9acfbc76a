"""Two prompt versions compared as text, line by line and word by word, and by what else they set."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from memory.errors import Invalid
from memory.worddiff import Piece, words
from reasoning import prompt_versions
from reasoning.models import PromptVersion


@dataclass(frozen=True, slots=True)
class Setting:
    """What the model or a parameter was and is; None where it was not set."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """What changed from ``start`` to ``end``. The pieces of ``words``, like those of ``lines``, are the whole texts."""

    start: PromptVersion
    end: PromptVersion
    unified: str
    lines: Sequence[Piece]
    words: Sequence[Piece]
    settings: Sequence[Setting]


def compare(start: PromptVersion, end: PromptVersion) -> PromptDiff:
    """Return what changed from one version to another, whichever app's they are.

    Raises :class:`Invalid` where they are not of one kind.
    """
    differing = settings(start, end)
    before, after = start.instructions, end.instructions
    old, new = (prompt_versions.name_of(version) for version in (start, end))
    unified = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
    lines = list(_pieces(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return PromptDiff(start, end, "\n".join(unified), lines, words(before, after), differing)


def _pieces(before: Sequence[str], after: Sequence[str]) -> Iterator[Piece]:
    """Yield what is the same and what is not, what was removed before what was added in its place."""
    matcher = difflib.SequenceMatcher(None, before, after)
    for act, start, stop, other_start, other_stop in matcher.get_opcodes():
        if act == "equal":
            yield Piece("same", "".join(before[start:stop]))
            continue
        if start < stop:
            yield Piece("removed", "".join(before[start:stop]))
        if other_start < other_stop:
            yield Piece("added", "".join(after[other_start:other_stop]))


def settings(start: PromptVersion, end: PromptVersion) -> list[Setting]:
    """Return which of the model and the parameters differ. Raises :class:`Invalid` where they are not of one kind."""
    if start.kind != end.kind:
        raise Invalid(f"One is a prompt of kind {start.kind} and the other of kind {end.kind}: nothing to compare.")
    pairs = [("model", start.model, end.model)]
    for name in sorted(start.parameters.keys() | end.parameters.keys()):
        pairs.append((f"parameters.{name}", start.parameters.get(name), end.parameters.get(name)))
    return [Setting(*pair) for pair in pairs if pair[1] != pair[2]]
