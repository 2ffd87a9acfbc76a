"""Reads the hand-written material: scenes with questions, and exchanges that nothing is asked about.

A file of scenes begins with a head (``people``, ``start``, ``sessions``, ``tokens``, ``filler``, ``ramblers``,
``projects``) and goes on with scenes, as in this one::

    == update
    $street = Kestrel Lane | Tolland Road
    Mara a> We signed for the flat in $street, keys {on the first|from the first on}.
    Jonas> Third floor again?
    --- 20
    Mara b> That place had mould, so since <-5:weekday> I live at Osier Court.
    ~~~
    Jonas> My aunt has a shop in Alder Street.
    ? Where does Mara live? => Osier Court :: b < a

``---`` begins a part that comes in a later session (after at least so many days), ``~~~`` one that may come anywhere,
``@name`` on a line of its own puts the part into a session of that project. ``Author label>`` names a line so that a
question can point at it: ``question => answer :: gold < stale``, with ``@project`` at the end if it is asked of that
only. An answer of ``-`` is not known; ``!! expression`` after it is what no turn may match ("author: text").
``Author!call label> tool {json}`` and ``Author!result label> tool {json}`` are events of tools.

In texts ``{one|other}`` is a choice, ``$name`` a choice that is the same in the whole scene, and ``<-4:weekday>`` a
date: four days before the turn (``<a-4:day>`` in questions and answers: before the turn ``a``; ``-2m`` months,
``-3y`` years).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

_LINE = re.compile(r"^(?P<author>[^>!{}<]+?)(?:!(?P<kind>call|result))?(?: (?P<label>[a-z]\d?))?> (?P<text>.+)$")
_QUESTION = re.compile(
    r"^\? (?P<text>.+?) => (?P<answer>.+?)(?: :: (?P<gold>[a-z0-9 ]+?))?(?: < (?P<stale>[a-z0-9 ]+?))?"
    r"(?: @(?P<project>\S+))?(?: !! (?P<never>.+))?$"
)
_KINDS = {None: "message", "call": "tool_call", "result": "tool_result"}


class BadMaterial(Exception):
    """The material is not as it should be; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line, with its choices still open."""

    author: str
    text: str
    label: str | None = None
    kind: str = "message"


@dataclass(slots=True)
class Part:
    """Lines that follow one another in one session."""

    lines: list[Said] = field(default_factory=list)
    after: int | None = None
    """At least so many days after the part before; None: wherever."""
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with the labels of the lines that answer it."""

    text: str
    answer: str | None
    gold: tuple[str, ...]
    stale: tuple[str, ...]
    project: str | None
    never: str | None
    """What no turn may match, of a question that cannot be answered."""


@dataclass(slots=True)
class Scene:
    """Some parts, and what is asked about them."""

    category: str
    origin: str
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Script:
    """All that is written for one conversation."""

    id: str
    people: tuple[str, ...]
    start: date
    sessions: int
    tokens: int
    filler: tuple[str, ...]
    projects: tuple[str, ...]
    ramblers: tuple[str, ...]
    """Who say something else as well, now and then, where they say what matters."""
    scenes: tuple[Scene, ...]


def read_script(path: Path) -> Script:
    """Return what a file of scenes says. Raises BadMaterial."""
    head, *bodies = re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    fields = dict(line.split(" ", 1) for line in head.splitlines() if line and not line.startswith("#"))
    return Script(
        id=path.stem,
        people=_names(fields["people"]),
        start=date.fromisoformat(fields["start"]),
        sessions=int(fields["sessions"]),
        tokens=int(fields["tokens"]),
        filler=_names(fields["filler"]),
        projects=_names(fields.get("projects", "")),
        ramblers=_names(fields.get("ramblers", "")),
        scenes=tuple(_scene(f"{path.stem} scene {number}", body) for number, body in enumerate(bodies, 1)),
    )


def read_exchanges(path: Path) -> list[Part]:
    """Return the exchanges of a file of filler; they are parted by empty lines. Raises BadMaterial."""
    return [
        Part([_said(path.stem, line) for line in block.splitlines()])
        for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip())
        if not block.startswith("#")
    ]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _scene(origin: str, body: str) -> Scene:
    category, *lines = [line.strip() for line in body.strip().splitlines()]
    scene = Scene(category, origin)
    part = Part(after=None)
    scene.parts.append(part)
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if line.startswith("---") or line == "~~~":
            part = Part(after=None if line == "~~~" else int(line[3:] or 1))
            scene.parts.append(part)
        elif line.startswith("@"):
            part.project = line[1:]
        elif line.startswith("$"):
            name, values = line[1:].split("=", 1)
            scene.choices[name.strip()] = tuple(value.strip() for value in values.split("|"))
        elif line.startswith("? "):
            scene.questions.append(_asked(origin, line))
        else:
            part.lines.append(_said(origin, line))
    scene.parts = [part for part in scene.parts if part.lines]
    _check_labels(scene)
    return scene


def _said(origin: str, line: str) -> Said:
    match = _LINE.match(line)
    if match is None:
        raise BadMaterial(f"{origin}: not a line of a conversation: {line}")
    return Said(match["author"], match["text"], match["label"], _KINDS[match["kind"]])


def _asked(origin: str, line: str) -> Asked:
    match = _QUESTION.match(line)
    if match is None:
        raise BadMaterial(f"{origin}: not a question: {line}")
    answer = None if match["answer"] == "-" else match["answer"]
    gold = tuple((match["gold"] or "").split())
    if (answer is None) == bool(gold):
        raise BadMaterial(f"{origin}: a question has gold if, and only if, it has an answer: {line}")
    return Asked(match["text"], answer, gold, tuple((match["stale"] or "").split()), match["project"], match["never"])


def _check_labels(scene: Scene) -> None:
    labels = list(_labels(scene.parts))
    used = {label for asked in scene.questions for label in (*asked.gold, *asked.stale)}
    if len(labels) != len(set(labels)) or not used <= set(labels):
        raise BadMaterial(f"{scene.origin}: labels {sorted(labels)}, but asked for {sorted(used)}")


def _labels(parts: Sequence[Part]) -> Iterator[str]:
    return (said.label for part in parts for said in part.lines if said.label)
