"""PgBouncer in transaction mode before the web servers: what works, and what must not go through it."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.scaling import servers
from benchmarks.scaling.claim import Claim, left_out
from benchmarks.scaling.servers import Postgres, Servers, Web
from benchmarks.scaling.web import place, say

POOL = 4
CLIENTS = 32
SETTINGS = {"disable_server_side_cursors": "true"}


def claims(made: Servers, key: str) -> list[Claim]:
    """Try a web server behind a pool of few connections, with the drainer beside it; then a drainer behind it too."""
    if shutil.which("pgbouncer") is None:
        return [left_out("PgBouncer", "web servers work behind transaction pooling", "pgbouncer")]
    with servers.pooler(made, POOL) as pool, made.webs(2, key, DATABASE_URL=pool.url(**SETTINGS)) as webs:
        with made.drainers(1):
            found = [_every_path(webs), _waiting(webs), _few_connections(made, webs)]
        return [*found, _drainer_behind(made, pool, webs[0])]


def _every_path(webs: list[Web]) -> Claim:
    """Do one of everything that clients do, in turn through both servers."""
    first, second = webs
    session = place("pooled")
    user = session.rpartition("/sessions/")[0]
    app = "/v1/apps/pooled"
    failed = []

    def ask(web: Web, method: str, path: str, **how: object) -> httpx.Response:
        answer = web.request(method, path, **how)  # type: ignore[arg-type]
        if answer.is_error:
            failed.append(f"{method} {path}: {answer.status_code}")
        return answer

    say(first, session, "I like beans, and I live in Lisbon.", **{"Idempotency-Key": "one"})
    ask(second, "POST", f"{session}/events", json=[{"content": f"Line {n}.", "kind": "message"} for n in range(500)])
    ask(first, "GET", f"{session}/context", params={"wait": 20, "include": "conclusions,pending,card,summary"})
    made = ask(second, "POST", f"{user}/conclusions", json={"content": "Ana has two boats."}).json()
    ask(
        first,
        "PATCH",
        f"{user}/conclusions/{made.get('id')}",
        json={"content": "Ana has three boats.", "reason": "sold"},
    )
    for path in ("representation", "representation/versions", "representation/diff?from=1h", "events", "conclusions"):
        ask(first, "GET", f"{user}/{path}")
    ask(second, "POST", f"{user}/search", json={"query": "beans"})
    ask(first, "POST", f"{user}/query", json={"query": "Where does Ana live?"})
    ask(second, "POST", f"{user}/representation/rollback", json={"to": 1, "reason": "a try"})
    ask(first, "GET", f"{session}/clone")
    exported = ask(second, "GET", f"{app}/export").content
    ask(
        first,
        "POST",
        "/v1/apps/pooled-copy/import?ids=new",
        content=exported,
        headers={"Content-Type": "application/x-ndjson"},
    )
    ask(second, "DELETE", f"{session}?erase=true&reason=a+try")
    ask(first, "GET", f"{app}/queue")
    for path in ("/metrics", "/readyz", "/admin/login/"):
        ask(second, "GET", path)
    return Claim(
        "PgBouncer", "web servers work behind transaction pooling, with server-side cursors off",
        "writes, reads, `wait=`, corrections, search, query, rollback, clone, export, import, erasure, metrics, admin",
        ", ".join(failed) or "all answered", not failed,
    )  # fmt: skip


def _waiting(webs: list[Web]) -> Claim:
    path, behind = place("pooled-wait"), 0
    for number in range(5):
        say(webs[0], path, f"I own {number} boats.")
        answer = webs[1].get(f"{path}/context", params={"wait": 20}).raise_for_status().json()
        behind += answer["behind"]["events"]
    return Claim(
        "PgBouncer", "wake-ups sent through it reach a drainer that has a connection of its own",
        "5 messages, each awaited", f"{behind} events behind at the end", behind == 0,
    )  # fmt: skip


def _few_connections(made: Servers, webs: list[Web]) -> Claim:
    path = place("pooled-many")
    say(webs[0], path, "I like beans.")
    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(lambda n: webs[n % 2].get(f"{path}/context").status_code, range(CLIENTS * 20)))
    served = made.postgres.one(
        "SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NULL AND backend_type = 'client backend'"
        "   AND application_name NOT LIKE 'honcho-direct%%' AND pid <> pg_backend_pid()"
    )
    good = answers.count(httpx.codes.OK)
    return Claim(
        "PgBouncer", "many clients share few connections",
        f"{CLIENTS} clients, {len(answers)} reads, two servers of 12 slots, a pool of {POOL}",
        f"{good} answered; {served} connections at the database, the drainer's own among them", good == len(answers),
        {"connections": served},
    )  # fmt: skip


def _drainer_behind(made: Servers, pool: Postgres, web: Web) -> Claim:
    """Give a drainer the pool's address, as nobody should, and see what it leaves behind."""
    path, took = place("pooled-drainer"), []
    with made.drainers(1, DATABASE_URL=pool.url(**SETTINGS), WORKER_POLL_INTERVAL="5"):
        for number in range(3):
            say(web, path, f"I own {number} boats.")
            began = time.monotonic()
            web.get(f"{path}/context", params={"wait": 20}).raise_for_status()
            took.append(time.monotonic() - began)
        locks = made.postgres.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        told = "connection_pooled" in made.log("drainer")
    return Claim(
        "PgBouncer", "a drainer behind it hears no wake-up and leaves locks in the pool: it says so in its log",
        "a drainer with the pool's address, 3 messages; polls every 5 s",
        f"versions after {max(took):.1f} s at most; {locks} advisory locks left", told,
        {"seconds": took, "locks": locks},
    )  # fmt: skip
