"""A generating model behind any OpenAI-compatible server, and what it was asked."""

from __future__ import annotations

import os
from collections.abc import Mapping

import openai

from benchmarks.recall.systems.base import Costs, Unavailable

DEFAULT = "gpt-4o-mini"
NEEDS = (
    "OPENAI_API_KEY in the environment (any text where the server wants none), OPENAI_BASE_URL of a server other than "
    f"OpenAI's; --option NAME.model=… ({DEFAULT})"
)
SECONDS = 180.0


class Model:
    """Answers prompts, always as alike as it can, and counts calls and tokens."""

    def __init__(self, name: str, key: str, base_url: str | None = None) -> None:
        self.name = name
        self._client = openai.OpenAI(api_key=key, base_url=base_url, timeout=SECONDS)
        self._calls = self._prompt = self._completion = 0

    @classmethod
    def given(cls, options: Mapping[str, str]) -> Model:
        """Return the model that options and environment name. Raises Unavailable where there is none."""
        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise Unavailable(NEEDS)
        return cls(options.get("model", DEFAULT), key, os.environ.get("OPENAI_BASE_URL") or None)

    def ask(self, system: str, user: str, *, as_json: bool = False) -> str:
        """Return the model's text. Raises openai.OpenAIError where the server gives none.

        Where it does not know ``json_object``, it is asked without.
        """
        try:
            return self._ask(system, user, {"type": "json_object"} if as_json else None)
        except openai.BadRequestError:
            if not as_json:
                raise
            return self._ask(system, user, None)

    def costs(self) -> Costs:
        """Return what was asked so far."""
        return Costs(self._calls, self._prompt, self._completion)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, system: str, user: str, response_format: Mapping[str, str] | None) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        answer = self._client.chat.completions.create(
            model=self.name,
            messages=messages,
            temperature=0,
            response_format=response_format or openai.omit,
        )
        self._calls += 1
        if answer.usage is not None:
            self._prompt += answer.usage.prompt_tokens
            self._completion += answer.usage.completion_tokens
        return answer.choices[0].message.content or ""
