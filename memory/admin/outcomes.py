"""What an act would make of what agents read, as its preview shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from memory import previews, publishing
from memory.admin.acts import Preview
from memory.models import Representation, Subject
from memory.worddiff import Diff

LISTED = 5
"""So many statements are named in a line of a preview; the rest is counted."""


def preview_of(
    subject: Subject, act: Callable[[], object], lines: Sequence[tuple[str, Any]] = (), warning: str = ""
) -> Preview:
    """Return what an act would change for a subject's readers; raises what the act raises. Nothing is kept of it."""
    outcome = previews.tried(subject, act)
    if outcome.after is None or outcome.diff is None or outcome.after == outcome.before:
        return Preview(lines=[*lines, ("Readers", "get what they get now")], warning=warning)
    diff = outcome.diff
    shown = [*lines, ("Readers get", f"version {outcome.after.number}, in place of {_named(outcome.before)}")]
    for label, statements in (
        ("Statements that come", [item.conclusion.content for item in diff.added]),
        ("Statements that go", [item.conclusion.content for item in diff.retired]),
        ("Reworded", [item.after.conclusion.content for item in diff.reworded]),
    ):
        if statements:
            shown.append((label, _listed(statements)))
    texts = (_text(outcome.before), _text(outcome.after))
    return Preview(lines=shown, diffs=[Diff("What an agent reads", *texts)], warning=warning)


def _named(version: Representation | None) -> str:
    return "nothing" if version is None else f"version {version.number}"


def _text(version: Representation | None) -> str:
    return "" if version is None else publishing.text_of(version).text


def _listed(statements: Sequence[str]) -> str:
    more = len(statements) - LISTED
    quoted = "; ".join(f"“{text}”" for text in statements[:LISTED])
    return f"{len(statements)}: {quoted}" + (f"; and {more} more" if more > 0 else "")
