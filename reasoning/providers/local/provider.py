"""The provider: no network, no key, the same answer every time."""

from __future__ import annotations

import asyncio
import dataclasses
import json

from reasoning.providers.base import Completion, Request, Task, Usage
from reasoning.providers.local.consolidation import consolidate
from reasoning.providers.local.reasoner import reason

MODEL = "local-1"
SMALL = 8_000
"""Up to so many characters are reasoned over in place; more would hold up the event loop."""


class LocalProvider:
    """Reasons by rules: offline and deterministic."""

    name = "local"
    free = True

    def projected(self, request: Request) -> Usage:
        """Return nothing: no tokens are bought."""
        return Usage()

    async def answer(self, request: Request) -> Completion:
        """Answer ``request``."""
        size = sum(len(event.content) for event in request.events) + 40 * len(request.known)
        think = consolidate if request.task is Task.CONSOLIDATE else reason
        answer = think(request) if size <= SMALL else await asyncio.to_thread(think, request)
        raw = json.dumps(dataclasses.asdict(answer), ensure_ascii=False, default=str)
        return Completion(answer=answer, raw=raw, provider=self.name, model=MODEL, usage=Usage())
