"""Web servers beside each other: nothing that matters is in one of them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx

from benchmarks.scaling.claim import Claim
from benchmarks.scaling.servers import Servers, Web

ROUNDS = 40
RATE = 30
OK = httpx.codes.OK


def place(app: str, user: str = "ana", session: str = "s1") -> str:
    """Return the path of a session."""
    return f"/v1/apps/{app}/users/{user}/sessions/{session}"


def say(web: Web, path: str, text: str, **headers: str) -> httpx.Response:
    """Append a message."""
    return web.post(f"{path}/messages", json={"content": text, "is_user": True}, headers=headers).raise_for_status()


def claims(made: Servers, key: str) -> list[Claim]:
    """Try two and four web servers, one process each."""
    found = []
    for count in (2, 4):
        with made.webs(count, key) as webs:
            part = f"{count} web servers"
            found += [_reads_writes(part, webs), _versions(part, webs), _idempotency(part, webs)]
            if count == 2:
                found += [_revoked(part, webs), _rates(part, webs), _waits(part, made, webs), _cost(part, made, webs)]
    return found


def _reads_writes(part: str, webs: list[Web]) -> Claim:
    path, seen = place(f"any-{len(webs)}"), 0
    for number, (writer, reader) in enumerate(islice(zip(cycle(webs), cycle(webs[1:] + webs[:1])), ROUNDS)):
        say(writer, path, f"This is line {number}.")
        page = reader.get(f"{path}/events", params={"limit": 2 * ROUNDS}).raise_for_status().json()
        seen += f"This is line {number}." in [item["content"] for item in page["items"]]
    return Claim(
        part, "any request may go to any server",
        f"{ROUNDS} messages, each written to one server and read from the next at once", f"{seen} of {ROUNDS} seen",
        seen == ROUNDS,
    )  # fmt: skip


def _versions(part: str, webs: list[Web]) -> Claim:
    """Correct at one server, and read at every other with the tag that was current a moment ago."""
    path, stale, read = place(f"fresh-{len(webs)}"), 0, 0
    say(webs[0], path, "I like beans.")
    user = path.rpartition("/sessions/")[0]
    for number, writer in enumerate(islice(cycle(webs), ROUNDS // 2)):
        tags = {web: web.get(f"{user}/representation").headers["ETag"] for web in webs}
        writer.post(f"{user}/conclusions", json={"content": f"Ana has {number} boats."}).raise_for_status()
        for web, tag in tags.items():
            answer = web.get(f"{user}/representation", headers={"If-None-Match": tag})
            stale += answer.status_code != OK or number not in [boats(item) for item in answer.json()["conclusions"]]
            read += 1
    return Claim(
        part, "a version is read at once from every server, and no 304 hides it",
        f"{ROUNDS // 2} versions published through one, read from all with the old ETag",
        f"{stale} of {read} reads stale", stale == 0,
    )  # fmt: skip


def boats(conclusion: dict[str, str]) -> int:
    """Return the number in a statement that a correction of ``_versions`` made, -1 where there is none."""
    return next((int(word) for word in conclusion["content"].split() if word.isdigit()), -1)


def _idempotency(part: str, webs: list[Web]) -> Claim:
    path = place(f"once-{len(webs)}")
    say(webs[0], path, "The first.")

    def send(pair: tuple[int, Web]) -> str:
        number, web = pair
        answer = say(web, path, f"Once {number}.", **{"Idempotency-Key": f"key-{number}"})
        return str(answer.json()["id"])

    pairs = [(number, web) for number in range(ROUNDS) for web in webs]
    with ThreadPoolExecutor(len(webs) * 2) as threads:
        made = Counter(threads.map(send, pairs))
    return Claim(
        part, "a write that is sent again to another server is done once",
        f"{ROUNDS} Idempotency-Keys, each sent to all servers at the same time", f"{len(made)} events",
        len(made) == ROUNDS,
    )  # fmt: skip


def _revoked(part: str, webs: list[Web]) -> Claim:
    path, took = place("revoked"), []
    say(webs[0], path, "I like beans.")
    for _ in range(3):
        body = {"name": "short-lived", "scope": "app", "app": "revoked"}
        made = webs[0].post("/v1/keys", json=body).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {made['key']}"}
        webs[1].get(f"{path}/context", headers=bearer).raise_for_status()
        webs[0].delete(f"/v1/keys/{made['id']}").raise_for_status()
        began = time.monotonic()
        while webs[1].get(f"{path}/context", headers=bearer).status_code == OK:
            time.sleep(0.02)
        took.append(time.monotonic() - began)
        if webs[0].get(f"{path}/context", headers=bearer).status_code == OK:
            took.append(float("inf"))
    return Claim(
        part, "a key that is revoked at one server is refused by it at once, by others within KEY_CACHE_SECONDS (5)",
        "3 keys in use at one server, revoked at the other", f"refused after {max(took):.1f} s at most", max(took) < 6,
        {"seconds": took},
    )  # fmt: skip


def _rates(part: str, webs: list[Web]) -> Claim:
    path = place("rates")
    say(webs[0], path, "I like beans.")
    body = {"name": "limited", "scope": "app", "app": "rates", "rate_per_minute": RATE}
    bearer = {"Authorization": f"Bearer {webs[0].post('/v1/keys', json=body).raise_for_status().json()['key']}"}
    answers = [web.get(f"{path}/context", headers=bearer).status_code for web in islice(cycle(webs), 2 * RATE)]
    let = answers.count(OK)
    return Claim(
        part, "a key's rate is one count for all servers", f"{2 * RATE} requests in turn with a key of {RATE} a minute",
        f"{let} let through", let == RATE,
    )  # fmt: skip


def _waits(part: str, made: Servers, webs: list[Web]) -> Claim:
    path, took, behind = place("waits"), [], 0
    with made.drainers(1):
        for number in range(10):
            say(webs[0], path, f"I own {number} boats.")
            began = time.monotonic()
            answer = webs[1].get(f"{path}/context", params={"wait": 20}).raise_for_status().json()
            took.append(time.monotonic() - began)
            behind += answer["behind"]["events"]
    return Claim(
        part, "`wait=` at one server sees what a drainer publishes of a write to another",
        "10 messages to one server, each awaited at the other; a drainer in a process of its own",
        f"{behind} events behind at the end; waited {sorted(took)[5]:.2f} s (median)", behind == 0, {"seconds": took},
    )  # fmt: skip


def _cost(part: str, made: Servers, webs: list[Web]) -> Claim:
    """Ask one server, then both, for the same reads, and compare what a read costs all of them together."""
    path, reads, cost = place("cost"), 600, []
    say(webs[0], path, "I like beans.")
    for used in (webs[:1], webs):
        for web in islice(cycle(used), 60):
            web.get(f"{path}/context")
        before = sum(web.cpu_seconds() for web in used)
        for web in islice(cycle(used), reads):
            web.get(f"{path}/context").raise_for_status()
        cost.append((sum(web.cpu_seconds() for web in used) - before) * 1000 / reads)
    one, two = cost
    return Claim(
        part, "a second server makes no request dearer", f"{reads} context reads to one server, then to both in turn",
        f"{one:.2f} and {two:.2f} ms of web CPU each", two < one * 1.5, {"one_ms": one, "two_ms": two},
    )  # fmt: skip
