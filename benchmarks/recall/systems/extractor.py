"""What most memory systems do: a model turns each batch of turns into facts, and the facts that fit are found.

The model names the turns under each fact; those are the fact's sources. Nothing is merged and nothing is taken back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Self

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Costs, Item, Memory, System
from benchmarks.recall.systems.dense import Dense, OnTheProcessor
from benchmarks.recall.systems.lexical import BM25
from benchmarks.recall.systems.models import NEEDS, Model
from benchmarks.recall.systems.turns import Turns, within
from benchmarks.recall.text import count_tokens

BATCH = 20
"""Turns of one session that a call is given."""

TRIES = 2
"""So often a batch is asked about until the answer can be read; then it has no facts."""

PROMPT = """\
You keep the memory of a conversation. Write down each fact worth remembering that the turns below tell: who did what, \
has what, likes what, plans what, when and where. One sentence a fact, which can be understood alone: names instead of \
pronouns, days instead of "yesterday". Leave out greetings and small talk, and add nothing that is not said.

Answer with JSON alone: {"facts": [{"text": "...", "turns": [1, 2]}]}, where "turns" are the numbers of the turns that \
tell the fact."""


class Extractor(System):
    """Facts by a model, ranked by BM25."""

    name = "extractor"
    needs = NEEDS

    def __enter__(self) -> Self:
        self._model = Model.given(self.options)
        self.version = f"1, {self._model.name}"
        return self

    def __exit__(self, *failure: object) -> None:
        self._model.close()

    def memory(self, conversation: str) -> Facts:
        """Return an empty memory."""
        return Facts(Model.given(self.options), self.ranking)

    def ranking(self) -> Turns:
        """Return what ranks facts."""
        return BM25()


class DenseExtractor(Extractor):
    """Facts by a model, ranked by the small embedding model on the CPU."""

    name = "extractor-dense"
    needs = f"{NEEDS}; {OnTheProcessor.needs}"

    def __enter__(self) -> Self:
        self._embedding = OnTheProcessor("", Dense, {}).__enter__()
        return super().__enter__()

    def ranking(self) -> Turns:
        """Return what ranks facts."""
        return Dense(self._embedding.model)


class Facts(Memory):
    """The facts of a conversation, each kept as a turn that nobody said."""

    def __init__(self, model: Model, ranking: Callable[[], Turns]) -> None:
        self._model = model
        self._ranking = ranking()
        self._sources: list[tuple[str, ...]] = []

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Ask the model about each batch."""
        for batch in _batches(turns):
            for text, numbers in self._extracted(batch):
                first = batch[numbers[0] - 1]
                fact = Turn(str(len(self._sources)), first.session, "", text, first.at, project=first.project)
                self._ranking.ingest([fact])
                self._sources.append(tuple(batch[number - 1].id for number in numbers))

    def settle(self) -> None:
        """Rank what there is."""
        self._ranking.settle()

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return the facts that fit best."""
        items, left = [], budget
        for place in self._ranking.ranked(question):
            fact = self._ranking.turns[place]
            if left <= 0:
                break
            if within(fact, question.scope):
                items.append(Item(fact.text, self._sources[place]))
                left -= count_tokens(fact.text)
        return items

    def costs(self) -> Costs:
        """Return what the model was asked."""
        return self._model.costs()

    def close(self) -> None:
        """Close the model's connections."""
        self._model.close()

    def _extracted(self, batch: Sequence[Turn]) -> list[tuple[str, list[int]]]:
        shown = "\n".join(f"[{number}] {_shown(turn)}" for number, turn in enumerate(batch, start=1))
        for _ in range(TRIES):
            try:
                return list(_read(self._model.ask(PROMPT, shown, as_json=True), len(batch)))
            except (ValueError, KeyError, TypeError):
                continue
        return []


def _batches(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    for _, together in groupby(turns, key=lambda turn: turn.session):
        while batch := list(islice(together, BATCH)):
            yield batch


def _shown(turn: Turn) -> str:
    told = f"{turn.text} {json.dumps(turn.data)}" if turn.data else turn.text
    return f"{turn.at:%A %d %B %Y}, {turn.author}: {told}"


def _read(answer: str, most: int) -> Iterator[tuple[str, list[int]]]:
    """Yield each fact with the turns it names; one that names none of those that were shown is left out."""
    found: Mapping[str, Any] = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])
    for fact in found["facts"]:
        numbers = [number for number in fact["turns"] if isinstance(number, int) and 1 <= number <= most]
        if numbers and fact["text"].strip():
            yield fact["text"].strip(), numbers
