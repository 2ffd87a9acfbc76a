"""Redis as cache and as django-q2's queue: it may be there, and it may go away."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time

from benchmarks.scaling import servers
from benchmarks.scaling.claim import Claim, left_out
from benchmarks.scaling.servers import Servers, until
from benchmarks.scaling.web import place, say


def claims(made: Servers, key: str) -> list[Claim]:
    """Try web and worker with a Redis, then without it."""
    if shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None:
        return [left_out("Redis", "can be django-q2's queue and cache", "redis-server and the package redis")]
    with servers.redis(made) as (url, process), made.webs(1, key, HONCHO_REDIS_URL=url, EMBEDDER="provider") as [web]:
        before = made.beating()
        worker = made.start([sys.executable, "manage.py", "worker"], "worker", HONCHO_REDIS_URL=url)
        until(lambda: made.beating() > before, "the worker drains")
        path, behind, refused = place("redis"), 0, []
        for number in range(5):
            say(web, path, f"I own {number} boats.")
            behind += web.get(f"{path}/context", params={"wait": 20}).raise_for_status().json()["behind"]["events"]
        found = web.post("/v1/apps/redis/search", json={"query": "boats"})
        queued = made.postgres.one("SELECT count(*) FROM django_q_ormq")
        works = Claim(
            "Redis", "can be django-q2's queue and cache",
            "web and worker with HONCHO_REDIS_URL, 5 messages awaited, a search",
            f"{behind} events behind; search {found.status_code}; {queued} tasks queued in the database",
            behind == 0 and queued == 0 and found.is_success,
        )  # fmt: skip
        made.end(process, kill=True)
        asks = {
            "write": lambda: say(web, path, "And one more."),
            "read": lambda: web.get(f"{path}/context"),
            "search": lambda: web.post("/v1/apps/redis/search", json={"query": "boats"}),
        }
        refused = [name for name, ask in asks.items() if ask().is_error]
        began = time.monotonic()
        read = web.get(f"{path}/context", params={"wait": 30}).raise_for_status().json()["behind"]["events"] == 0
        without = Claim(
            "Redis", "may go away: writes, reads and search answer, and what drains goes on",
            "kill -9 of Redis, then a write, a read, a search and a wait for the write's version",
            f"refused: {', '.join(refused) or 'nothing'}; reasoned over after {time.monotonic() - began:.1f} s: {read}",
            not refused and read,
        )  # fmt: skip
        made.end(worker, kill=True)
    return [works, without]
