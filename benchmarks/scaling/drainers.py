"""Drainers beside each other: the work rows keep them apart, and what one knows of a provider all know."""

from __future__ import annotations

import time

from benchmarks.scaling.claim import Claim
from benchmarks.scaling.servers import Servers, Web, until
from tests.loopback.server import LoopbackModel

USERS = 80
LATENCY = 2.0
LEASE_SECONDS = 10.0  # of benchmarks.scaling.settings
RETRY_AFTER = 6
IN_FLIGHT = 4

_LINES = """
SELECT count(*) FILTER (WHERE line.cursor < subject.head OR subject.head = 0), count(*)
  FROM memory_line line JOIN memory_subject subject ON subject.line_id = line.id
  JOIN memory_app app ON app.id = subject.app_id WHERE app.name = %s AND subject.kind = 'user'
"""
_DOUBLED = """
SELECT count(*) FROM (
    SELECT version.line_id, position FROM memory_representation version
      JOIN memory_subject subject ON subject.id = version.subject_id
      JOIN memory_app app ON app.id = subject.app_id,
      generate_series(version.covers_from + 1, version.covers_to) position
     WHERE app.name = %s AND version.status = 'published'
     GROUP BY 1, 2 HAVING count(*) > 1) twice
"""
_WAITING = """
SELECT count(*) FROM memory_feedentry entry JOIN memory_subject subject ON subject.id = entry.subject_id
  JOIN memory_app app ON app.id = subject.app_id LEFT JOIN memory_line line ON line.id = subject.line_id
 WHERE app.name = %s AND (entry.position IS NULL OR entry.position > coalesce(line.cursor, 0))
"""
_ENDED = """
SELECT pass.outcome, count(*) FROM reasoning_pass pass JOIN memory_line line ON line.id = pass.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id JOIN memory_app app ON app.id = subject.app_id
 WHERE app.name = %s GROUP BY 1
"""
_PAUSE = "SELECT paused_until FROM reasoning_providerstate WHERE paused_until > now()"
_BEGUN = """
SELECT count(*) FROM reasoning_pass pass JOIN memory_line line ON line.id = pass.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id JOIN memory_app app ON app.id = subject.app_id
 WHERE app.name = %s AND pass.started_at BETWEEN %s - make_interval(secs => %s) AND %s
"""
_AT_WORK = """
SELECT count(DISTINCT pass.worker) FROM reasoning_pass pass JOIN memory_line line ON line.id = pass.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id JOIN memory_app app ON app.id = subject.app_id
 WHERE app.name = %s AND pass.outcome = 'published'
"""
# So many calls of one drainer at a time that its own limit, not this machine's cores, decides.
FEW = {"WORKER_CONCURRENCY": "1", "WORKER_CALLS_PER_CONNECTION": str(IN_FLIGHT)}


def claims(made: Servers, key: str, model: LoopbackModel) -> list[Claim]:
    """Try one and four drainers."""
    with made.webs(1, key) as [web]:
        one = _drained(made, web, model, "drain-1", 1)
        four = _drained(made, web, model, "drain-4", 4)
        return [_no_pass_twice(made, model), _faster(one, four), _killed(made, web, model), _paused(made, web, model)]


def fill(web: Web, app: str, users: int = USERS) -> None:
    """Write one event for each of so many users."""
    for number in range(users):
        event = {"content": f"I own {number} boats.", "kind": "message"}
        web.post(f"/v1/apps/{app}/users/user-{number}/events", json=event).raise_for_status()


def waiting(made: Servers, app: str) -> int:
    """Return how many feed entries of an app its serving versions have not read."""
    return int(made.postgres.one(_WAITING, app))


def _drained(made: Servers, web: Web, model: LoopbackModel, app: str, count: int) -> float:
    """Return the seconds in which so many drainers read what waits."""
    fill(web, app)
    model.reset()
    model.latency = LATENCY
    with made.drainers(count, **FEW):
        began = time.monotonic()
        until(lambda: waiting(made, app) == 0, f"{count} drainers read {app}", patience=300)
        return time.monotonic() - began


def _no_pass_twice(made: Servers, model: LoopbackModel) -> Claim:
    ended = dict(made.postgres.ask(_ENDED, "drain-4"))
    doubled = made.postgres.one(_DOUBLED, "drain-4")
    calls = model.count
    return Claim(
        "4 drainers", "no pass is made twice, however many drainers there are",
        f"{USERS} users with one event each, four processes, {LATENCY:g} s a call",
        f"{calls} calls, passes {ended}, {doubled} events covered twice",
        (calls, ended, doubled) == (USERS, {"published": USERS}, 0), {"calls": calls, "ended": ended},
    )  # fmt: skip


def _faster(one: float, four: float) -> Claim:
    return Claim(
        "4 drainers", "drainers add up while models are what takes time",
        f"the same with one and with four, each with {IN_FLIGHT} calls in flight",
        f"{USERS / one:.0f} and {USERS / four:.0f} passes a second ({one / four:.1f} times)", one / four > 1.5,
        {"one_seconds": one, "four_seconds": four, "users": USERS},
    )  # fmt: skip


def _killed(made: Servers, web: Web, model: LoopbackModel) -> Claim:
    fill(web, "killed")
    model.reset()
    model.latency = LATENCY
    with made.drainers(4, **FEW) as drainers:
        until(lambda: model.count >= USERS // 4, "a quarter is asked")
        made.end(drainers[0], kill=True)
        until(lambda: waiting(made, "killed") == 0, "the others read the rest")
    doubled = made.postgres.one(_DOUBLED, "killed")
    again = model.count - USERS
    return Claim(
        "4 drainers", "one that is killed delays only what it held, until its leases end",
        f"kill -9 of one of four in the middle; leases of {LEASE_SECONDS:g} s",
        f"all read, {doubled} events covered twice, {again} of {IN_FLIGHT} calls made again",
        doubled == 0 and 0 <= again <= IN_FLIGHT, {"again": again},
    )  # fmt: skip


def _paused(made: Servers, web: Web, model: LoopbackModel) -> Claim:
    fill(web, "paused")
    model.reset()
    model.latency = LATENCY
    with made.drainers(4, **FEW):
        until(lambda: made.postgres.one(_AT_WORK, "paused") == 4, "all four are at work")
        model.then("status", status=429, headers={"Retry-After": str(RETRY_AFTER)})
        [(until_when,)] = until(lambda: made.postgres.ask(_PAUSE), "a pause")
        until(lambda: waiting(made, "paused") == 0, "all is read after the pause", patience=120)
    began = made.postgres.one(_BEGUN, "paused", until_when, RETRY_AFTER - 1, until_when)
    return Claim(
        "4 drainers", "after a 429 none of them claims anything until the pause is over",
        f"one 429 with Retry-After {RETRY_AFTER}",
        f"{began} passes begun from a second after it to the pause's end, by all four; then all read", began == 0,
        {"begun": began},
    )  # fmt: skip
