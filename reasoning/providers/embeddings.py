"""Vectors for search by any server that speaks OpenAI's embeddings (``memory.search.embedders``).

Its pauses are kept like those of who reasons, under a name of its own, so that all workers keep them. Calls are not
charged to budgets: a vector costs some hundredth of what reading the same text does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import httpx

from memory.search.embedders import CannotEmbed
from reasoning import circuit
from reasoning.conf import ReasoningSettings
from reasoning.providers.base import Failure, ProviderError
from reasoning.providers.openai import DEFAULT_BASE_URL, checked_base_url, checked_key, failure

STATE = "embeddings"
"""The name under which the state of who makes vectors is kept."""

BATCH = 32
MOST_CHARACTERS = 6_000
"""So much of a text is sent: the models take 8,000 tokens, and in some scripts a character is one."""


class ProviderEmbedder:
    """Asks ``POST {base_url}/embeddings`` for vectors by ``model``, or else the one that the settings name."""

    def __init__(self, model: str = "") -> None:
        settings = ReasoningSettings.load()
        self._model = model or settings.embedding_model
        self.name = f"provider/{self._model}"
        self.address = f"provider:{self._model}"
        base_url = settings.embedding_base_url or settings.openai_base_url or DEFAULT_BASE_URL
        # The key of another address goes nowhere but there.
        key = settings.embedding_api_key if settings.embedding_base_url else settings.openai_api_key
        try:
            self._url = f"{checked_base_url(base_url)}/embeddings"
            self._key = checked_key(settings.embedding_api_key or key)
        except ValueError as error:
            raise CannotEmbed(f"The server of embeddings cannot be asked: {error}.") from None
        self._seconds = settings.model_timeout

    def embed(self, texts: Sequence[str], *, seconds: float | None = None) -> list[list[float]]:
        """Return a vector for each text; each request has at most ``seconds``. Raises :class:`CannotEmbed`."""
        if circuit.allowance(STATE).calls == 0:
            raise CannotEmbed("The provider of embeddings is paused.")
        found: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            try:
                found += self._asked([text[:MOST_CHARACTERS] for text in texts[start : start + BATCH]], seconds)
            except ProviderError as error:
                circuit.failed(STATE, error)
                raise CannotEmbed(str(error), for_good=error.failure is Failure.REFUSED) from None
        circuit.succeeded(STATE)
        return found

    def _asked(self, texts: list[str], seconds: float | None) -> list[list[float]]:
        try:
            response = httpx.post(
                self._url,
                json={"model": self._model, "input": texts, "encoding_format": "float"},
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=seconds or self._seconds,
            )
        except httpx.HTTPError as error:
            raise ProviderError(Failure.TRANSIENT, f"No answer from the provider ({type(error).__name__}).") from None
        if response.status_code != 200:
            headers = dict(response.headers)
            raise failure(response.status_code, headers, response.text, model=self._model, secret=self._key)
        return _read(response.text, len(texts))


def _read(body: str, expected: int) -> list[list[float]]:
    """Return the vectors of an answer in the order of the texts."""
    try:
        rows: list[dict[str, Any]] = sorted(json.loads(body)["data"], key=lambda row: row["index"])
        vectors = [[float(value) for value in row["embedding"]] for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProviderError(Failure.NONSENSE, "The provider's answer holds no embeddings.") from None
    if len(vectors) != expected or not all(vector and math.isfinite(sum(vector)) for vector in vectors):
        raise ProviderError(Failure.NONSENSE, "The provider's answer does not hold an embedding for each text.")
    return vectors
