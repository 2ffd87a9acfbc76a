"""Many requests in one file, answered within a day at a lower price: OpenAI's files and batches.

A request's body, and what its answer is taken for, are those of a single call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from reasoning.prompts.messages import build_messages
from reasoning.providers.base import Completion, Failure, ProviderError, Request, Usage
from reasoning.providers.openai import (
    OpenAIProvider,
    check_parameters,
    error_code,
    failure,
    hidden_status,
    loaded_object,
    new_client,
    payload,
    read_reply,
    read_usage,
    received,
)

T = TypeVar("T")

ENDPOINT = "/v1/chat/completions"
NAME = "honcho_batch"
"""The key of a batch's metadata under which our name for it stands."""

TRANSFER_SECONDS = 300.0
"""The longest that it takes to send a batch, to find one, or to fetch its answers."""

QUEUE_FULL = "token_limit_exceeded"
"""The code of a batch that failed because it has more tokens than the account's queue has room for."""

_PAGE = 100
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class Missing(ProviderError):
    """The server does not know a batch or a file of one, or knows nothing of batches."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider tells of it. ``codes`` say why it failed."""

    id: str
    status: str
    input_file: str
    answer_files: tuple[str, ...]
    codes: tuple[str, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Line:
    """What the provider says to one request: an HTTP status and its body; status 0 where it was not asked, and why."""

    status: int
    body: str

    @property
    def usage(self) -> Usage:
        """What the answer took."""
        return read_usage(loaded_object(self.body).get("usage"))


class OpenAIBatches(OpenAIProvider):
    """A provider that answers many requests together. The server can be asked within ``with`` and outside event loops.

    The methods that ask it end within a bounded time. They raise :class:`ProviderError`, whose ``usage`` is None where
    nobody knows whether what was asked for was done.
    """

    _sdk: Any = None

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        with self._runner:
            if self._sdk is not None:
                self._runner.run(self._sdk.close())
                self._sdk = None

    def line(self, custom_id: str, request: Request) -> bytes:
        """Return what asks ``request`` in a batch's file. Raises :class:`ProviderError`."""
        if problems := check_parameters(request.parameters):
            raise ProviderError(Failure.REFUSED, " ".join(problems))
        body = payload(request, build_messages(request), self._manner(request.model))
        asked = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}
        return json.dumps(asked).encode() + b"\n"

    def send(self, lines: Iterable[bytes], name: str) -> str:
        """Send a batch of these lines under our ``name``; return the provider's id of it.

        Raises :class:`Missing` where the server takes no batches.
        """
        file = ("passes.jsonl", b"".join(lines), "application/jsonl")

        async def sending(client: Any) -> str:
            try:
                uploaded = _id(await self._object(client.files.with_raw_response.create(file=file, purpose="batch")))
            except ProviderError as error:
                error.usage = Usage()  # whatever became of the file, there is no batch
                raise
            call = client.batches.with_raw_response.create(
                input_file_id=uploaded, endpoint=ENDPOINT, completion_window="24h", metadata={NAME: name}
            )
            try:
                return _id(await self._object(call))
            except ProviderError as error:
                if error.usage is not None:
                    await self._delete(client, [uploaded])
                raise

        return self._run(sending, TRANSFER_SECONDS)

    def find(self, name: str) -> RemoteBatch | None:
        """Return the batch that was sent under our ``name``; None where there is none."""

        async def finding(client: Any) -> RemoteBatch | None:
            after: dict[str, str] = {}
            while True:
                page = await self._object(client.batches.with_raw_response.list(limit=_PAGE, **after))
                rows = page.get("data") or []
                for row in rows:
                    if (row.get("metadata") or {}).get(NAME) == name:
                        return self._batch(row)
                if not rows or not page.get("has_more"):
                    return None
                after = {"after": _id(rows[-1])}

        return self._run(finding, TRANSFER_SECONDS)

    def retrieve(self, remote_id: str) -> RemoteBatch:
        """Return how a batch is. Raises :class:`Missing`."""

        async def retrieving(client: Any) -> RemoteBatch:
            return self._batch(await self._object(client.batches.with_raw_response.retrieve(remote_id)))

        return self._run(retrieving, self.timeout)

    def cancel(self, remote_id: str) -> None:
        """Let a batch end early; what was answered before can be read then."""

        async def cancelling(client: Any) -> None:
            await self._text(client.batches.with_raw_response.cancel(remote_id))

        self._run(cancelling, self.timeout)

    def answers(self, batch: RemoteBatch) -> dict[str, Line]:
        """Return what an ended batch says to its requests, by their ids; what is no answer to one is left out.

        Raises :class:`Missing`.
        """

        async def fetching(client: Any) -> dict[str, Line]:
            found: dict[str, Line] = {}
            for file in batch.answer_files:
                text = await self._text(client.files.with_raw_response.content(file))
                found |= dict(line for line in map(self._line, text.split("\n")) if line is not None)
            return found

        return self._run(fetching, TRANSFER_SECONDS)

    def read(self, request: Request, line: Line) -> Completion:
        """Return the answer to ``request`` that a line holds. Raises :class:`ProviderError`."""
        if not line.status:
            raise ProviderError(Failure.TRANSIENT, f"The batch ended without an answer to it ({line.body}).")
        status = hidden_status(line.status, line.body)
        if status != 200:
            raise failure(status, {}, line.body, model=request.model, secret=self._api_key)
        return self._completion(request, read_reply(line.body, request.model, Usage()), Usage())

    def forget(self, batch: RemoteBatch) -> None:
        """Delete a batch's files, which hold what was said, as far as the server lets us."""

        async def forgetting(client: Any) -> None:
            await self._delete(client, [batch.input_file, *batch.answer_files])

        self._run(forgetting, self.timeout)

    def _run(self, act: Callable[[Any], Awaitable[T]], seconds: float) -> T:
        """Do something with the SDK's client, within so many seconds."""

        async def running() -> T:
            if self._sdk is None:  # it costs a tenth of a second
                self._sdk = new_client(self._api_key, self.base_url, TRANSFER_SECONDS)
            async with asyncio.timeout(seconds):
                return await act(self._sdk)

        try:
            return self._runner.run(running())
        except TimeoutError:
            pass  # outside the handler, so that no traceback carries what was sent
        raise ProviderError(Failure.TRANSIENT, f"The server took more than {seconds:g} seconds.", usage=None)

    async def _object(self, call: Awaitable[Any]) -> dict[str, Any]:
        """The JSON object that a call gives."""
        return loaded_object(await self._text(call))

    async def _text(self, call: Awaitable[Any]) -> str:
        """The body that a call gives."""
        status, headers, body = await received(call)
        if 200 <= status <= 299:
            return body
        if status in {404, 405, 501}:
            raise Missing(Failure.QUOTA, f"The server does not know what it was asked for (HTTP {status}).")
        error = failure(status, headers, body, model="of the batch", secret=self._api_key)
        if error.failure is Failure.TRANSIENT:
            error.usage = None  # it may have been done all the same
        raise error

    async def _delete(self, client: Any, files: Sequence[str]) -> None:
        with contextlib.suppress(ProviderError):
            for file in filter(None, files):
                await received(client.files.with_raw_response.delete(file))

    def _batch(self, row: dict[str, Any]) -> RemoteBatch:
        errors = (row.get("errors") or {}).get("data") or []
        return RemoteBatch(
            id=_id(row),
            status=str(row.get("status")),
            input_file=row.get("input_file_id") or "",
            answer_files=tuple(row[key] for key in ("output_file_id", "error_file_id") if row.get(key)),
            codes=tuple(filter(None, (self._code(error) for error in errors))),
        )

    def _line(self, text: str) -> tuple[str, Line] | None:
        row = loaded_object(text)
        name, response = row.get("custom_id"), row.get("response")
        if not isinstance(name, str):
            return None
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            return name, Line(response["status_code"], json.dumps(response.get("body")))
        return name, Line(0, self._code(row.get("error")) or "no reason is given")

    def _code(self, error: Any) -> str:
        """The code of an error, where that is a plain word: the server's own words may repeat what was said."""
        return error_code(json.dumps({"code": error.get("code")}), self._api_key) if isinstance(error, dict) else ""


def _id(row: dict[str, Any]) -> str:
    """The id of what was made. Raises :class:`ProviderError`: without one nobody knows whether it was."""
    found = row.get("id")
    if not isinstance(found, str) or not found:
        raise ProviderError(Failure.NONSENSE, "The server's reply names no id.", usage=None)
    return found
