"""What the tests of search share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from memory import search
from memory.search import embeddings, index
from memory.search.embedders import CannotEmbed
from tests.loopback.vectors import vector


def index_everything() -> None:
    """Index all that there is."""
    while index.work():
        pass


def texts(found: search.Found | search.Recalled) -> list[str]:
    """What was found, in words."""
    return [item.text for item in found.items]


def find(query: str, user: str | None = "ana", app: str = "harbour", **options: Any) -> list[str]:
    """What a user's memory has for a query."""
    filters = search.Filters(**{key: options.pop(key) for key in list(options) if key in _FILTERS})
    return texts(search.find(search.scope(app, user), query, filters=filters, **options))


_FILTERS: Sequence[str] = search.Filters.__slots__


class Words:
    """An embedder that needs nothing: texts with like words have like vectors. What is after the colon is its name."""

    asked: ClassVar[list[Sequence[str]]] = []
    refuses: ClassVar[str | None] = None
    fails: ClassVar[bool] = False

    def __init__(self, model: str = "words-64") -> None:
        self.name, self.address = f"words/{model}", f"tests.search.helpers.Words:{model}"

    def embed(self, texts: Sequence[str], *, seconds: float | None = None) -> list[list[float]]:
        """Return a vector for each text."""
        if self.fails:
            raise CannotEmbed("The server is away.")
        if self.refuses is not None and self.refuses in texts:
            raise CannotEmbed("It is refused.", for_good=True)
        self.asked.append(texts)
        return [vector(text, int(self.name.rpartition("-")[2]), self.name) for text in texts]


WORDS = {"EMBEDDER": "tests.search.helpers.Words:words-64"}
OTHER_WORDS = {"EMBEDDER": "tests.search.helpers.Words:others-96"}


def embed_everything() -> None:
    """Index all that there is, and make all vectors."""
    index_everything()
    while embeddings.work(10):
        pass
