"""Puts scenes and filler together to conversations, the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from benchmarks.recall.conversations import Conversation, Question, Turn
from benchmarks.recall.datasets.generate.filler import Filler
from benchmarks.recall.datasets.generate.scenes import BadMaterial, Part, Said, Scene, Script
from benchmarks.recall.datasets.generate.texts import choose, date_in
from benchmarks.recall.text import count_tokens

ATTEMPTS = 2000
ASIDES = 0.2
"""Share of the longer lines with something else in them: few messages say one thing only."""

SHORT = 70
"""Characters. With something else in it, a shorter line would hardly be about what matters."""


@dataclass(slots=True)
class _Block:
    """Lines that stay together, and the scene they are of."""

    lines: Sequence[Said]
    scene: int | None = None


@dataclass(slots=True)
class _Session:
    day: date
    hour: int
    project: str | None = None
    blocks: list[_Block] = field(default_factory=list)

    def lines(self) -> int:
        return sum(len(block.lines) for block in self.blocks)


def compose(script: Script, filler: Filler, seed: int) -> Conversation:
    """Return the conversation of a script. Raises BadMaterial."""
    chance = random.Random(f"{seed}:{script.id}")
    sessions = _sessions(script, chance)
    values = [{name: chance.choice(among) for name, among in scene.choices.items()} for scene in script.scenes]
    for number, scene in enumerate(script.scenes):
        for session, lines in _placed(scene, sessions, chance):
            told = [_open(said, script, values[number], filler, chance) for said in lines]
            session.blocks.append(_Block(told, number))
    _fill(script, filler, sessions, chance)
    for session in sessions:
        chance.shuffle(session.blocks)
    turns, labelled = _said(sessions, chance)
    return Conversation(script.id, tuple(turns), tuple(_questions(script, values, turns, labelled)))


def _sessions(script: Script, chance: random.Random) -> list[_Session]:
    day = script.start
    sessions = []
    for number in range(script.sessions):
        project = script.projects[number % len(script.projects)] if script.projects else None
        sessions.append(_Session(day, chance.randrange(7, 21), project))
        day += timedelta(days=chance.randrange(3, 13))
    if script.projects:
        # In no fixed turn, and some of no project.
        projects = [session.project if chance.random() > 0.15 else None for session in sessions]
        chance.shuffle(projects)
        for session, project in zip(sessions, projects, strict=True):
            session.project = project
    return sessions


def _placed(
    scene: Scene, sessions: Sequence[_Session], chance: random.Random
) -> Iterator[tuple[_Session, Sequence[Said]]]:
    """Yield the lines of each part with the session in which they are said."""
    chain = [part for index, part in enumerate(scene.parts) if index == 0 or part.after is not None]
    where = _chain(scene, chain, sessions, chance)
    yield from ((sessions[index], part.lines) for index, part in zip(where, chain, strict=True))
    for part in scene.parts:
        if part not in chain:
            fitting = [index for index, session in enumerate(sessions) if part.project in (None, session.project)]
            elsewhere = [index for index in fitting if index not in where] or fitting
            where.append(chance.choice(elsewhere))
            yield sessions[where[-1]], part.lines


def _open(said: Said, script: Script, values: Mapping[str, str], filler: Filler, chance: random.Random) -> Said:
    """Return a line with its choices made; now and then its author says something else in the same breath."""
    text = choose(said.text, values, chance.choice)
    rambles = said.author in script.ramblers and said.kind == "message" and len(text) > SHORT
    if rambles and chance.random() < ASIDES:
        both = [text, filler.aside(chance)]
        chance.shuffle(both)
        text = " ".join(both)
    return replace(said, text=text)


def _chain(scene: Scene, chain: Sequence[Part], sessions: Sequence[_Session], chance: random.Random) -> list[int]:
    """Return a session for each part, in order, with the days between them that are asked for."""
    for _ in range(ATTEMPTS):
        picked = sorted(chance.sample(range(len(sessions)), len(chain)))
        days = [sessions[index].day for index in picked]
        apart = all(
            (later - earlier).days >= (part.after or 0)
            for earlier, later, part in zip(days, days[1:], chain[1:], strict=False)
        )
        if apart and all(part.project in (None, sessions[i].project) for part, i in zip(chain, picked, strict=True)):
            return picked
    raise BadMaterial(f"{scene.origin}: its parts find no sessions")


def _fill(script: Script, filler: Filler, sessions: Sequence[_Session], chance: random.Random) -> None:
    """Add exchanges, most of them where little is said so far, until it is long enough."""
    length = sum(_length(block.lines) for session in sessions for block in session.blocks)
    exchanges = filler.exchanges(script.filler, script.people, chance)
    while length < script.tokens:
        lines = next(exchanges)
        session = min(chance.sample(sessions, 3), key=_Session.lines)
        session.blocks.append(_Block(lines))
        length += _length(lines)


def _length(lines: Sequence[Said]) -> int:
    return sum(count_tokens(said.text) for said in lines)


def _said(sessions: Sequence[_Session], chance: random.Random) -> tuple[list[Turn], dict[int, dict[str, Turn]]]:
    turns: list[Turn] = []
    labelled: dict[int, dict[str, Turn]] = {}
    for number, session in enumerate(sessions, 1):
        now = datetime.combine(session.day, time(session.hour, chance.randrange(60)), UTC)
        place = 0
        for block in session.blocks:
            for said in block.lines:
                place += 1
                now += timedelta(seconds=chance.randrange(8, 100))
                turn = _turn(said, f"s{number:02}", place, now, session.project)
                turns.append(turn)
                if said.label and block.scene is not None:
                    labelled.setdefault(block.scene, {})[said.label] = turn
    return turns, labelled


def _turn(said: Said, session: str, place: int, at: datetime, project: str | None) -> Turn:
    text = date_in(said.text, at.date(), {})
    data = None
    if said.kind != "message":
        tool, written = text.split(" ", 1)
        data = {"tool": tool, **json.loads(written)}
    return Turn(f"{session}:{place}", session, said.author, text, at, said.kind, project, data)


def _questions(
    script: Script,
    values: Sequence[Mapping[str, str]],
    turns: Sequence[Turn],
    labelled: Mapping[int, Mapping[str, Turn]],
) -> list[Question]:
    asked_at = turns[-1].at + timedelta(days=1)
    questions: list[Question] = []
    for number, scene in enumerate(script.scenes):
        found = labelled.get(number, {})
        days = {label: turn.at.date() for label, turn in found.items()}
        for asked in scene.questions:
            text, answer = (
                date_in(choose(words, values[number], _none), None, days) if words else None
                for words in (asked.text, asked.answer)
            )
            assert text is not None
            questions.append(
                Question(
                    id=f"{script.id}:q{len(questions) + 1:02}",
                    text=text,
                    answer=answer,
                    gold=tuple(found[label].id for label in asked.gold),
                    stale=tuple(found[label].id for label in asked.stale),
                    category=scene.category,
                    asked_at=asked_at,
                    scope={"project": asked.project} if asked.project else {},
                )
            )
    return questions


def _none(among: Sequence[str]) -> str:
    raise BadMaterial(f"questions and answers leave no choice: {among}")
