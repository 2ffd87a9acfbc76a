"""Asking a model for one answer: who is asked, that it can be paid for, and what it took.

No database connection is held while the model thinks. Each call is charged to its budgets before it is made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self
from uuid import UUID

from django.db import transaction

from memory import clock, slots, tokens
from memory.errors import Refusal
from reasoning import circuit, metrics, providers, spending
from reasoning.answering.prompt import Message
from reasoning.chain import ProviderFailed, available
from reasoning.conf import ReasoningSettings
from reasoning.providers.base import OUTPUT_LIMITS, Chat, Failure, ProviderError, Said, Step, Usage
from reasoning.providers.openai_chat import OpenAIChat

BEAT_SECONDS = 5.0
"""After so long without a word, an empty piece says that the model still thinks: whoever passes it on learns whether
anybody still listens."""


class NoModel(Exception):
    """The next in the chain is the built-in reasoner, which answers without words of its own."""


class CannotPay(Refusal):
    """A budget has no room for the call, or a price is missing.

    ``until`` is when it may be asked for again, None where somebody must act.
    """

    def __init__(self, error: spending.CannotAfford) -> None:
        super().__init__(str(error))
        self.code = error.failure.value
        self.until: datetime | None = error.until


@dataclass(slots=True)
class Bill:
    """What an answer took so far. ``cost`` is None where nobody knows a price."""

    model: str = ""
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = Decimal(0)

    def add(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        """Add a call."""
        self.model, self.calls = model, self.calls + 1
        self.usage = Usage(
            self.usage.input_tokens + usage.input_tokens,
            self.usage.output_tokens + usage.output_tokens,
            self.usage.cached_tokens + usage.cached_tokens,
        )
        self.cost = None if self.cost is None or cost is None else self.cost + cost


class Model:
    """The chain of providers, asked for the answer to one question of an app; use it within ``with``."""

    def __init__(self, app_id: UUID) -> None:
        self.settings = ReasoningSettings.load()
        self.bill = Bill()
        self._app_id = app_id
        self._chain = providers.configured(self.settings)

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        with self._runner:
            for step in self._chain:
                if isinstance(step.provider, OpenAIChat):
                    self._runner.run(step.provider.close())

    def say(self, messages: tuple[Message, ...], *, stream: bool) -> Iterator[str]:
        """Yield what a model says, in pieces where it is to ``stream``. An empty piece says that nothing has come yet.

        The first piece is empty and comes before anything is asked, once the call can be paid for. Who cannot answer is
        passed over, unless something was said. Raises :class:`CannotPay`, :class:`~reasoning.chain.ProviderFailed`, and
        :class:`NoModel`.
        """
        steps = available(self._chain)
        for place, step in enumerate(steps):
            if not isinstance(step.provider, OpenAIChat):
                raise NoModel
            said = False
            try:
                for piece in self._ask(step, step.provider, messages, stream):
                    said = said or bool(piece)
                    yield piece
                return
            except ProviderError as error:
                if said or place == len(steps) - 1:
                    raise ProviderFailed.by(step, error) from None

    def _ask(self, step: Step, provider: OpenAIChat, messages: tuple[Message, ...], stream: bool) -> Iterator[str]:
        """Make one call: charge it, talk, let every worker know how the provider is, and settle what it took."""
        chat = Chat(messages, step.model or self.settings.model, timeout=self.settings.model_timeout)
        account = spending.Account(
            self._app_id, None, step.name, chat.model, clock.now().astimezone(UTC).date(), step.discount
        )
        chat, charge = self._afford(chat, account, provider)
        said: Said | None = None
        text: list[str] = []
        usage: Usage | None = None
        try:
            yield ""
        except GeneratorExit:  # nobody waits for it any more
            spending.give_back(account, charge)
            raise
        try:
            for piece in self._talk(provider, chat, stream):
                if isinstance(piece, Said):
                    said, usage = piece, piece.usage
                else:
                    text.append(piece)
                    yield piece
            circuit.succeeded(step.name)
        except ProviderError as error:
            usage = error.usage
            circuit.failed(step.name, error)
            raise
        finally:
            if usage is None and text:  # the server did not tell, or nobody listened to the end
                usage = Usage(provider.expected(chat).input_tokens, tokens.count("".join(text)))
            self._settle(account, charge, said.model if said else chat.model, usage)

    def _afford(self, chat: Chat, account: spending.Account, provider: OpenAIChat) -> tuple[Chat, spending.Charge]:
        """Charge a call to its budgets; return it limited to what it is charged for, and the charge."""
        budgeted = spending.limited(account)
        limited = budgeted or self.settings.context_tokens
        if limited and not any(name in chat.parameters for name in OUTPUT_LIMITS):
            chat = replace(chat, parameters=chat.parameters | {"max_output_tokens": self.settings.output_tokens})
        if not budgeted:
            return chat, spending.NOTHING
        try:
            return chat, spending.reserve(account, provider.expected(chat))
        except spending.CannotAfford as error:
            raise CannotPay(error) from None

    @transaction.atomic
    def _settle(self, account: spending.Account, charge: spending.Charge, model: str, usage: Usage | None) -> None:
        cost = None if usage is None else spending.cost(account, usage)
        spending.settle(account, charge, usage, cost)
        self.bill.add(model, usage or Usage(), cost)
        if usage is not None:
            transaction.on_commit(lambda: metrics.count_call(account, None, usage, cost), robust=True)

    def _talk(self, provider: OpenAIChat, chat: Chat, stream: bool) -> Iterator[str | Said]:
        """Yield the pieces of one call as they come; who stops iterating ends it."""
        pieces: asyncio.Queue[str | Said | None] = asyncio.Queue()
        task = self._runner.get_loop().create_task(_pump(provider, chat, stream, pieces))
        try:
            while (piece := self._rest_until(pieces)) is not None:
                yield piece
            self._runner.run(_ended(task))
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ProviderError):
                self._runner.run(_ended(task))

    def _rest_until(self, pieces: asyncio.Queue[str | Said | None]) -> str | Said | None:
        """Return the next piece, or an empty one where none comes for long; nothing is held meanwhile."""
        with slots.rest():
            return self._runner.run(_next(pieces))


async def _pump(provider: OpenAIChat, chat: Chat, stream: bool, pieces: asyncio.Queue[str | Said | None]) -> None:
    """Put what a provider says into a queue, and None at its end, in as long as a call may take."""
    try:
        async with asyncio.timeout(chat.timeout), contextlib.aclosing(provider.talk(chat, stream=stream)) as talk:
            async for piece in talk:
                pieces.put_nowait(piece)
    except TimeoutError:
        raise ProviderError(
            Failure.TRANSIENT, f"The model did not answer within {chat.timeout:g} seconds.", usage=None
        ) from None
    finally:
        pieces.put_nowait(None)


async def _next(pieces: asyncio.Queue[str | Said | None]) -> str | Said | None:
    try:
        return await asyncio.wait_for(pieces.get(), BEAT_SECONDS)
    except TimeoutError:
        return ""


async def _ended(task: asyncio.Task[None]) -> None:
    await task
