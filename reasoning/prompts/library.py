"""The prompts that come with the project, and the rules for those that operators write.

A prompt is plain text with placeholders in braces, such as ``{subject}``. It stands in the system message after a
frame (``frame.md``, or ``consolidate.md`` where nothing new is read), which belongs to the code: it explains the form
of the input and of the answer.
"""

from __future__ import annotations

import functools
import string
from importlib import resources

from reasoning.providers.base import Kind, Task

MAX_TEMPLATE = 20_000
"""The longest prompt, in characters, that :func:`check_template` accepts."""

PLACEHOLDERS: dict[Kind, frozenset[str]] = {
    Kind.USER: frozenset({"subject", "participants"}),
    Kind.OBSERVED: frozenset({"subject", "observer", "participants"}),
    Kind.SESSION: frozenset({"subject", "participants"}),
    Kind.PROJECT: frozenset({"subject", "participants"}),
}

_BRACES = "Write {{ and }} for braces that are meant as they stand."


@functools.cache
def _text(name: str) -> str:
    """The text of a file beside this module, without white space at its ends."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def frame(task: Task = Task.READ) -> str:
    """What every prompt is preceded by: how the input is laid out and what the answer's parts mean."""
    return _text("consolidate.md" if task is Task.CONSOLIDATE else "frame.md")


def default_instructions(kind: Kind) -> str:
    """The prompt that comes with the project for ``kind``, with its placeholders unfilled."""
    return _text(f"{Kind(kind).value}.md")


def placeholders(kind: Kind) -> set[str]:
    """The names that may stand in braces in a prompt for ``kind``."""
    return set(PLACEHOLDERS[Kind(kind)])


def split_template(text: str) -> list[tuple[str, str | None]]:
    """Split a prompt into pairs of literal text and the placeholder's name after it, if any.

    Raises ``ValueError``, worded for people, where braces do not match or hold more than a plain name.
    """
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, name, layout, conversion in string.Formatter().parse(text):
            if name is not None and (layout or conversion):
                raise ValueError(f"A placeholder is a plain name in braces, without ':' or '!'. {_BRACES}")
            parts.append((literal, name))
    except ValueError as error:
        message = str(error)
        if message.endswith(_BRACES):
            raise
        raise ValueError(f"A brace has no partner ({message}). {_BRACES}") from None
    return parts


def unknown_placeholder(kind: Kind, name: str) -> str:
    """What to tell the author of a prompt for ``kind`` that holds ``{name}``, which does not exist."""
    known = ", ".join(f"{{{each}}}" for each in sorted(placeholders(kind)))
    return f"A prompt of kind {Kind(kind).value} has no placeholder {{{name}}}; it has {known}. {_BRACES}"


def check_template(kind: Kind, text: str) -> list[str]:
    """Problems of a prompt that somebody wants to save, worded for them; empty where there are none."""
    if not text.strip():
        return ["The prompt is empty."]
    problems = []
    if len(text) > MAX_TEMPLATE:
        problems.append(f"The prompt has {len(text):,} characters; at most {MAX_TEMPLATE:,} are allowed.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        problems.append("The prompt holds a character that cannot be stored (NUL or a lone surrogate).")
    try:
        names = [name for _, name in split_template(text) if name is not None]
    except ValueError as error:
        return [*problems, str(error)]
    unknown = sorted(set(names) - placeholders(kind))
    return problems + [unknown_placeholder(kind, name) for name in unknown]
