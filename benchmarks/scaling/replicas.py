"""A streaming replica: how far behind it is, and that nobody who says what they know reads what is older."""

from __future__ import annotations

import statistics
import time

from benchmarks.scaling import servers
from benchmarks.scaling.claim import Claim
from benchmarks.scaling.servers import Postgres, Servers, Web
from benchmarks.scaling.web import place, say

ROUNDS = 200
POSITION = "Honcho-Position"
ANY = {POSITION: "0/0"}


def claims(made: Servers, key: str) -> list[Claim]:
    """Try a web server that has a replica."""
    with servers.replica(made) as copy, made.webs(1, key, REPLICA_URL=copy.url(connect_timeout="2")) as [web]:
        return [_delay(made, copy, web), _own_writes(web), _unasked(web), _load(made, copy, web), _away(web, copy)]


def _delay(made: Servers, copy: Postgres, web: Web) -> Claim:
    took = []
    for number in range(ROUNDS):
        written = say(web, place("delay"), f"This is line {number}.").headers[POSITION]
        began = time.monotonic()
        while not copy.one("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written):
            pass
        took.append(time.monotonic() - began)
    p50, p95, most = statistics.median(took), statistics.quantiles(took, n=20)[18], max(took)
    return Claim(
        "a replica", "is behind by the time that a commit takes to be sent and replayed",
        f"{ROUNDS} messages, one at a time; from the answer until the replica shows it (a look takes some ms itself)",
        f"p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms, at most {most * 1000:.0f} ms", True,
        {"p50_ms": p50 * 1000, "p95_ms": p95 * 1000, "max_ms": most * 1000},
    )  # fmt: skip


def _own_writes(web: Web) -> Claim:
    stale = {"with": 0, "without": 0}
    for number in range(ROUNDS):
        path = place("own", user=f"user-{number}")
        written = say(web, path, "I like beans.")
        for how, header in (("without", ANY), ("with", {POSITION: written.headers[POSITION]})):
            answer = web.get(f"{path}/context", headers=header)
            stale[how] += answer.is_error or answer.json()["behind"]["events"] != 1
    return Claim(
        "a replica", "who sends back the position of their write reads it, wherever the read is answered",
        f"{ROUNDS} new users, read at once after a message: with `Honcho-Position: 0/0`, and with the write's",
        f"{stale['without']} and {stale['with']} reads without the message", stale["with"] == 0, stale,
    )  # fmt: skip


def _unasked(web: Web) -> Claim:
    stale = 0
    for number in range(ROUNDS):
        path = place("unasked", user=f"user-{number}")
        say(web, path, "I like beans.")
        answer = web.get(f"{path}/context")
        stale += answer.is_error or answer.json()["behind"]["events"] != 1
    return Claim(
        "a replica", "who says nothing of positions never reads from it",
        f"{ROUNDS} users, read at once, without the header", f"{stale} stale reads", stale == 0,
    )  # fmt: skip


def _ended(*databases: Postgres) -> list[int]:
    """Return how many transactions each server has ended. Its backends have all told by now: idle, they do in 10 s."""
    time.sleep(11)
    return [
        int(each.one("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))
        for each in databases
    ]


def _load(made: Servers, copy: Postgres, web: Web) -> Claim:
    path, reads = place("load"), 500
    header = {POSITION: say(web, path, "I like beans.").headers[POSITION]}
    before = _ended(made.postgres, copy)
    for _ in range(reads):
        header = {POSITION: web.get(f"{path}/context", headers=header).raise_for_status().headers[POSITION]}
    primary, replica = (now - then for then, now in zip(before, _ended(made.postgres, copy), strict=True))
    return Claim(
        "a replica", "takes the reads off the primary",
        f"{reads} context reads, each with the position of the one before",
        f"{replica} transactions there, {primary} on the primary (to know the key, and these looks)",
        replica >= 3 * reads and primary < reads / 5, {"replica": replica, "primary": primary},
    )  # fmt: skip


def _away(web: Web, copy: Postgres) -> Claim:
    path, failed = place("away"), 0
    say(web, path, "I like beans.")
    copy.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'honcho'"
    )
    for _ in range(20):
        failed += web.get(f"{path}/context", headers=ANY).is_error
    return Claim(
        "a replica", "whose connections end is not missed: the primary answers", "its connections ended, 20 reads",
        f"{failed} failed", failed == 0,
    )  # fmt: skip
