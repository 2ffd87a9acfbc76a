"""mem0 (PyPI ``mem0ai``), as its documentation sets it up: its own prompts, and Qdrant in a local folder.

Its open-source version takes the present for the day on which things were said, so each turn begins with its day and
its instructions say so; they are the only ones added to its own. Without its extras ``nlp`` and ``extras`` it searches
by meaning alone.

It does not tell which turns a memory is of. Turns are given to it two at a time, as in its authors' own measurements,
and what it makes of them cites those two: whoever measures honours a citation only where the text bears it out.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Self

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Costs, Item, Memory, System, Unavailable
from benchmarks.recall.systems.models import DEFAULT, NEEDS
from benchmarks.recall.text import count_tokens

BATCH = 2
MOST = 200
"""Memories that are asked for."""

EMBEDDING = "text-embedding-3-small"
DIMENSIONS = 1536

DAYS = (
    "Each message begins with who said it and on which day. Count words such as yesterday or next month from that day, "
    "not from the observation date or the current date."
)


class Mem0(System):
    """The package in this process; its model and its embeddings come from one OpenAI-compatible server."""

    name = "mem0"
    needs = (
        f"pip install 'mem0ai[nlp,extras]'; {NEEDS}, mem0.embedding_model=… ({EMBEDDING}) and mem0.dimensions=… "
        f"({DIMENSIONS})"
    )

    def __enter__(self) -> Self:
        if not os.environ.get("OPENAI_API_KEY"):
            raise Unavailable(self.needs)
        self._folder = tempfile.TemporaryDirectory(prefix="honcho-recall-mem0-")
        # Read when the package is imported: where it keeps its own things, and that it tells nobody.
        os.environ |= {"MEM0_DIR": self._folder.name, "MEM0_TELEMETRY": "False"}
        try:
            self._package = importlib.import_module("mem0")
        except ImportError:
            self._folder.cleanup()
            raise Unavailable(self.needs) from None
        self.version = f"{importlib.metadata.version('mem0ai')}, {self.options.get('model', DEFAULT)}"
        return self

    def __exit__(self, *failure: object) -> None:
        self._folder.cleanup()

    def memory(self, conversation: str) -> Mem0Memory:
        """Return a memory on files of its own."""
        folder = tempfile.mkdtemp(dir=self._folder.name)
        spent = Spent()
        return Mem0Memory(self._package.Memory.from_config(self._configuration(folder, spent)), spent)

    def _configuration(self, folder: str, spent: Spent) -> dict[str, Any]:
        dimensions = int(self.options.get("dimensions", DIMENSIONS))
        embedding = {"model": self.options.get("embedding_model", EMBEDDING)}
        store = {"collection_name": "memories", "path": f"{folder}/qdrant", "embedding_model_dims": dimensions}
        model = {"model": self.options.get("model", DEFAULT), "temperature": 0.0, "response_callback": spent.count}
        return {
            "llm": {"provider": "openai", "config": model},
            "embedder": {"provider": "openai", "config": embedding},
            "vector_store": {"provider": "qdrant", "config": store},
            "custom_instructions": DAYS,
            "history_db_path": f"{folder}/history.db",
        }


class Spent:
    """What mem0's model was asked."""

    def __init__(self) -> None:
        self.calls = self.prompt = self.completion = 0

    def count(self, model: object, response: Any, asked: Mapping[str, Any]) -> None:
        """Count a call; mem0 calls it with each answer of the model."""
        self.calls += 1
        if response.usage is not None:
            self.prompt += response.usage.prompt_tokens
            self.completion += response.usage.completion_tokens


class Mem0Memory(Memory):
    """What mem0 keeps of a conversation, all under one user."""

    def __init__(self, memory: Any, spent: Spent) -> None:
        self._memory = memory
        self._spent = spent

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Add turns, each with its speaker and day in its text: it knows no other way to be told."""
        for batch in _batches(turns):
            first = batch[0]
            about = {"turns": [turn.id for turn in batch], "session": first.session, "day": f"{first.at:%Y-%m-%d}"}
            if first.project:
                about["project"] = first.project
            messages = [
                {"role": "user", "content": f"{turn.author} ({turn.at:%d %B %Y}): {turn.text}"} for turn in batch
            ]
            self._memory.add(messages, user_id="user", metadata=about)

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return the memories that it finds, each with the day on which it was told."""
        where = {"user_id": "user", **question.scope}
        found = self._memory.search(question.text, top_k=MOST, filters=where)
        return list(_fitting(found["results"], budget))

    def costs(self) -> Costs:
        """Return what its model was asked; embeddings are not counted."""
        return Costs(self._spent.calls, self._spent.prompt, self._spent.completion)

    def close(self) -> None:
        """Close its files."""
        self._memory.close()
        self._memory.vector_store.client.close()


def _batches(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    for _, together in groupby(turns, key=lambda turn: (turn.session, turn.project)):
        while batch := list(islice(together, BATCH)):
            yield batch


def _fitting(found: Sequence[Mapping[str, Any]], budget: int) -> Iterator[Item]:
    for memory in found:
        if budget <= 0:
            return
        text = f"{memory['memory']} ({memory['metadata']['day']})"
        budget -= count_tokens(text)
        yield Item(text, tuple(memory["metadata"]["turns"]))
