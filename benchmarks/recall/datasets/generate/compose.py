"""Puts scenes and filler together to conversations, the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from benchmarks.recall.conversations import Conversation, Question, Turn
from benchmarks.recall.datasets.generate.scenes import BadMaterial, Part, Said, Scene, Script
from benchmarks.recall.datasets.generate.texts import choose, date_in

ATTEMPTS = 2000
TOKENS_OF_A_TURN = 30
"""About; only decides how much filler is put in."""


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


def compose(script: Script, exchanges: Sequence[Part], seed: int) -> tuple[Conversation, int]:
    """Return the conversation, and how many of the exchanges it has used, from the first on. Raises BadMaterial."""
    chance = random.Random(f"{seed}:{script.id}")
    sessions = _sessions(script, chance)
    values = [{name: chance.choice(among) for name, among in scene.choices.items()} for scene in script.scenes]
    for number, scene in enumerate(script.scenes):
        _place(number, scene, values[number], sessions, chance)
    used = _fill(script, exchanges, sessions, chance)
    for session in sessions:
        chance.shuffle(session.blocks)
    turns, labelled = _said(sessions, chance)
    questions = _questions(script, values, turns, labelled)
    return Conversation(script.id, tuple(turns), tuple(questions)), used


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


def _place(
    number: int, scene: Scene, values: Mapping[str, str], sessions: Sequence[_Session], chance: random.Random
) -> None:
    chain = [part for index, part in enumerate(scene.parts) if index == 0 or part.after is not None]
    where = _chain(scene, chain, sessions, chance)
    for part in scene.parts:
        if part not in chain:
            fitting = [i for i, session in enumerate(sessions) if part.project in (None, session.project)]
            elsewhere = [i for i in fitting if i not in where] or fitting
            where.append(chance.choice(elsewhere))
    ordered = chain + [part for part in scene.parts if part not in chain]
    for part, index in zip(ordered, where, strict=True):
        lines = [replace(said, text=choose(said.text, values, chance)) for said in part.lines]
        sessions[index].blocks.append(_Block(lines, number))


def _chain(
    scene: Scene, chain: Sequence[Part], sessions: Sequence[_Session], chance: random.Random
) -> list[int]:
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


def _fill(script: Script, exchanges: Sequence[Part], sessions: Sequence[_Session], chance: random.Random) -> int:
    """Add exchanges, most of them where little is said so far, until it is long enough; return how many."""
    length = sum(_tokens(block.lines) for session in sessions for block in session.blocks)
    for used, exchange in enumerate(exchanges):
        if length >= script.tokens:
            return used
        cast = _cast(exchange, script.people, chance)
        lines = [replace(said, author=cast[said.author], text=choose(said.text, cast, chance)) for said in exchange.lines]
        session = min(chance.sample(sessions, 3), key=_Session.lines)
        session.blocks.append(_Block(lines))
        length += _tokens(lines)
    return len(exchanges)


def _cast(exchange: Part, people: Sequence[str], chance: random.Random) -> dict[str, str]:
    """Return who says the lines of A, B and C; a name says its own."""
    roles = sorted({said.author for said in exchange.lines} - set(people))
    free = [person for person in people if person not in {said.author for said in exchange.lines}]
    cast = dict(zip(roles, chance.sample(free, len(roles)), strict=True))
    return cast | {person: person for person in people}


def _tokens(lines: Sequence[Said]) -> int:
    return sum(len(said.text) // 5 for said in lines)


def _said(
    sessions: Sequence[_Session], chance: random.Random
) -> tuple[list[Turn], dict[int, dict[str, Turn]]]:
    turns: list[Turn] = []
    labelled: dict[int, dict[str, Turn]] = {}
    for number, session in enumerate(sessions, 1):
        now = datetime.combine(session.day, time(session.hour, chance.randrange(60)), UTC)
        place = 0
        for block in session.blocks:
            for said in block.lines:
                place += 1
                now += timedelta(seconds=chance.randrange(8, 100))
                if said.text:
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
    script: Script, values: Sequence[Mapping[str, str]], turns: Sequence[Turn], labelled: Mapping[int, Mapping[str, Turn]]
) -> list[Question]:
    asked_at = turns[-1].at + timedelta(days=1)
    questions = []
    for number, scene in enumerate(script.scenes):
        found = labelled.get(number, {})
        days = {label: turn.at.date() for label, turn in found.items()}
        for asked in scene.questions:
            plain = random.Random(0)  # questions and answers leave no choice but the scene's
            text, answer = (
                date_in(choose(words, values[number], plain), None, days) if words else None
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
