"""What the tests of the loop share: a provider that answers as it is told, and drainers that can be watched."""

from __future__ import annotations

import asyncio
import faulthandler
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection

from memory.models import Line, Subject
from reasoning import following, passes, queue
from reasoning.drainer import Drainer
from reasoning.models import Pass, Work
from reasoning.providers.base import Answer, Completion, Request, Statement, Step, Usage
from tests.store.helpers import person

KINDS = ("user", "observed", "session", "project")
AT_ONCE = {
    "PROVIDER": "openai",
    "OPENAI_API_KEY": "none",
    "SETTLE_SECONDS": 0,
    "INTERVAL_SECONDS": dict.fromkeys(KINDS, 0),
}
"""Every event is due when it is committed. (The provider is only named, so that the local one's pace is not taken.)"""


def truthful(request: Request) -> Answer:
    """One statement for each event, in its words."""
    return Answer(
        add=tuple(Statement(f"It was said: {event.content}", (event.number,)) for event in request.events),
        card=(f"Name: {request.subject}",),
        now=f"{len(request.events)} new.",
        short_summary="They talk." if request.kind == "session" else "",
    )


def completion(answer: Answer) -> Completion:
    return Completion(answer, raw="the raw answer", provider="fake", model="fake-1", usage=Usage(100, 20, 50))


class FakeProvider:
    """Answers by a function after ``delay`` seconds; counts what is in flight. ``answer`` may raise."""

    free = False

    def projected(self, request: Request) -> Usage:
        return Usage(100, 20)

    def __init__(self, answer: Callable[[Request], Answer] = truthful, delay: float = 0.0, name: str = "fake") -> None:
        self.make, self.delay, self.name = answer, delay, name
        self.requests: list[Request] = []
        self.in_flight = 0
        self.peak = 0
        self.gate: threading.Event | None = None
        self.closed = False

    async def answer(self, request: Request) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            while self.gate is not None and not self.gate.is_set():  # noqa: ASYNC110 - a thread sets it
                await asyncio.sleep(0.01)
            return replace(completion(self.make(request)), provider=self.name)
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        self.closed = True


STEP = Step(FakeProvider())


def drain(provider: FakeProvider | None = None) -> FakeProvider:
    """Drain until nothing waits."""
    provider = provider or FakeProvider()
    asyncio.run(Drainer(Step(provider)).run(until_idle=True))
    return provider


@contextmanager
def draining(*providers: FakeProvider, **options: Any) -> Iterator[Drainer]:
    """A drainer that runs in a thread of its own and has stopped when this ends; without providers, the site's."""
    failures: list[BaseException] = []
    drainer = Drainer(*map(Step, providers))

    def run() -> None:
        try:
            asyncio.run(drainer.run(**options))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield drainer
    except BaseException:
        for provider in providers:
            provider.gate = None
        raise
    finally:
        drainer.stop()
        thread.join(30)
        if thread.is_alive():
            faulthandler.dump_traceback()
    assert not thread.is_alive(), "the drainer did not stop"
    if failures:
        raise failures[0]


def claimed(name: str = "d1") -> queue.Claim:
    """Take in what is new and claim the one row that is due."""
    following.take_in()
    [claim] = queue.claim(10, name)
    return claim


def prepared(claim: queue.Claim) -> passes.Prepared:
    found = passes.prepare(claim, STEP)
    assert found is not None
    return found


def one_pass(answer: Callable[[Request], Answer] = truthful) -> Any:
    """One whole pass of the one row that is due; the version that came of it."""
    ready = prepared(claimed())
    return passes.complete(ready, completion(answer(ready.request)))


def work_of(subject: Subject | None = None) -> Work:
    subject = Subject.objects.get(pk=subject.pk) if subject else Subject.objects.get()
    return Work.objects.get(line=subject.line)


def make_due() -> None:
    """Let whatever waits or is leased be due now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reasoning_work SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL")


def outcomes(line: Line | None = None) -> list[str]:
    passes_made = Pass.objects.filter(line=line) if line else Pass.objects.all()
    return list(passes_made.order_by("started_at", "id").values_list("outcome", flat=True))


def people(count: int) -> list[Subject]:
    return [person(f"user-{number}") for number in range(count)]


def others_connected() -> list[tuple[int, str, str, float | None]]:
    """Connections to this database besides our own: pid, state, last query, age of the open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, state, query, extract(epoch FROM clock_timestamp() - xact_start)::float"
            "  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            "   AND backend_type = 'client backend'"
        )
        return cursor.fetchall()


def evidence_ids(representation: Any) -> set[UUID]:
    return set(representation.evidence_added.values_list("event_id", flat=True))
