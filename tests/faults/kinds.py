"""Every kind of fault, by name. Each happens at one moment; what it begins and does not end itself, it ends later."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Protocol

import psutil
import psycopg

from tests.faults.provider import Provider
from tests.faults.site import ROLES, FaultSite, Service, children


class World(Protocol):
    """What a fault has to do with."""

    site: FaultSite
    provider: Provider

    def later(self, seconds: float, end: Callable[[], None]) -> None:
        """Have ``end`` called after so long, or when all is to be well, whichever comes first."""

    def operate(self) -> None:
        """Act as the operator, beside the run."""


class NotNow(Exception):
    """What this fault would hit is not there at the moment."""


Act = Callable[[World, random.Random], str]


@dataclass(frozen=True)
class Kind:
    """A kind of fault. ``act`` returns what exactly it did."""

    name: str
    act: Act


KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Act], Act]:
    """Register a kind of fault."""

    def register(act: Act) -> Act:
        KINDS[name] = Kind(name, act)
        return act

    return register


# --- the provider


@dataclass(frozen=True)
class Spelled:
    """A spell of the provider as a kind of fault: seconds and share of calls are drawn from ranges."""

    behaviour: str
    seconds: tuple[float, float]
    share: tuple[float, float] = (1.0, 1.0)
    options: dict[str, Any] = field(default_factory=dict)


SPELLS = {
    "provider drops connections": Spelled("drop", (0.5, 2.0)),
    "provider stalls": Spelled("stall", (0.5, 2.5), options={"seconds": 60.0}),
    "provider 500": Spelled("status", (0.5, 2.0), (0.5, 1.0), {"status": 500}),
    "provider 503": Spelled("status", (0.5, 2.0), (0.5, 1.0), {"status": 503, "headers": {"Retry-After": "1"}}),
    "provider 429 in seconds": Spelled(
        "status", (0.2, 1.0), (0.3, 1.0), {"status": 429, "headers": {"Retry-After": "1"}}
    ),
    "provider 429 in milliseconds": Spelled(
        "status", (0.2, 1.0), (0.3, 1.0), {"status": 429, "headers": {"retry-after-ms": "700"}}
    ),
    "provider refuses": Spelled("status", (0.5, 2.0), (0.4, 1.0), {"status": 400}),
    "provider context too long": Spelled("too_long", (0.5, 2.0), (0.4, 1.0)),
    "answer is prose": Spelled("not_json", (0.5, 2.5), (0.4, 1.0)),
    "answer of another form": Spelled("wrong_schema", (0.5, 2.5), (0.4, 1.0)),
    "answer cut off": Spelled("cut_off", (0.5, 2.5), (0.4, 1.0)),
    "answer rests on foreign events": Spelled("foreign_sources", (0.5, 2.5), (0.4, 1.0)),
    "answer is empty": Spelled("empty", (0.2, 0.8), (0.3, 0.8)),
    "answer drips": Spelled("slow_drip", (0.5, 2.0), options={"seconds": 2.0}),
}


def _spell(name: str, spelled: Spelled) -> Act:
    def act(world: World, rng: random.Random) -> str:
        seconds, share = rng.uniform(*spelled.seconds), rng.uniform(*spelled.share)
        spell = world.provider.begin(name, share, spelled.behaviour, **spelled.options)
        world.later(seconds, lambda: world.provider.end(spell))
        return f"{share:.0%} of calls for {seconds:.1f} s"

    return act


for _name, _spelled in SPELLS.items():
    kind(_name)(_spell(_name, _spelled))


@kind("provider 429 until a date")
def limited_until_a_date(world: World, rng: random.Random) -> str:
    """A date has whole seconds, and is compared with the reply's own."""
    now = datetime.now(UTC)
    until = format_datetime(now + timedelta(seconds=2), usegmt=True)
    headers = {"Retry-After": until, "Date": format_datetime(now, usegmt=True)}
    spell = world.provider.begin("provider 429 until a date", 1.0, "status", status=429, headers=headers)
    world.later(rng.uniform(0.2, 1.0), lambda: world.provider.end(spell))
    return until


@kind("provider unreachable")
def unreachable(world: World, rng: random.Random) -> str:
    """Its socket listens no more."""
    seconds = rng.uniform(0.5, 2.5)
    world.provider.stop_listening()
    world.later(seconds, world.provider.listen_again)
    return f"for {seconds:.1f} s"


@kind("provider's quota is used up")
def quota(world: World, rng: random.Random) -> str:
    """Pauses everybody until an operator has paid and resumes."""
    seconds = rng.uniform(0.5, 1.5)
    spell = world.provider.begin("provider's quota is used up", 1.0, "quota")

    def pay() -> None:
        world.provider.end(spell)
        world.operate()

    world.later(seconds, pay)
    return f"for {seconds:.1f} s, and until the operator has acted"


# --- processes


def _main(world: World, name: str) -> Service:
    service = world.site.services[name]
    if service.pid is None:
        raise NotNow
    return service


def _kill(pid: int | None, number: int = signal.SIGKILL) -> str:
    if pid is None:
        raise NotNow
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise NotNow from None
    return f"pid {pid}"


def _freeze(world: World, pids: Sequence[int], rng: random.Random) -> str:
    """Stop processes for longer than a lease: they wake up with work in their hands that others have by then."""
    seconds = world.site.lease + rng.uniform(0.5, 2.5)
    frozen = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.suspend()
        except psutil.NoSuchProcess:
            continue
        frozen.append(process)
    if not frozen:
        raise NotNow

    def thaw() -> None:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):  # also where its id is another's by now
                process.resume()

    world.later(seconds, thaw)
    return f"pids {', '.join(str(process.pid) for process in frozen)} for {seconds:.1f} s"


def _draining(world: World) -> list[int]:
    """The queue workers of django-q2 that drain, by what they tell the database."""
    sentinel = world.site.supervisor.sentinel()
    family = set(children(sentinel)) if sentinel else set()
    try:
        with world.site.connect() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM reasoning_worker ORDER BY beat_at DESC")]
    except psycopg.Error:
        raise NotNow from None
    found = [pid for name in names if (pid := int(name.rpartition(":")[2])) in family]
    if not found:
        raise NotNow
    return found


@kind("kill web")
def kill_web(world: World, rng: random.Random) -> str:
    """Its main process; the supervisor ends the rest."""
    return _kill(_main(world, "web").pid)


@kind("kill a web process")
def kill_web_process(world: World, rng: random.Random) -> str:
    """One of those that answer; its main process starts another."""
    below = children(_main(world, "web").pid or 0)
    if not below:
        raise NotNow
    return _kill(rng.choice(below))


@kind("kill reason")
def kill_reason(world: World, rng: random.Random) -> str:
    """The drainer without django-q2."""
    return _kill(_main(world, "reason").pid)


@kind("stop reason")
def stop_reason(world: World, rng: random.Random) -> str:
    """SIGTERM: it finishes or gives back what it holds."""
    return _kill(_main(world, "reason").pid, signal.SIGTERM)


@kind("hold reason down")
def hold_reason_down(world: World, rng: random.Random) -> str:
    """So that everything hangs on django-q2, whatever state it is in."""
    service, seconds = _main(world, "reason"), rng.uniform(5.0, 10.0)
    service.held_until = time.monotonic() + seconds
    world.later(seconds, lambda: setattr(service, "held_until", 0.0))
    return f"{_kill(service.pid)} for {seconds:.1f} s"


@kind("freeze reason")
def freeze_reason(world: World, rng: random.Random) -> str:
    """For longer than its leases."""
    return _freeze(world, [_main(world, "reason").pid or 0], rng)


def _skew(name: str) -> Act:
    def act(world: World, rng: random.Random) -> str:
        service, hours = _main(world, name), rng.choice((-1, 1))
        service.extra["FAULTS_CLOCK_OFFSET"] = str(hours * 3600)

        def mend() -> None:
            service.extra.pop("FAULTS_CLOCK_OFFSET", None)
            with contextlib.suppress(NotNow):
                _kill(service.pid)

        seconds = rng.uniform(5.0, 9.0)
        world.later(seconds, mend)
        return f"{hours:+d} h for {seconds:.1f} s, {_kill(service.pid)}"

    return act


kind("skew reason's clock")(_skew("reason"))
kind("skew the worker's clock")(_skew("worker"))
kind("skew web's clock")(_skew("web"))


@kind("kill the worker")
def kill_worker(world: World, rng: random.Random) -> str:
    """The main process of the cluster."""
    return _kill(_main(world, "worker").pid)


@kind("stop the worker")
def stop_worker(world: World, rng: random.Random) -> str:
    """SIGTERM to its main process; what does not stop in time is killed, as systemd would."""
    service = _main(world, "worker")
    process = service.process
    told = _kill(service.pid, signal.SIGTERM)

    def give_up() -> None:
        if process is not None and process.poll() is None:
            process.kill()

    world.later(20.0, give_up)
    return told


@kind("kill the sentinel")
def kill_sentinel(world: World, rng: random.Random) -> str:
    """The process over queue workers, monitor and pusher."""
    return _kill(world.site.supervisor.sentinel())


@kind("kill the pusher")
def kill_pusher(world: World, rng: random.Random) -> str:
    """Which takes tasks from the database."""
    return _kill(world.site.supervisor.role("pusher"))


@kind("kill the monitor")
def kill_monitor(world: World, rng: random.Random) -> str:
    """Which writes down results; the next one may wait for its lock for ever."""
    return _kill(world.site.supervisor.role("monitor"))


@kind("kill the queue worker that drains")
def kill_draining(world: World, rng: random.Random) -> str:
    """With passes in its hands."""
    return _kill(rng.choice(_draining(world)))


@kind("kill a queue worker")
def kill_queue_worker(world: World, rng: random.Random) -> str:
    """Any: an idle one may hold the queue's lock, and those that come after wait for ever."""
    return _kill(world.site.supervisor.role(rng.choice(ROLES[:3])))


@kind("freeze the queue worker that drains")
def freeze_draining(world: World, rng: random.Random) -> str:
    """For longer than its leases."""
    return _freeze(world, [rng.choice(_draining(world))], rng)


@kind("freeze the cluster")
def freeze_cluster(world: World, rng: random.Random) -> str:
    """Its sentinel and all below it, for longer than their leases."""
    sentinel = world.site.supervisor.sentinel()
    if sentinel is None:
        raise NotNow
    return _freeze(world, [sentinel, *children(sentinel)], rng)


# --- the database


def _away(world: World, rng: random.Random) -> str:
    """Whoever connects next starts the embedded server; one outside stays away for a while."""
    if not world.site.outside:
        return "until somebody connects"
    seconds = rng.uniform(0.3, 2.0)
    world.site.down = True
    # Beside the run: recovery may take seconds, and meanwhile other things go wrong too.
    world.later(seconds, threading.Thread(target=world.site.start_postgres, daemon=True).start)
    return f"for {seconds:.1f} s"


def _stop(world: World, rng: random.Random, mode: str) -> str:
    _there(world)
    told = _away(world, rng)
    world.site.stop_postgres(mode)
    return told


def _there(world: World) -> None:
    if world.site.down or not (world.site.folder / "postmaster.pid").exists():
        raise NotNow


@kind("kill PostgreSQL")
def kill_postgres(world: World, rng: random.Random) -> str:
    """kill -9 of all its processes."""
    _there(world)
    told = _away(world, rng)
    try:
        world.site.kill_postgres()
    except (OSError, psutil.NoSuchProcess):
        raise NotNow from None
    return told


@kind("restart PostgreSQL, fast")
def restart_fast(world: World, rng: random.Random) -> str:
    """Everybody is disconnected."""
    return _stop(world, rng, "fast")


@kind("restart PostgreSQL, immediately")
def restart_immediately(world: World, rng: random.Random) -> str:
    """With a crash to recover from."""
    return _stop(world, rng, "immediate")


def _sql(world: World, statement: str, *parameters: Any) -> int:
    """Change the database by hand, and wait for nobody: who holds a lock may be frozen, and it is us who thaw."""
    try:
        with world.site.connect() as connection:
            connection.execute("SET statement_timeout = '2s'")
            return connection.execute(statement, parameters or None).rowcount  # type: ignore[arg-type]
    except psycopg.Error:
        raise NotNow from None


@kind("terminate connections")
def terminate_connections(world: World, rng: random.Random) -> str:
    """A share of all that there are, whatever they are at."""
    share = rng.uniform(0.2, 1.0)
    count = _sql(
        world,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'honcho' AND pid <> pg_backend_pid() AND random() < %s",
        share,
    )
    return f"{count} connections"


@kind("the database's clock jumps")
def database_clock_jumps(world: World, rng: random.Random) -> str:
    """Forward by an hour, as the work rows see it: whatever is leased or waits is due."""
    count = _sql(
        world,
        "UPDATE reasoning_work SET due_at = due_at - interval '1 hour' WHERE id IN ("
        "SELECT id FROM reasoning_work WHERE due_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED)",
    )
    if not count:
        raise NotNow
    return f"{count} rows"


@kind("a lease runs out under its pass")
def lease_runs_out(world: World, rng: random.Random) -> str:
    """Another claims the row, and two are at it."""
    count = _sql(
        world,
        "UPDATE reasoning_work SET due_at = now() - interval '1 second' WHERE id IN ("
        "SELECT id FROM reasoning_work WHERE state = 'leased' ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED)",
        rng.randint(1, 4),
    )
    if not count:
        raise NotNow
    return f"{count} rows"


@kind("a task is delivered twice")
def task_twice(world: World, rng: random.Random) -> str:
    """Tasks of django-q2 that have been taken, or are about to be, are queued once more."""
    count = _sql(
        world, "INSERT INTO django_q_ormq (key, payload, lock) SELECT key, payload, now() FROM django_q_ormq LIMIT 3"
    )
    if not count:
        raise NotNow
    return f"{count} tasks"


@kind("tasks are lost")
def tasks_lost(world: World, rng: random.Random) -> str:
    """All that wait in django-q2's queue."""
    count = _sql(world, "DELETE FROM django_q_ormq")
    if not count:
        raise NotNow
    return f"{count} tasks"


@kind("a schedule is poisoned")
def schedule_poisoned(world: World, rng: random.Random) -> str:
    """A row that django-q2 cannot read; while it is there, none of its schedules run."""
    name = f"poison {rng.random()}"
    _sql(
        world,
        "INSERT INTO django_q_schedule (name, func, args, schedule_type, repeats, next_run)"
        " VALUES (%s, 'reasoning.wakeups.drain', 'no literal(', 'O', -1, now() - interval '1 minute')",
        name,
    )
    seconds = rng.uniform(20.0, 60.0)
    world.later(seconds, lambda: void(world.site.ask("DELETE FROM django_q_schedule WHERE name = %s", name)))
    return f"for {seconds:.1f} s"


def void(_: object) -> None:
    """Nothing."""
