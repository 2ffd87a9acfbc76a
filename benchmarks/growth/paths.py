"""Every path that is measured: requests as agents and operators send them, and the steps of a pass."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.functions import TransactionNow
from django.test import Client

from benchmarks.growth import world
from memory import keys
from memory.models import Conclusion, Session, Subject, User
from memory.search import index
from reasoning import following, passes, queue
from reasoning.drainer import Drainer
from reasoning.models import Work
from reasoning.passes import Prepared
from reasoning.providers.base import Completion
from reasoning.queue import Claim

Step = tuple[str, Callable[[], object]]
"""What is measured: its name, and how it is done once."""

_TEXT = "The beans should go in before the end of May, and the gate at the allotment wants paint. "
_EVENT = {"content": _TEXT}
_QUERY = "who had the key to the garden"
_MANY = 100

_PAGES = ("memory/event", "memory/subject", "memory/representation", "memory/conclusion", "reasoning/work",
          "reasoning/pass", "memory/user", "memory/session")  # fmt: skip


@dataclass(frozen=True)
class Someone:
    """A user whose paths are measured, with what the paths name."""

    user: str
    session: str
    version: int
    at: str
    conclusion: str

    @classmethod
    def of(cls, user: User) -> Someone:
        """Return what the paths of a user name."""
        subject = Subject.objects.get(user=user, kind="user")
        talk = Session.objects.filter(owner=user).order_by("-id").first()
        middle = subject.representations.get(number=max(subject.versions // 2, 1))
        standing = Conclusion.objects.filter(spans__line=subject.line_id, spans__until=None).first()
        assert talk is not None
        assert talk.name is not None
        assert standing is not None
        return cls(user.name, talk.name, middle.number, middle.created_at.isoformat(), standing.public_id)

    @property
    def place(self) -> str:
        """The address of the user."""
        return f"/v1/apps/{world.GROWN}/users/{self.user}"


@dataclass
class Agent:
    """Sends requests with an operator's key."""

    key: str = field(default_factory=lambda: keys.create("growth", "operator")[1])
    client: Client = field(default_factory=Client)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer, which must be no refusal."""
        headers["Authorization"] = f"Bearer {self.key}"
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.client.generic(method, path, data, content_type="application/json", headers=headers)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.content[:300]!r}")
        return answer


def reads(agent: Agent, who: Someone) -> Iterator[Step]:
    """Yield what reads of somebody."""
    talk = f"{who.place}/sessions/{who.session}"
    known = f"{who.place}/representation"
    tag = agent.send("GET", f"{talk}/context")["ETag"]
    gets = {
        "context": f"{talk}/context",
        "context, tokens=500": f"{talk}/context?tokens=500",
        "context, pending": f"{talk}/context?include=pending",
        "context, conclusions": f"{talk}/context?include=conclusions",
        "context, at=": f"{talk}/context?at={who.at.replace('+', '%2B')}",
        "context, version=": f"{talk}/context?version={who.version}",
        "representation": known,
        "history": f"{known}/versions",
        "one version": f"{known}/versions/{who.version}",
        "diff": f"{known}/diff?from={who.version}",
        "explain": f"{known}/explain?conclusion={who.conclusion}",
        "list statements": f"{who.place}/conclusions",
        "list events": f"{who.place}/events",
        "list events, newest": f"{talk}/events?reverse=true",
        "get or create": f"/v1/apps/{world.GROWN}/users/get_or_create/{who.user}",
    }
    for name, path in gets.items():
        yield name, partial(agent.send, "GET", path)
    yield "304", lambda: agent.send("GET", f"{talk}/context", None, **{"If-None-Match": tag})
    yield "list messages", lambda: agent.send("POST", f"{talk}/messages/list", {})
    yield "list sessions", lambda: agent.send("POST", f"{who.place}/sessions/list", {})
    yield "list users", lambda: agent.send("POST", f"/v1/apps/{world.GROWN}/users/list", {})
    search = {"query": _QUERY, "mode": "lexical"}
    yield "search by words", lambda: agent.send("POST", f"{who.place}/search", search)
    yield "search the app", lambda: agent.send("POST", f"/v1/apps/{world.GROWN}/search", search)
    yield "recall", lambda: agent.send("POST", f"{who.place}/query", {"query": _QUERY})


def pages(agent: Agent) -> Iterator[Step]:
    """Yield the main lists of the operator's console."""
    operator, _ = get_user_model().objects.get_or_create(username="growth", is_superuser=True, is_staff=True)
    agent.client.force_login(operator)
    for page in _PAGES:
        yield f"console: {page}", partial(agent.client.get, f"/admin/{page}/")


def writes(agent: Agent, who: Someone) -> Iterator[Step]:
    """Yield what writes of somebody."""
    talk = f"{who.place}/sessions/{who.session}"
    yield "one event", lambda: agent.send("POST", f"{talk}/events", _EVENT)
    yield f"{_MANY} events", lambda: agent.send("POST", f"{talk}/events", [_EVENT] * _MANY)


def erase(agent: Agent, who: Someone) -> Iterator[Step]:
    """Yield the erasure of somebody."""
    yield "erase the user", lambda: agent.send("DELETE", who.place)


class Passes:
    """The steps of a pass, each measured by itself. They follow one another."""

    def __init__(self) -> None:
        self._step = Drainer().chain[0]
        self._claims: list[Claim] = []
        self._prepared: Prepared | None = None
        self._completion: Completion | None = None

    def steps(self, agent: Agent, who: Someone) -> Iterator[Step]:
        """Yield the steps for somebody's next event, in their order."""
        agent.send("POST", f"{who.place}/events", _EVENT)
        yield "number, mark the work", following.take_in
        yield "due work: when", queue.next_due
        Work.objects.filter(state=Work.State.WAITING).update(due_at=TransactionNow())
        yield "claim", self._claim
        yield "read what is new and known", self._prepare
        self._completion = asyncio.run(self._answer())
        yield "publish", self._publish
        yield "index", index.work

    def _claim(self) -> None:
        self._claims = queue.claim(1, "growth")

    def _prepare(self) -> None:
        self._prepared = passes.prepare(self._claims[0], self._step)

    async def _answer(self) -> Completion:
        assert self._prepared is not None
        return await self._step.provider.answer(self._prepared.request)

    def _publish(self) -> None:
        assert self._prepared is not None
        assert self._completion is not None
        passes.complete(self._prepared, self._completion)
