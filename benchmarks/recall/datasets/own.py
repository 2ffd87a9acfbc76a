"""Our own data set: see README.md beside this. A file for each conversation, a turn or a question on a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.recall.conversations import Conversation, DataSet, Question, Turn
from benchmarks.recall.datasets import CannotRead
from benchmarks.recall.datasets.files import sha256

WHERE = "Comes with this suite."
FOLDER = Path(__file__).parent / "own"


def load(path: Path | None = None) -> DataSet:
    """Return the data set of a folder, by default the one that ships with this suite. Raises CannotRead."""
    folder = path or FOLDER
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise CannotRead(f"There are no *.jsonl in {folder}. python -m benchmarks.recall.datasets.generate makes them.")
    try:
        conversations = tuple(_conversation(file) for file in files)
    except (KeyError, TypeError, ValueError) as error:
        raise CannotRead(f"{folder} is not in the format of our own data set ({error!r}).") from error
    return DataSet("own", f"sha256:{sha256(*files)[:16]}", conversations)


def written(conversation: Conversation) -> str:
    """Return a conversation as ``load`` reads it."""
    rows = [_turn_row(turn) for turn in conversation.turns]
    rows += [_question_row(question) for question in conversation.questions]
    return "".join(f"{json.dumps(_known(row), ensure_ascii=False)}\n" for row in rows)


def _conversation(file: Path) -> Conversation:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    turns = tuple(_turn(row) for row in rows if "question" not in row)
    questions = tuple(_question(row) for row in rows if "question" in row)
    return Conversation(file.stem, turns, questions)


def _turn_row(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "at": turn.at.isoformat(),
        "author": turn.author,
        "text": turn.text,
        "kind": turn.kind if turn.kind != "message" else None,
        "project": turn.project,
        "data": turn.data,
    }


def _turn(row: Mapping[str, Any]) -> Turn:
    return Turn(
        id=row["id"],
        session=row["id"].split(":")[0],
        author=row["author"],
        text=row["text"],
        at=datetime.fromisoformat(row["at"]),
        kind=row.get("kind", "message"),
        project=row.get("project"),
        data=row.get("data"),
    )


def _question_row(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "question": question.text,
        "answer": question.answer,
        "gold": question.gold,
        "stale": question.stale or None,
        "category": question.category,
        "asked_at": question.asked_at.isoformat() if question.asked_at else None,
        "scope": question.scope or None,
    }


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        id=row["id"],
        text=row["question"],
        answer=row.get("answer"),
        gold=tuple(row["gold"]),
        stale=tuple(row.get("stale", ())),
        category=row["category"],
        asked_at=datetime.fromisoformat(row["asked_at"]),
        scope=row.get("scope", {}),
    )


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
