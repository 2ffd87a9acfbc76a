"""What makes vectors of text: loaded by its address, so that the store needs to know none.

``cpu`` is a small model on this machine's processor (``memory.search.minilm``); other apps add theirs with
``register``; a dotted path names a class of your own. What follows a colon goes to the class: ``provider:a-model``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from django.utils.module_loading import import_string

from memory.conf import MemorySettings
from memory.models import EmbeddingModel
from memory.search import recent

log = structlog.get_logger("honcho.memory")

NOT_CONFIGURED = "No embeddings are configured."
NOT_MADE = "No embeddings have been made yet."
FAILED = "The query's embedding could not be made in time, so that only words were looked for."


@dataclass(frozen=True, slots=True)
class Vector:
    """A query as a model sees it; ``model`` is the id of the model's row."""

    model: int
    values: Sequence[float]


class Embedder(Protocol):
    """Makes vectors. ``name`` is the model's: vectors of one name can be compared. ``address`` loads it again."""

    name: str
    address: str

    def embed(self, texts: Sequence[str], *, seconds: float | None = None) -> list[list[float]]:
        """Return a vector for each text, all of one length, within ``seconds``; raises :class:`CannotEmbed`."""
        ...


class CannotEmbed(Exception):
    """There are no vectors now, or never of these texts (``for_good``). The message is safe to show."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


_paths = {"cpu": "memory.search.minilm.MiniLM"}
_loaded: dict[str, Embedder] = {}
_lock = threading.Lock()


def register(name: str, path: str) -> None:
    """Let an address mean the class at a dotted path."""
    _paths[name] = path


def load(address: str) -> Embedder:
    """Return the embedder of an address, one a process; raises :class:`CannotEmbed` where there is none."""
    with _lock:
        if address not in _loaded:
            model = address.partition(":")[2]
            try:
                made = _class_of(address)
                _loaded[address] = made(model) if model else made()
            except ImportError as error:
                raise CannotEmbed(f"HONCHO['EMBEDDER'] cannot be loaded: {error}") from error
        return _loaded[address]


def problem() -> str | None:
    """Return what is wrong with the embedder that the settings name, None for nothing. Its model is not loaded."""
    address: Any = MemorySettings.load().embedder
    if not isinstance(address, str):
        return "Set it to text."
    if address == "cpu":
        from memory.search import minilm

        return minilm.missing()
    try:
        if address:
            _class_of(address)
    except ImportError as error:
        return f"It cannot be loaded ({error}). Use {', '.join(sorted(_paths))}, or the dotted path of a class."
    return None


def forget() -> None:
    """Forget what was loaded, as where the settings change."""
    with _lock:
        _loaded.clear()
    recent.forget()


def _class_of(address: str) -> Any:
    name = address.partition(":")[0]
    return import_string(_paths.get(name, name))


def configured() -> Embedder | None:
    """Return the embedder that the settings name, None for none; raises :class:`CannotEmbed`."""
    address = MemorySettings.load().embedder
    return load(address) if address else None


def serving() -> EmbeddingModel | None:
    """Return the model whose vectors searches are answered with. One statement."""
    return EmbeddingModel.objects.exclude(serving_since=None).first()


def embed_query(text: str) -> Vector | None:
    """Return the vector of a query by the model that serves, or None where there is none or it fails.

    Call it outside any transaction: it may ask another server.
    """
    settings = MemorySettings.load()
    model = serving() if settings.embedder else None
    if model is None:
        return None
    try:
        [values] = load(model.embedder).embed([text], seconds=settings.embed_query_seconds)
    except CannotEmbed as error:
        log.warning("query_not_embedded", model=model.name, reason=str(error))
        return None
    return Vector(model.pk, values) if len(values) == model.dimensions else None


def why_none(model: EmbeddingModel | None) -> str:
    """Return why a query has no vector, in words for people."""
    if not MemorySettings.load().embedder:
        return NOT_CONFIGURED
    return NOT_MADE if model is None else FAILED
