"""A Honcho v3 server by URL, over its documented REST API.

Each author is a peer, each session has its authors as peers. What is handed to the reader for a question is in equal
parts what the server has concluded about each of them (``conclusions/query``) and messages (``search``). Conclusions do
not tell which messages they rest on, so that only what a server says of messages can count as evidence; answer recall
counts both.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice, zip_longest
from typing import Any, Self

import httpx

from benchmarks.recall.conversations import Question, Turn
from benchmarks.recall.systems.base import Costs, Item, Memory, System, Unavailable
from benchmarks.recall.text import count_tokens

BATCH = 100
"""Messages that one request may hold."""

MOST = 100
"""Messages or conclusions that one request may ask for."""

LONGEST = 25_000
"""Characters of a message."""

SETTLE_SECONDS = 7_200.0
LOOK_SECONDS = 2.0
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class HonchoV3(System):
    """The server at the option ``url``."""

    name = "honcho-v3"
    version = "by URL"
    needs = "--option honcho-v3.url=…, and --option honcho-v3.key=… where the server wants one"

    def __enter__(self) -> Self:
        if "url" not in self.options:
            raise Unavailable(self.needs)
        key = self.options.get("key")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=self.options["url"], headers=headers, timeout=120)
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.close()

    def memory(self, conversation: str) -> HonchoV3Memory:
        """Return a workspace of its own; it stays on the server."""
        return HonchoV3Memory(self._client, named(f"recall-{conversation}-{secrets.token_hex(4)}"))

    def processor_seconds(self) -> None:
        """Return that nobody knows."""
        return


class HonchoV3Memory(Memory):
    """A workspace on the server."""

    def __init__(self, client: httpx.Client, workspace: str) -> None:
        self._client = client
        self._path = f"/v3/workspaces/{workspace}"
        self._peers: list[str] = []
        self._turns: dict[str, Turn] = {}
        """The turn that each message is."""
        self._send("POST", "/v3/workspaces", {"id": workspace})

    def ingest(self, turns: Sequence[Turn]) -> None:
        """Make peers and sessions, and add the messages of each session in batches."""
        for peer in dict.fromkeys(named(turn.author) for turn in turns):
            if peer not in self._peers:
                self._peers.append(peer)
                self._send("POST", f"{self._path}/peers", {"id": peer})
        for session, batch in _batches(turns):
            name = named(session)
            self._send("POST", f"{self._path}/sessions", {"id": name, "peers": {named(t.author): {} for t in batch}})
            messages = [_message(turn) for turn in batch]
            made = self._send("POST", f"{self._path}/sessions/{name}/messages", {"messages": messages})
            self._turns |= {message["id"]: turn for message, turn in zip(made, batch, strict=True)}

    def settle(self) -> None:
        """Wait until the server's queue is empty. Raises RuntimeError where that does not come."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while True:
            queue = self._send("GET", f"{self._path}/queue/status")
            if queue["pending_work_units"] + queue["in_progress_work_units"] == 0:
                return
            if time.monotonic() > give_up:
                raise RuntimeError(f"The server does not get done: {queue}")
            time.sleep(LOOK_SECONDS)

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        """Return conclusions for half of the budget, and messages."""
        concluded = list(_fitting(self._concluded(question.text), budget // 2))
        left = budget - sum(count_tokens(item.text) for item in concluded)
        return [*concluded, *_fitting(self._found(question), left)]

    def represent(self, budget: int) -> Sequence[Item]:
        """Return each peer's representation, with an equal share of the budget."""
        share = budget // max(1, len(self._peers))
        found: list[Item] = []
        for peer in self._peers:
            asked = {"max_conclusions": MOST}
            told = self._send("POST", f"{self._path}/peers/{peer}/representation", asked)["representation"]
            found += _fitting((Item(line, ()) for line in told.splitlines() if line.strip()), share)
        return found

    def costs(self) -> Costs:
        """Return that nobody knows: the server does not tell."""
        return Costs(None, None, None)

    def _concluded(self, query: str) -> Iterator[Item]:
        """Yield what is concluded about each peer, the best of each first."""
        path = f"{self._path}/conclusions/query"
        of_each = []
        for peer in self._peers:
            filters = {"observer_id": peer, "observed_id": peer}
            of_each.append(self._send("POST", path, {"query": query, "top_k": MOST, "filters": filters}))
        for conclusion in chain.from_iterable(zip_longest(*of_each)):
            if conclusion is not None:
                yield Item(conclusion["content"], ())

    def _found(self, question: Question) -> Iterator[Item]:
        """Yield the messages that are found; of a project those alone that were marked so."""
        asked: dict[str, Any] = {"query": question.text, "limit": MOST}
        path = self._path
        if "project" in question.scope:
            asked["filters"] = {"metadata": {"project": question.scope["project"]}}
        if "session" in question.scope:
            path = f"{path}/sessions/{named(question.scope['session'])}"
        for message in self._send("POST", f"{path}/search", asked):
            turn = self._turns.get(message["id"])
            if turn is not None:
                yield Item(f"{turn.author} ({turn.at:%Y-%m-%d}): {message['content']}", (turn.id,))

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        response = self._client.request(method, path, json=body)
        if not response.is_success:
            raise RuntimeError(f"{method} {path} was answered {response.status_code}: {response.text[:500]}")
        return response.json()


def named(text: str) -> str:
    """Return a text as an id that the server takes."""
    return _NO_NAME.sub("-", text)


def _batches(turns: Sequence[Turn]) -> Iterator[tuple[str, list[Turn]]]:
    for session, together in groupby(turns, key=lambda turn: turn.session):
        while batch := list(islice(together, BATCH)):
            yield session, batch


def _message(turn: Turn) -> Mapping[str, Any]:
    text = f"{turn.text} {json.dumps(turn.data)}" if turn.data else turn.text
    metadata = {"kind": turn.kind} | ({"project": turn.project} if turn.project else {})
    return {
        "content": text[:LONGEST], "peer_id": named(turn.author),
        "created_at": turn.at.isoformat(), "metadata": metadata,
    }  # fmt: skip


def _fitting(items: Iterable[Item], budget: int) -> Iterator[Item]:
    """Yield items until a budget is full."""
    for item in items:
        if budget <= 0:
            return
        budget -= count_tokens(item.text)
        yield item
