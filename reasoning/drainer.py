"""The drainer: claims due work, keeps many model calls in flight, publishes what passes.

One asyncio loop. Everything that touches the database runs in a few threads with a Django connection each, in short
transactions; a model call holds neither. Any number of drainers may run, on any number of machines: the work rows keep
them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import psycopg
import structlog
from django.db import DatabaseError, close_old_connections, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from memory import clock, ids
from memory.errors import Conflict, Refusal
from reasoning import circuit, following, passes, providers, queue
from reasoning.chain import Rooms
from reasoning.chores import Chores
from reasoning.conf import ReasoningSettings
from reasoning.models import Worker
from reasoning.passes import Prepared
from reasoning.providers.base import Completion, Failure, Provider, ProviderError, Request, Step
from reasoning.queue import Claim, LostLease
from reasoning.signals import WAKE_CHANNEL, WAKE_SPACING_SECONDS

P = ParamSpec("P")
T = TypeVar("T")

STOP_CHANNEL = "honcho_stop"

BEAT_SECONDS = 5.0
CHORE_SECONDS = 1.0
_DATABASE_PAUSE_SECONDS = (0.5, 10.0)
_BREATH_SECONDS = 0.05
"""The least time between two looks: what is due and not to be had (another holds it) is no reason to spin."""

_CLOSE_SECONDS = 10.0
_THREADS = "honcho-db"
_PLANNED_TIMES = 5
"""So often a statement is planned anew before its plan is kept, as psycopg does by itself."""

_SILENT = timedelta(hours=1)
"""Workers that were seen no more for so long were killed: nobody else takes their row away."""

_POOLED = (
    "The worker's DATABASE_URL leads to a pooler. If that pools by transaction, no wake-up is heard and the locks of "
    "chores are never let go: give the worker the address of PostgreSQL itself."
)

log = structlog.get_logger("honcho.reasoning")


def worker_name() -> str:
    """Return what this process calls itself on leases and heartbeats."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Drainer:
    """One loop over the work rows, asking the given chain of providers or else the one that the settings name.

    ``run`` it once; ``stop`` may be called from any thread.
    """

    def __init__(self, *chain: Step, stop_word: str = "") -> None:
        self.settings = ReasoningSettings.load()
        self.chain = chain or providers.configured(self.settings)
        self.name = worker_name()
        self.capacity, self.bulk_capacity = self.settings.capacity, self.settings.bulk_capacity
        self.in_flight: dict[asyncio.Task[None], tuple[Claim, int]] = {}
        self.stop_word = stop_word
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._look_again_until = 0.0
        self._threads = ThreadPoolExecutor(self.settings.worker_concurrency, thread_name_prefix=_THREADS)
        # Neither a look for what is due nor a heartbeat queues behind the passes.
        self._helm = ThreadPoolExecutor(1, thread_name_prefix=_THREADS)
        self._heart = ThreadPoolExecutor(1, thread_name_prefix=_THREADS)
        self._side = ThreadPoolExecutor(1, thread_name_prefix=_THREADS)
        self.chores = Chores()

    def stop(self) -> None:
        """Claim no more; ``run`` ends when what is in flight has."""
        self.stopping = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, *, seconds: float | None = None, until_idle: bool = False) -> None:
        """Drain until stopped, for ``seconds``, or until nothing is due nor in flight."""
        self._loop = asyncio.get_running_loop()
        await self._try(_forget_silent_workers)
        deadline = None if seconds is None else time.monotonic() + seconds
        helpers = [asyncio.create_task(self._beat())]
        if not until_idle:
            helpers += [asyncio.create_task(self._listen()), asyncio.create_task(self._do_chores())]
        try:
            await self._drain(deadline, until_idle)
            await self._settle()
        finally:
            await _end(helpers)
            await self._try(_forget_worker, self.name)
            await self._close()

    async def _drain(self, deadline: float | None, until_idle: bool) -> None:
        pause, longest = _DATABASE_PAUSE_SECONDS
        while not self.stopping and (deadline is None or time.monotonic() < deadline):
            self._woken.clear()
            try:
                due = await self._step()
                pause = _DATABASE_PAUSE_SECONDS[0]
            except DatabaseError as error:
                log.warning("database_unavailable", error=type(error).__name__, pause_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                continue
            if until_idle and due is None and not self.in_flight:
                if not await self._run(self._side, self.chores.run, now=True):
                    return
                continue
            wait = self.settings.poll_interval if due is None else min(due, self.settings.poll_interval)
            if deadline is not None:
                wait = min(wait, max(deadline - time.monotonic(), 0.0))
            if len(self.in_flight) >= self.capacity:
                wait = self.settings.poll_interval
            if (left := self._look_again_until - time.monotonic()) > 0:
                wait = min(wait, left)  # writers that come just after a wake-up send none of their own
            await self._wait(max(wait, _BREATH_SECONDS))

    async def _step(self) -> float | None:
        """Take in what is new, claim what is due, and return in how many seconds the next is due (None: nothing)."""
        await self._run(self._helm, following.take_in)
        allowed = await self._run(self._helm, circuit.allowances, [step.name for step in self.chain])
        places = Counter(place for _, place in self.in_flight.values())
        rooms = Rooms(self.chain, allowed, [places[place] for place in range(len(self.chain))], self.capacity)
        room = rooms.total()
        bulk = self.bulk_capacity - sum(claim.bulk for claim, _ in self.in_flight.values())
        claims = await self._run(self._helm, queue.claim, room, self.name, max(bulk, 0)) if room else []
        for claim in claims:
            place = rooms.take(claim.step)
            if place is None:
                await self._run(self._helm, queue.put_off, claim, self.settings.poll_interval)
                continue
            task = asyncio.create_task(self._pass(claim, self.chain[place]))
            self.in_flight[task] = (claim, place)
            task.add_done_callback(self._done)
        due = await self._run(self._helm, queue.next_due)
        if due is not None and not room:  # what is due waits for the end of a pause, or of a call, which wakes us
            pauses = [may.paused_seconds for may in allowed if may.paused_seconds is not None]
            due = max(due, min(pauses, default=self.settings.poll_interval))
        return None if due is None else max(due, 0.0)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.in_flight.pop(task, None)
        self._woken.set()

    async def _pass(self, claim: Claim, step: Step) -> None:
        """Run one pass to its end. Nothing escapes: what fails is on the work row, or its lease runs out."""
        started = time.monotonic()
        prepared: Prepared | None = None
        completion: Completion | None = None
        note = log.bind(
            pass_id=ids.encode(claim.token),
            app=ids.encode(claim.app_id),
            line=ids.encode(claim.line_id),
            kind=claim.kind,
        )
        try:
            prepared = await self._database(passes.prepare, claim, step)
            if prepared is None:
                return
            completion = await self._ask(step.provider, prepared.request)
            representation = await self._database(passes.complete, prepared, completion)
        except LostLease:
            note.warning("lease_lost")
            if prepared is not None and completion is not None:
                await self._try(passes.write_off, prepared, completion.usage)
        except ProviderError as error:
            note.warning(
                "pass_failed",
                provider=step.name,
                failure=error.failure,
                seconds=round(time.monotonic() - started, 3),
            )
            await self._record(claim, error, prepared)
        except Conflict as error:
            usage = None if completion is None else completion.usage
            await self._record(claim, ProviderError(Failure.TRANSIENT, error.message, usage=usage), prepared)
        except passes.AWAY as error:
            note.warning("database_unavailable", error=type(error).__name__)  # the lease runs out, others go on
        except (Refusal, Exception) as error:
            # Not the message: a database's error tells the row, and with it what was said.
            note.error("pass_broken", error=type(error).__name__, where=_where(error))
            usage = None if completion is None else completion.usage
            text = f"{type(error).__name__} in {_where(error)}"
            await self._record(claim, ProviderError(Failure.OURS, text, usage=usage), prepared)
        else:
            note.info(
                "pass_ended",
                status=representation.status if representation else "unchanged",
                version=representation.number if representation else None,
                events=len(prepared.events),
                seconds=round(time.monotonic() - started, 3),
            )

    async def _ask(self, provider: Provider, request: Request) -> Completion:
        """Call the provider, and let every worker know how it is."""
        try:
            completion = await provider.answer(request)
        except ProviderError as error:
            await self._database(circuit.failed, provider.name, error)
            raise
        await self._database(circuit.succeeded, provider.name)
        return completion

    async def _record(self, claim: Claim, error: ProviderError, prepared: Prepared | None) -> None:
        try:
            await self._database(passes.fail, claim, error, prepared)
        except DatabaseError as fault:
            log.error("failure_not_recorded", pass_id=ids.encode(claim.token), error=type(fault).__name__)

    async def _settle(self) -> None:
        """Wait for what is in flight, as long as a call may take; give back what is still not done then."""
        if self.in_flight:
            await asyncio.wait(self.in_flight, timeout=self.settings.model_timeout)
        left = list(self.in_flight.items())
        for task, _ in left:
            task.cancel()
        if left:
            await asyncio.gather(*(task for task, _ in left), return_exceptions=True)
            await self._try(queue.release, [claim for _, (claim, _) in left])

    async def _beat(self) -> None:
        """Say that this worker lives, and hold its leases."""
        period = min(BEAT_SECONDS, self.settings.lease_seconds / 3)
        while True:
            try:
                await self._run(self._heart, _beat_worker, self.name, len(self.in_flight))
                if self.in_flight:
                    tokens = [claim.token for claim, _ in self.in_flight.values()]
                    await self._run(self._heart, queue.renew, tokens)
            except DatabaseError as error:
                log.warning("heartbeat_missed", error=type(error).__name__)
            await asyncio.sleep(period)

    async def _do_chores(self) -> None:
        """Do what is to be done beside the passes, and look at once for the work that it made."""
        while True:
            try:
                if await self._run(self._side, self.chores.run):
                    self._woken.set()
            except DatabaseError as error:
                log.warning("database_unavailable", error=type(error).__name__)
            await asyncio.sleep(_BREATH_SECONDS if self.chores.going_on else CHORE_SECONDS)

    async def _listen(self) -> None:
        """Wake up when somebody says that there is work. Without it the poll interval finds everything."""
        while True:
            try:
                parameters = await self._database(_connection_parameters)
                listener = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
                async with listener:
                    if await _is_pooled(listener):
                        log.warning("connection_pooled", hint=_POOLED)
                    await listener.execute(f"LISTEN {WAKE_CHANNEL}; LISTEN {STOP_CHANNEL}")
                    self._woken.set()
                    async for notice in listener.notifies():
                        if notice.channel == STOP_CHANNEL and notice.payload == self.stop_word:
                            self.stopping = True
                        self._look_again_until = time.monotonic() + 2 * WAKE_SPACING_SECONDS
                        self._woken.set()
            except (psycopg.Error, DatabaseError, OSError) as error:
                log.warning("not_listening", error=type(error).__name__)
            await asyncio.sleep(1.0)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), timeout=seconds)

    async def _database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in a thread that has a database connection."""
        return await self._run(self._threads, function, *args, **kwargs)

    async def _run(self, threads: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: _with_healthy_connection(function, *args, **kwargs))

    async def _try(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run ``function`` as ``_database`` does; a database that is away then is no reason not to end."""
        try:
            await self._database(function, *args, **kwargs)
        except DatabaseError as error:
            log.warning("database_unavailable", error=type(error).__name__)

    async def _close(self) -> None:
        pools = ((self._threads, self.settings.worker_concurrency), (self._helm, 1), (self._heart, 1), (self._side, 1))
        for threads, count in pools:
            everyone = threading.Barrier(count)
            for _ in range(count):
                threads.submit(_close_connection, everyone)
            threads.shutdown(wait=True)
        for step in self.chain:
            close = getattr(step.provider, "close", None)
            if close is not None:
                await close()


@receiver(connection_created)
def _do_not_hold_locks_when_frozen(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Let the database end what a drainer began and, frozen or cut off, does not go on with.

    Its locks would hold its lines for as long as it stands still, however long ago their leases ran out.
    """
    if threading.current_thread().name.startswith(_THREADS):
        with connection.cursor() as cursor:
            milliseconds = int(ReasoningSettings.load().lease_seconds * 1_000)
            cursor.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")


@receiver(connection_created)
def _keep_plans(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Let the database keep the plans of what passes ask again and again (``memory.statements``).

    A pooler may take the next statement to another server process, which has no such plan.
    """
    if threading.current_thread().name.startswith(_THREADS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            if cursor.fetchone()[0] == connection.connection.info.backend_pid:
                connection.connection.prepare_threshold = _PLANNED_TIMES


def _with_healthy_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


def _close_connection(everyone: threading.Barrier) -> None:
    """Close this thread's connection; wait for the others, so that no thread does it twice and none not at all."""
    connections.close_all()
    with contextlib.suppress(threading.BrokenBarrierError):
        everyone.wait(_CLOSE_SECONDS)


async def _end(helpers: list[asyncio.Task[None]]) -> None:
    """Cancel tasks, and let go of them: a connection that one was making is closed when nothing holds it any more."""
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    helpers.clear()


async def _is_pooled(listener: psycopg.AsyncConnection[Any]) -> bool:
    """Say whether somebody stands between us and the server: another process answers than the one we were told of."""
    cursor = await listener.execute("SELECT pg_backend_pid()")
    row = await cursor.fetchone()
    return row is not None and row[0] != listener.info.backend_pid


def _connection_parameters() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    for key in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(key, None)
    return parameters


def _beat_worker(name: str, in_flight: int) -> None:
    now = clock.now()
    Worker.objects.update_or_create(
        name=name,
        defaults={"beat_at": now, "in_flight": in_flight},
        create_defaults={"beat_at": now, "in_flight": in_flight, "started_at": now},
    )


def _forget_silent_workers() -> None:
    Worker.objects.filter(beat_at__lt=clock.now() - _SILENT).delete()


def _forget_worker(name: str) -> None:
    Worker.objects.filter(name=name).delete()


def _where(error: BaseException) -> str:
    """Return the function that raised ``error``: enough to find a bug, and no content."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
