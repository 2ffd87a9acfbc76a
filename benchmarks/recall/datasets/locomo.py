"""LoCoMo: ten long conversations of two friends each, with questions (Maharana et al., 2024).

The licence (CC BY-NC 4.0) keeps it out of this repository, and its text out of results. Get ``data/locomo10.json`` from
https://github.com/snap-research/locomo and give its path: ``--data locomo=/path/locomo10.json``, or that of a file with
some of its conversations. Many of its answers cite wrong turns; ``--corrections PATH`` gives a file of corrections.

A turn is what was said, with the caption of a picture that was shared. Questions of category 5 ask for what was never
said; they are left out, and so are those whose evidence is no turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.recall.conversations import Conversation, DataSet, Question, Turn
from benchmarks.recall.datasets import CannotRead
from benchmarks.recall.datasets.files import read_json, version

WHERE = "Get data/locomo10.json from https://github.com/snap-research/locomo and give --data locomo=/path/locomo10.json"
FILES = {
    "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4": "locomo10.json",
    "0517c644ba3c08080c9b652359feac268ea89675913455ad58622bef3911cbcb": "dev (conversations 26, 30, 41, 42)",
}
CORRECTIONS = {
    "17b72c6c8d2a09a61c582f1f93f1505c8ab387ec667196b51e692d9642e7c837": "corrections of 26, 30, 41, 42",
}
CATEGORIES = {1: "multi", 2: "temporal", 3: "open", 4: "single"}

_TURN = re.compile(r"D\d+:\d+")
_SESSION = re.compile(r"session_(\d+)")


def load(path: Path | None, corrections: Path | None = None) -> DataSet:
    """Return the conversations of a file. Raises CannotRead."""
    if path is None:
        raise CannotRead(f"LoCoMo does not come with this suite. {WHERE}")
    found, name = read_json(path), version(path, FILES)
    mended: dict[tuple[str, str], Mapping[str, Any]] = {}
    if corrections is not None:
        mended = {(row["sample_id"], row["question"]): row for row in read_json(corrections)}
        name = f"{name}; {version(corrections, CORRECTIONS)}"
    try:
        return DataSet("locomo", name, tuple(_conversation(sample, mended) for sample in found))
    except (KeyError, TypeError, ValueError) as error:
        raise CannotRead(f"{path} is not LoCoMo's format ({error!r}). {WHERE}") from error


def _conversation(sample: Mapping[str, Any], mended: Mapping[tuple[str, str], Mapping[str, Any]]) -> Conversation:
    turns = tuple(_turns(sample["conversation"]))
    known = {turn.id for turn in turns}
    asked = turns[-1].at + timedelta(days=1)
    questions = []
    for number, row in enumerate(sample["qa"]):
        if row["category"] not in CATEGORIES:
            continue
        question = _question(row, number, asked, mended.get((sample["sample_id"], row["question"])))
        gold = tuple(turn for turn in question.gold if turn in known)
        if gold:
            questions.append(replace(question, gold=gold))
    return Conversation(sample["sample_id"], turns, tuple(questions))


def _turns(conversation: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turns, a minute apart from the time at which their session began."""
    sessions = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    for session in sessions:
        began = datetime.strptime(conversation[f"session_{session}_date_time"] + " +0000", "%I:%M %p on %d %B, %Y %z")
        for number, row in enumerate(conversation[f"session_{session}"]):
            caption = row.get("blip_caption")
            yield Turn(
                id=row["dia_id"],
                session=str(session),
                author=row["speaker"],
                text=f"{row['text']} [shares {caption}]" if caption else row["text"],
                at=began + timedelta(minutes=number),
            )


def _question(row: Mapping[str, Any], number: int, asked: datetime, mended: Mapping[str, Any] | None) -> Question:
    answer, evidence = row["answer"], row["evidence"]
    if mended is not None:
        answer, evidence = mended["correct_answer"], mended["correct_evidence"]
    return Question(
        id=f"q{number}",
        text=row["question"],
        answer=str(answer),
        gold=_ids(evidence),
        category=CATEGORIES[row["category"]],
        asked_at=asked,
    )


def _ids(evidence: Sequence[str]) -> tuple[str, ...]:
    """Return the turns that are named: some entries name two, and some none."""
    return tuple(dict.fromkeys(turn for entry in evidence for turn in _TURN.findall(entry)))
