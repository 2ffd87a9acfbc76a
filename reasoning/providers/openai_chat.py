"""Plain text from a server that speaks OpenAI's chat completions, whole or piece by piece as it is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

from memory import tokens
from reasoning.providers.base import OUTPUT_LIMITS, Chat, Failure, ProviderError, Said, Usage
from reasoning.providers.openai import (
    CONNECT_TIMEOUT,
    OVERHEAD_TOKENS,
    Manner,
    Mode,
    OpenAIProvider,
    accommodate,
    complaint,
    connection_failure,
    failure,
    hidden_status,
    loaded_object,
    reached,
    read_reply,
    read_usage,
)

_TEXT: tuple[Mode, ...] = ("text",)


class OpenAIChat(OpenAIProvider):
    """A provider that also says something to a :class:`~reasoning.providers.base.Chat`."""

    def expected(self, chat: Chat) -> Usage:
        """Return the most that a call is expected to take: what is sent, in o200k tokens, and the answer's limit."""
        limits = [chat.parameters.get(name) for name in OUTPUT_LIMITS]
        limit = next((value for value in limits if isinstance(value, int) and value > 0), self.output_tokens)
        return Usage(sum(tokens.count_each([item["content"] for item in chat.messages])) + OVERHEAD_TOKENS, limit)

    async def talk(self, chat: Chat, *, stream: bool) -> AsyncGenerator[str | Said, None]:
        """Yield the text, in pieces where it is to ``stream``, and at last a ``Said``; close it to end the call.

        Raises ``ProviderError``, also after pieces. Whoever iterates bounds the time; ``chat.timeout`` bounds silence.
        """
        manner = replace(self._manner(chat.model), mode="text", proven=False)
        asked_for_usage = stream
        while True:
            response = await self._reach(chat, manner, stream=stream, usage=asked_for_usage)
            try:
                if response.status_code == 200 and "text/event-stream" in response.headers.get("content-type", ""):
                    lines = _lines(response)
                    first = await _first(lines)
                    if first is None and stream:  # some servers can say what is wrong in a whole reply alone
                        stream = asked_for_usage = False
                        continue
                    async for piece in _pieces(first or "", lines, chat.model, self._api_key):
                        yield piece
                    return
                status, body = response.status_code, "".join([text async for text in _texts(response)])
            finally:
                await response.aclose()
            status = hidden_status(status, body)
            if status == 200:
                reply = read_reply(body, chat.model, Usage())
                yield reply.text
                yield Said(reply.model, reply.usage)
                return
            if asked_for_usage and status in {400, 422} and "stream_options" in complaint(body):
                asked_for_usage = False
                continue
            lesser = accommodate(manner, _TEXT, status, body, chat.parameters)
            if lesser is None:
                raise failure(status, response.headers, body, model=chat.model, secret=self._api_key)
            manner = lesser

    async def _reach(self, chat: Chat, manner: Manner, *, stream: bool, usage: bool) -> Any:
        """One HTTP request: the response, its body not read yet. Raises ``ProviderError`` where there is none."""
        import httpx2

        body = {name: value for name, value in chat.parameters.items() if value is not None}
        if "max_output_tokens" in body:
            body[manner.limit_parameter] = body.pop("max_output_tokens")
        if stream:
            body["stream"] = True
        if usage:
            body["stream_options"] = {"include_usage": True}
        seconds = min(self.timeout, chat.timeout)
        call = self._client().chat.completions.with_streaming_response.create(
            model=chat.model,
            messages=list(chat.messages),
            extra_body=body,
            timeout=httpx2.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds)),
        )
        return await reached(call.__aenter__())


async def _texts(response: Any) -> AsyncIterator[str]:
    """The text of a response as it comes. Raises ``ProviderError`` where it breaks off."""
    import httpx2

    try:
        async for text in response.aiter_text():
            yield text
    except httpx2.RequestError as error:
        raise connection_failure(error) from None


async def _lines(response: Any) -> AsyncIterator[str]:
    """The lines of a response. Only a line feed ends one: JSON may hold what else Unicode takes for a line's end."""
    left = ""
    async for text in _texts(response):
        *lines, left = (left + text).split("\n")
        for line in lines:
            yield line
    yield left


async def _all(first: str, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in lines:
        yield line


async def _first(lines: AsyncIterator[str]) -> str | None:
    """The first line that says something; ``None`` where none does."""
    async for line in lines:
        if line.startswith("data:"):
            return line
    return None


async def _pieces(first: str, lines: AsyncIterator[str], model: str, secret: str) -> AsyncGenerator[str | Said, None]:
    """What the events of a stream say, from its first line on."""
    usage: Usage | None = None
    ended = False
    async for line in _all(first, lines):
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            break
        chunk = loaded_object(data)
        if chunk.get("error"):
            raise failure(hidden_status(200, data), {}, data, model=model, secret=secret)
        named = chunk.get("model")
        model = named[:200] if isinstance(named, str) and named else model
        usage = read_usage(chunk["usage"]) if isinstance(chunk.get("usage"), dict) else usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        if isinstance(delta, dict):
            if delta.get("refusal"):
                raise ProviderError(Failure.REFUSED, "The model declined to answer.", usage=usage)
            if isinstance(delta.get("content"), str) and delta["content"]:
                yield delta["content"]
        finish = choice.get("finish_reason")
        if finish == "content_filter":
            raise ProviderError(Failure.REFUSED, "A content filter declined to answer.", usage=usage)
        if finish in {"length", "max_tokens"}:
            raise ProviderError(Failure.NONSENSE, "The answer was cut off: raise max_output_tokens.", usage=usage)
        ended = ended or isinstance(finish, str)
    else:
        if not ended:
            raise ProviderError(Failure.TRANSIENT, "The answer broke off.", usage=usage)
    yield Said(model, usage)
