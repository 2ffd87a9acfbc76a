"""Writers that repeat each write until it is acknowledged, and readers; both remember what they were told."""

from __future__ import annotations

import json
import random
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT = httpx.Timeout(8.0, connect=3.0)
REDELIVER_SECONDS = (1.0, 6.0)
AGAIN_SHARE = 0.12
TWICE_SHARE = 0.1
PLACES_PER_APP_USER = 2
THINGS = ("the harbour", "a blue bicycle", "the tax return", "her sister", "an old piano", "the garden", "Lisbon")
DOINGS = ("thought about", "wrote to us about", "asked again about", "is glad about", "has finished with", "misses")


@dataclass(frozen=True)
class Write:
    """One request as it is sent, however often. ``place`` is (app, user, session); the session may be None."""

    place: tuple[str, str, str | None]
    path: str
    body: bytes
    headers: dict[str, str]
    contents: tuple[str, ...]

    @property
    def has_key(self) -> bool:
        """Whether it carries an Idempotency-Key, so that the very same answer must come back."""
        return "Idempotency-Key" in self.headers


@dataclass(frozen=True)
class Fresh:
    """That a reader was told that nothing was missing, when so many events of user and session were acknowledged."""

    place: tuple[str, str, str]
    version: int
    session_version: int
    of_user: int
    of_session: int


@dataclass
class Ledger:
    """What writers and readers were told."""

    events: dict[str, str] = field(default_factory=dict)
    """The public id of each acknowledged event, by its content, which no other has."""

    writes: int = 0
    again: int = 0
    twice: int = 0
    replayed: int = 0
    reads: int = 0
    longest_write: float = 0.0
    """Seconds from the first attempt to the acknowledgement."""

    met: Counter[str] = field(default_factory=Counter)
    """How often a request met with something else than an answer."""

    wrong: list[str] = field(default_factory=list)
    fresh: list[Fresh] = field(default_factory=list)
    of_place: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complain(self, text: str) -> None:
        """Note what must not happen."""
        with self.lock:
            self.wrong.append(text)


class Traffic:
    """Writers and readers in threads of their own, from ``start`` until ``finish``."""

    def __init__(
        self, url: str, keys: dict[str, str], *, seed: object, events: int, seconds: float, users: int,
        writers: int = 4, readers: int = 1,
    ) -> None:  # fmt: skip
        self.url, self.keys, self.seed = url, keys, seed
        self.events, self.seconds, self.users = events, seconds, users
        self.ledger = Ledger()
        self.hurry = False
        self._given_up = False
        self._reading = True
        self._made = 0
        self._began = 0.0
        self._makers = self._make(random.Random(f"{seed} writes"))
        self._making = threading.Lock()
        self._writers = [
            threading.Thread(target=self._guard, args=(self._write, n), daemon=True) for n in range(writers)
        ]
        self._readers = [
            threading.Thread(target=self._guard, args=(self._read, n), daemon=True) for n in range(readers)
        ]

    def start(self) -> None:
        """Begin to write and read."""
        self._began = time.monotonic()
        for thread in (*self._writers, *self._readers):
            thread.start()

    def finish(self, patience: float) -> bool:
        """Let the writers come to an end at full speed; say whether every write was acknowledged."""
        self.hurry = True
        give_up = time.monotonic() + patience
        for thread in self._writers:
            thread.join(max(give_up - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._writers)

    def stop(self) -> None:
        """End whatever still runs."""
        self._given_up, self._reading = True, False
        for thread in (*self._writers, *self._readers):
            if thread.is_alive():
                thread.join(30)

    def _thread(self, work: Callable[[int], None], number: int) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(work, number), name=work.__name__, daemon=True)

    def _guard(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except Exception:
            self.ledger.complain(f"the harness itself failed: {traceback.format_exc()}")

    # --- writing

    def _write(self, number: int) -> None:
        rng = random.Random(f"{self.seed} writer {number}")
        later: list[tuple[float, Write, Any]] = []
        with httpx.Client(base_url=self.url, timeout=TIMEOUT) as client, ThreadPoolExecutor(2) as two:
            while not self._given_up and (write := self._next()) is not None:
                if rng.random() < TWICE_SHARE:
                    sent = [two.submit(self._deliver, client, write) for _ in range(2)]
                    answers = [each.result() for each in sent]
                    self._same(write, *answers)
                    self.ledger.twice += 1
                else:
                    answers = [self._deliver(client, write)]
                self._acknowledged(write, answers[0])
                if rng.random() < AGAIN_SHARE:
                    later.append((time.monotonic() + rng.uniform(*REDELIVER_SECONDS), write, answers[0]))
                if later and (later[0][0] <= time.monotonic() or self.hurry):
                    self._again(client, *later.pop(0)[1:])
            for _, write, answer in later:
                self._again(client, write, answer)

    def _again(self, client: httpx.Client, write: Write, answer: httpx.Response | None) -> None:
        self.ledger.again += 1
        self._same(write, answer, self._deliver(client, write))

    def _next(self) -> Write | None:
        """Return the next write, in its time; None after the last."""
        with self._making:
            if self._made >= self.events:
                return None
            write = next(self._makers)
            due = self._began + self.seconds * self._made / self.events
            self._made += len(write.contents)
        while not (self.hurry or self._given_up) and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return write

    def _make(self, rng: random.Random) -> Iterator[Write]:
        """Writes of every form: one message or many, events at a session or a user, keys, client ids or both."""
        apps = sorted(self.keys)
        number = 0
        while True:
            number += 1
            app, user = rng.choice(apps), f"user-{rng.randrange(self.users)}"
            session = f"s{rng.randrange(PLACES_PER_APP_USER)}"
            size = 1 if rng.random() < 0.4 else rng.randint(2, 20)
            form = rng.choice(("messages", "messages", "events", "of the user")) if size > 1 else "message"
            identity = rng.choice(("key", "ids", "both"))
            contents = [
                f"Note {number}-{place}: {user} {rng.choice(DOINGS)} {rng.choice(THINGS)}." for place in range(size)
            ]
            ids = [f"c{number}-{place}" if identity != "key" else None for place in range(size)]
            base = f"/v1/apps/{app}/users/{user}"
            items: list[dict[str, Any]] = [
                {"content": content} | ({"id": name} if name else {})
                for content, name in zip(contents, ids, strict=True)
            ]
            if form in ("message", "messages"):
                for item in items:
                    item["is_user"] = rng.random() < 0.7
                path = f"{base}/sessions/{session}/messages{'/batch' if form == 'messages' else ''}"
                body: Any = {"messages": items} if form == "messages" else items[0]
            else:
                for item in items:
                    item["kind"] = rng.choice(("message", "tool_result", "note.taken"))
                    if rng.random() < 0.1:
                        item["project"] = f"project-{rng.randrange(2)}"
                path = f"{base}/events" if form == "of the user" else f"{base}/sessions/{session}/events"
                body = items
            headers = {"Authorization": f"Bearer {self.keys[app]}", "Content-Type": "application/json"}
            if identity != "ids":
                headers["Idempotency-Key"] = f"w{number}"
            place = (app, user, None if form == "of the user" else session)
            yield Write(place, path, json.dumps(body).encode(), headers, tuple(contents))

    def _deliver(self, client: httpx.Client, write: Write) -> httpx.Response | None:
        """Send until it is acknowledged."""
        attempt, began = 0, time.monotonic()
        while not self._given_up:
            attempt += 1
            try:
                answer = client.post(write.path, content=write.body, headers=write.headers)
            except httpx.HTTPError as error:
                self._met(type(error).__name__)
            else:
                if answer.status_code == 200:
                    with self.ledger.lock:
                        self.ledger.longest_write = max(self.ledger.longest_write, time.monotonic() - began)
                    return answer
                self._met(str(answer.status_code))
                if answer.status_code < 500:
                    self.ledger.complain(f"{write.path} was refused: {answer.status_code} {answer.text[:300]}")
                    return None
                if answer.status_code == 500:
                    self.ledger.complain(f"{write.path}: 500 {answer.text[:300]}")
            time.sleep(min(0.1 * attempt, 0.5))
        return None

    def _met(self, what: str) -> None:
        with self.ledger.lock:
            self.ledger.met[what] += 1

    def _acknowledged(self, write: Write, answer: httpx.Response | None) -> None:
        if answer is None:
            return
        told = _items(answer)
        if [item["content"] for item in told] != list(write.contents):
            self.ledger.complain(f"{write.path} answered with other events than were sent")
        with self.ledger.lock:
            self.ledger.writes += 1
            self.ledger.events |= {item["content"]: item["id"] for item in told}
            self.ledger.of_place[write.place] += len(told)

    def _same(self, write: Write, first: httpx.Response | None, second: httpx.Response | None) -> None:
        """Check that a write that came twice was answered the same."""
        if first is None or second is None:
            return
        if "Idempotent-Replay" in second.headers:
            self.ledger.replayed += 1
        same = first.content == second.content if write.has_key else _told(first) == _told(second)
        if not same:
            self.ledger.complain(f"{write.path} came twice and was answered differently: {second.text[:300]}")

    # --- reading

    def _read(self, number: int) -> None:
        rng = random.Random(f"{self.seed} reader {number}")
        last: dict[tuple[str, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        with httpx.Client(base_url=self.url, timeout=TIMEOUT) as client:
            while self._reading:
                with self.ledger.lock:
                    places = [place for place in self.ledger.of_place if place[2] is not None]
                if places:
                    self._read_one(client, rng.choice(places), rng, last)  # type: ignore[arg-type]
                time.sleep(0.05)

    def _read_one(
        self,
        client: httpx.Client,
        place: tuple[str, str, str],
        rng: random.Random,
        last: dict[tuple[str, str, str], tuple[int, int]],
    ) -> None:
        app, user, session = place
        with self.ledger.lock:
            of_session = self.ledger.of_place[place]
            of_user = sum(count for (a, u, _), count in self.ledger.of_place.items() if (a, u) == (app, user))
        path = f"/v1/apps/{app}/users/{user}/sessions/{session}/context"
        query = rng.choice(({}, {}, {"include": "pending"}, {"tokens": 200}))
        try:
            answer = client.get(path, params=query, headers={"Authorization": f"Bearer {self.keys[app]}"})
        except httpx.HTTPError as error:
            self._met(type(error).__name__)
            return
        if answer.status_code != 200:
            self._met(str(answer.status_code))
            if answer.status_code != 503:
                self.ledger.complain(f"a read of {path} met {answer.status_code} {answer.text[:300]}")
            return
        body = answer.json()
        self.ledger.reads += 1
        behind, versions = body["behind"], (body["version"], body["session_version"])
        if not (isinstance(behind["events"], int) and behind["events"] >= 0 and behind["seconds"] >= 0):
            self.ledger.complain(f"a read of {place} does not say how far behind it is: {behind}")
        before = last[place]
        if versions[0] < before[0] or versions[1] < before[1]:
            self.ledger.complain(f"a read of {place} went back from {before} to {versions}")
        last[place] = versions
        if behind["events"] == 0:
            with self.ledger.lock:
                self.ledger.fresh.append(Fresh(place, *versions, of_user, of_session))


def _items(answer: httpx.Response) -> list[dict[str, Any]]:
    body = answer.json()
    return body if isinstance(body, list) else [body]


def _told(answer: httpx.Response) -> list[tuple[Any, ...]]:
    """What must be the same in the answers to a write that carries client ids."""
    return [(item["id"], item["content"], item.get("created_at"), item.get("recorded_at")) for item in _items(answer)]
