"""BEAM: long chats of a user with an assistant, and ten kinds of questions (Tavakoli et al., 2025).

Get https://github.com/mohammadtavakoli78/BEAM and give one size of chats: ``--data beam=/path/BEAM/chats/100K``. The
folder has one folder a chat, with ``chat.json`` and ``probing_questions/probing_questions.json`` in it.

The messages are far longer than a budget, so turns are smaller: what the user wrote is cut between sentences into
pieces of at most 120 words, of what the assistant wrote the first 80 words are kept. Gold is every piece of the
messages that a question names. Left out are questions for a summary, those that name no message, and those that name an
id that two messages have.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.recall.conversations import Conversation, DataSet, Question, Turn
from benchmarks.recall.datasets import CannotRead
from benchmarks.recall.datasets.files import read_json, sha256

WHERE = "Get https://github.com/mohammadtavakoli78/BEAM and give --data beam=/path/BEAM/chats/100K"
USER_WORDS, ASSISTANT_WORDS = 120, 80
LEFT_OUT = "summarization"
ANSWERS = ("answer", "ideal_answer", "ideal_response", "expected_compliance")
"""What the answer is called differs by kind of question."""

_MARK = re.compile(r"\s*->->\s*[\d,\s]+$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""For chats that say no date before their first message."""


def load(path: Path | None) -> DataSet:
    """Return the chats in a folder. Raises CannotRead."""
    if path is None:
        raise CannotRead(f"BEAM does not come with this suite. {WHERE}")
    files = [
        (chat, chat.parent / "probing_questions" / "probing_questions.json")
        for chat in sorted(path.glob("*/chat.json"), key=lambda chat: (len(chat.parent.name), chat.parent.name))
    ]
    if not files:
        raise CannotRead(f"There is no chat.json in the folders of {path}. {WHERE}")
    version = f"{path.name}, sha256:{sha256(*chain.from_iterable(files))[:16]}"
    try:
        return DataSet("beam", version, tuple(_conversation(chat, questions) for chat, questions in files))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CannotRead(f"{path} is not BEAM's format ({error!r}). {WHERE}") from error


def _conversation(chat: Path, questions: Path) -> Conversation:
    messages = list(_messages(read_json(chat)))
    turns, pieces = _turns(messages)
    ambiguous = {number for number, count in Counter(message["id"] for _, message in messages).items() if count > 1}
    asked = turns[-1].at + timedelta(days=1)
    found = [
        question
        for kind, rows in read_json(questions).items()
        if kind != LEFT_OUT
        for number, row in enumerate(rows)
        if (question := _question(kind, number, row, pieces, ambiguous, asked)) is not None
    ]
    return Conversation(chat.parent.name, turns, tuple(found))


def _messages(chat: Any, session: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the messages of a chat, each with its session: a batch. The longest chats have plans around batches."""
    if isinstance(chat, Mapping):
        if "role" in chat:
            yield session, chat
        else:
            inner = f"{session}{chat.get('batch_number', '')}"
            for key, value in chat.items():
                yield from _messages(value, f"{inner}{key}/" if key.startswith("plan-") else inner)
    elif isinstance(chat, Sequence) and not isinstance(chat, str):
        for value in chat:
            yield from _messages(value, session)


def _turns(messages: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[tuple[Turn, ...], Mapping[int, list[str]]]:
    """Return the turns, and which of them a message has become."""
    turns: list[Turn] = []
    pieces: dict[int, list[str]] = defaultdict(list)
    at = _EPOCH
    for place, (session, message) in enumerate(messages):
        at = max(at + timedelta(minutes=1), _date(message.get("time_anchor")) or at)
        for number, text in enumerate(_texts(message)):
            turns.append(Turn(f"{place}.{number}", session, message["role"], text, at))
            pieces[message["id"]].append(turns[-1].id)
    return tuple(turns), pieces


def _texts(message: Mapping[str, Any]) -> list[str]:
    text = _MARK.sub("", message["content"]).strip()
    if message["role"] != "user":
        return [" ".join(text.split()[:ASSISTANT_WORDS])]
    return list(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of at most 120 words, cut between sentences where they are not longer."""
    piece: list[str] = []
    for sentence in _SENTENCE.split(text):
        words = sentence.split()
        if piece and len(piece) + len(words) > USER_WORDS:
            yield " ".join(piece)
            piece = []
        piece += words
        while len(piece) > USER_WORDS:
            yield " ".join(piece[:USER_WORDS])
            piece = piece[USER_WORDS:]
    if piece:
        yield " ".join(piece)


def _question(
    kind: str,
    number: int,
    row: Mapping[str, Any],
    pieces: Mapping[int, list[str]],
    ambiguous: set[int],
    asked: datetime,
) -> Question | None:
    named = list(dict.fromkeys(_ids(row.get("source_chat_ids"))))
    gold = tuple(piece for each in named for piece in pieces.get(each, ()))
    if not gold or ambiguous & set(named):
        return None
    answer = next((str(row[key]) for key in ANSWERS if row.get(key)), None)
    return Question(f"{kind}-{number}", row["question"], answer, gold, category=kind, asked_at=asked)


def _ids(named: Any) -> Iterator[int]:
    """Yield the ids of messages in a list, or in the lists of a mapping."""
    if isinstance(named, int):
        yield named
    elif isinstance(named, Mapping):
        yield from _ids(list(named.values()))
    elif isinstance(named, Sequence) and not isinstance(named, str):
        for each in named:
            yield from _ids(each)


def _date(anchor: str | None) -> datetime | None:
    """Return a date such as ``March-15-2024``; None where there is none, or another kind of one."""
    try:
        return datetime.strptime(f"{anchor} +0000", "%B-%d-%Y %z")
    except ValueError:
        return None
