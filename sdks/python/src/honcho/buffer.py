"""Events that are sent in the background, many at once."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import uuid
import weakref
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, Callable, Optional

from honcho._attempts import backoff, retry_after
from honcho._call import Call, When, as_is, encode, given
from honcho._outbox import MOST_BYTES, MOST_EVENTS, Entry, Lane, Outbox, Place, body_of, events_of
from honcho._transport import SyncTransport
from honcho.errors import APIStatusError, BufferFullError, HonchoError, UnsentEventsError

logger = logging.getLogger("honcho.buffer")

LONGEST_PAUSE = 30.0
LONGEST_PAUSE_IN_A_HURRY = 1.0
LOOK_FOR_ROOM = 0.02
_SPLITTABLE = (403, 409, 413, 422)
"""Refusals that may mean one event of many."""


@dataclass(frozen=True)
class FailedEvents:
    """Events that did not get into the log, as they were added, and where they were to go."""

    app_id: str
    user_id: Optional[str]
    session_id: Optional[str]
    project_id: Optional[str]
    events: list[dict[str, Any]]


OnError = Callable[[FailedEvents, HonchoError], None]


@dataclass(frozen=True)
class BufferOptions:
    """See :class:`Buffer`. Times are in seconds."""

    app_id: str
    user_id: Optional[str]
    session_id: Optional[str]
    project_id: Optional[str]
    flush_events: int
    flush_seconds: float
    max_events: int
    max_bytes: int
    when_full: str
    exit_seconds: float
    on_error: Optional[OnError]

    def __post_init__(self) -> None:
        """Refuse what would never send anything."""
        if self.when_full not in ("block", "raise"):
            raise ValueError("when_full is 'block' or 'raise'")
        if min(self.flush_events, self.max_events, self.max_bytes) < 1:
            raise ValueError("flush_events, max_events and max_bytes are at least 1")


class Buffer:
    """Takes events at once and sends them in the background, from one thread, many in one request.

    A place's events (a session's, say) go out once there are ``flush_events`` of them, or the first has waited
    ``flush_seconds``; and on ``flush``, ``close``, the end of a ``with`` block, or the end of the program. Within a
    place they keep their order. Each event has an id of the client's: one that is sent again is stored once.

    While the server cannot be reached or fails, events wait and are sent again until it is back. At most ``max_events``
    and ``max_bytes`` wait: then ``add`` blocks (``when_full="block"``) or raises :class:`BufferFullError`
    (``"raise"``). What the server refuses for good (a value that it cannot take, a key that opens nothing) goes to
    ``on_error`` with the reason, or into the log (the number, never the content), and holds up nothing else.

    What waits is in memory alone: a process that is killed loses it. After a fork the child begins with an empty
    buffer; what waited is the parent's to send. Threads may share a buffer.
    """

    def __init__(self, transport: SyncTransport, options: BufferOptions) -> None:
        own_retries = replace(transport.settings, max_retries=0)
        self._transport = transport.with_settings(own_retries)
        self._options = options
        self._begin()
        _alive.add(self)
        atexit.register(self._at_exit)

    def _begin(self) -> None:
        """Begin with nothing: at first, and in the child of a fork."""
        self._changed = threading.Condition()
        self._outbox = Outbox()
        self._thread: Optional[threading.Thread] = None
        self._flush_to = 0
        self._closing = False
        self._stopped = False
        self._not_before = 0.0
        self._failures = 0

    @property
    def waiting(self) -> int:
        """How many events are still to be stored."""
        return self._outbox.count

    def add(
        self,
        content: Optional[str] = None,
        *,
        kind: Optional[str] = None,
        is_user: Optional[bool] = None,
        data: Any = None,
        metadata: Optional[dict[str, Any]] = None,
        author: Optional[str] = None,
        origin: Optional[str] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
        project: Optional[str] = None,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        project_id: Optional[str] = None,
    ) -> str:
        """Take an event and return its id. It is a message unless ``kind`` says otherwise, and has occurred now.

        Raises TypeError or ValueError for what JSON cannot hold or no place is named for, :class:`BufferFullError`
        where there is no room and ``when_full`` is ``raise``.
        """
        return self._add(
            given(
                content=content,
                kind=kind,
                is_user=is_user,
                data=data,
                metadata=metadata,
                author=author,
                origin=origin,
                id=id,
                occurred_at=occurred_at,
                project=project,
            ),
            self._place(user_id, session_id, project_id),
            wait=self._options.when_full == "block",
        )

    def flush(self, timeout: Optional[float] = None) -> None:
        """Send what was added until now, and return once it is stored or refused.

        Raises :class:`UnsentEventsError` after ``timeout`` seconds; what is left goes on being sent.
        """
        with self._changed:
            target = self._outbox.last
            self._flush_to = max(self._flush_to, target)
            self._hurry()
            if not self._changed.wait_for(lambda: self._stopped or not self._outbox.holds(target), timeout):
                raise UnsentEventsError(self._outbox.count)

    def close(self, timeout: Optional[float] = None) -> None:
        """Send what is left and take no more.

        After ``timeout`` seconds (None: as long as it takes) what could not be sent goes to ``on_error``, and
        :class:`UnsentEventsError` is raised.
        """
        with self._changed:
            self._closing = True
            self._hurry()
            done = self._changed.wait_for(lambda: self._stopped or not self._outbox.count, timeout)
            left = [] if done else [(lane, list(lane.entries)) for lane in self._outbox.lanes()]
            self._stopped = True
            self._changed.notify_all()
        atexit.unregister(self._at_exit)
        if done and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if left:
            error = UnsentEventsError(sum(len(entries) for _, entries in left))
            for lane, entries in left:
                self._report(lane, entries, error)
            raise error

    def __enter__(self) -> Buffer:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close(self._options.exit_seconds)

    def _at_exit(self) -> None:
        try:
            self.close(self._options.exit_seconds)
        except UnsentEventsError as error:
            logger.error("%s", error)

    # --- taking

    def _place(self, user_id: Optional[str], session_id: Optional[str], project_id: Optional[str]) -> Place:
        options = self._options
        if user_id is None and session_id is None and project_id is None:
            return Place(options.app_id, options.user_id, options.session_id, options.project_id)
        if project_id is not None:
            return Place(options.app_id, user_id, session_id, project_id)
        return Place(options.app_id, user_id or options.user_id, session_id, None)

    def _add(self, event: dict[str, Any], place: Place, *, wait: bool) -> str:
        place.address()  # what is no place is refused before it is taken
        event.setdefault("id", str(uuid.uuid4()))
        event.setdefault("occurred_at", datetime.now(timezone.utc))
        encoded = encode(event)
        most = min(MOST_BYTES, self._options.max_bytes) - 2
        if len(encoded) > most:
            raise ValueError(f"The event has {len(encoded):,} bytes as JSON; at most {most:,} can be sent")
        with self._changed:
            self._check_open()
            if not self._has_room(encoded):
                self._flush_to = self._outbox.last
                self._changed.notify_all()
                # The sender cannot wait for itself: on_error runs in its thread.
                if not wait or threading.current_thread() is self._thread:
                    raise BufferFullError(f"{self._outbox.count:,} events wait in the buffer, which is all it may hold")
                self._changed.wait_for(lambda: self._closing or self._has_room(encoded))
                self._check_open()
            now = time.monotonic()
            lane = self._outbox.add(place, encoded, now)
            if self._thread is None:
                self._start()
            if len(lane.entries) == 1 or self._ready_in(lane, now) <= 0:  # else it is waited for already
                self._changed.notify_all()
        return str(event["id"])

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="honcho-buffer", daemon=True)
        self._thread.start()
        if parent_process() is not None:  # multiprocessing's processes end without atexit
            Finalize(None, self._at_exit, exitpriority=0)

    def _check_open(self) -> None:
        if self._closing:
            raise HonchoError("The buffer is closed")

    def _has_room(self, encoded: bytes) -> bool:
        box, options = self._outbox, self._options
        return box.count < options.max_events and box.size + len(encoded) <= options.max_bytes

    def _hurry(self) -> None:
        """Have what waits for another attempt tried now."""
        self._not_before = 0.0
        for lane in self._outbox.lanes():
            lane.not_before = 0.0
        self._changed.notify_all()

    # --- sending

    def _run(self) -> None:
        try:
            self._send_until_stopped()
        finally:
            self._transport.close()

    def _send_until_stopped(self) -> None:
        while True:
            with self._changed:
                lane = self._next_lane()
                if lane is None:
                    return
                batch = lane.batch()
            error = self._send(lane, batch)
            refused: list[Entry] = []
            if isinstance(error, APIStatusError):
                refused = _refused_for_good(error, batch)
                if refused and not self._stopped:  # reported before they are forgotten: close waits for both
                    self._report(lane, refused, error)
            with self._changed:
                if self._stopped:
                    return
                self._settle(lane, batch, error, refused)
                self._outbox.pass_turn(lane)
                self._changed.notify_all()

    def _next_lane(self) -> Optional[Lane]:
        """Wait for a lane that shall be sent; None when the buffer is closed."""
        while not self._stopped:
            now, soonest = time.monotonic(), None
            for lane in self._outbox.lanes():
                ready_in = self._ready_in(lane, now)
                if ready_in <= 0:
                    return lane
                soonest = ready_in if soonest is None else min(soonest, ready_in)
            self._changed.wait(soonest)
        return None

    def _ready_in(self, lane: Lane, now: float) -> float:
        """Return in how many seconds a lane shall be sent."""
        first = lane.entries[0]
        pause = max(self._not_before, lane.not_before) - now
        full = len(lane.entries) >= min(self._options.flush_events, MOST_EVENTS) or lane.size >= MOST_BYTES // 2
        asked = self._closing or first.number <= self._flush_to
        return max(pause, 0.0 if full or asked else first.added + self._options.flush_seconds - now)

    def _send(self, lane: Lane, batch: list[Entry]) -> Optional[Exception]:
        """Return what went wrong, None where the events are stored."""
        try:
            self._transport.send(Call("POST", lane.address, as_is, content=body_of(batch), writes=True))
        except HonchoError as error:
            return error
        except Exception as error:  # whatever it is, the events must not die with the thread
            logger.exception("A batch of events could not be sent")
            return error
        return None

    def _settle(self, lane: Lane, batch: list[Entry], error: Optional[Exception], refused: list[Entry]) -> None:
        """Note what became of a batch; what is neither stored nor refused for good stays."""
        if error is None:
            self._outbox.take_out(lane, batch)
            lane.most = min(lane.most * 2, MOST_EVENTS)
            self._failures = lane.failures = 0
        elif refused:
            self._outbox.take_out(lane, refused)
        elif _for_good(error):
            lane.most = len(batch) // 2
        else:
            self._pause(lane, error)

    def _pause(self, lane: Lane, error: Exception) -> None:
        """Let the lane wait, or everything where it is not the lane's fault."""
        status = error.status_code if isinstance(error, APIStatusError) else None
        of_lane = status is not None and status not in (429, 503)
        if of_lane:
            lane.failures += 1
        else:
            self._failures += 1
        pause = backoff(lane.failures if of_lane else self._failures, LONGEST_PAUSE)
        if isinstance(error, APIStatusError):
            pause = max(pause, min(retry_after(error) or 0.0, LONGEST_PAUSE))
        if self._closing or self._flush_to >= lane.entries[0].number:
            pause = min(pause, LONGEST_PAUSE_IN_A_HURRY)
        until = time.monotonic() + pause
        if of_lane:
            lane.not_before = until
        else:
            self._not_before = until

    def _report(self, lane: Lane, entries: list[Entry], error: HonchoError) -> None:
        if self._options.on_error is None:
            logger.error("%d events were not stored: %s", len(entries), error)
            return
        try:
            self._options.on_error(FailedEvents(*lane.place, events=events_of(entries)), error)
        except Exception:
            logger.exception("on_error failed; %d events were not stored", len(entries))


class AsyncBuffer:
    """A :class:`Buffer` for asyncio: ``add`` never blocks the event loop.

    It sends from a thread too, so that a busy loop does not hold it up and the end of the program finds it working. Its
    connections are its own: an ``http_client`` that the client was given does not serve it.
    """

    def __init__(self, transport: SyncTransport, options: BufferOptions) -> None:
        self._buffer = Buffer(transport, options)
        self._when_full = options.when_full

    @property
    def waiting(self) -> int:
        """How many events are still to be stored."""
        return self._buffer.waiting

    async def add(
        self,
        content: Optional[str] = None,
        *,
        kind: Optional[str] = None,
        is_user: Optional[bool] = None,
        data: Any = None,
        metadata: Optional[dict[str, Any]] = None,
        author: Optional[str] = None,
        origin: Optional[str] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
        project: Optional[str] = None,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        project_id: Optional[str] = None,
    ) -> str:
        """Take an event and return its id; see :meth:`Buffer.add`. Where there is no room it waits for some."""
        event = given(
            content=content,
            kind=kind,
            is_user=is_user,
            data=data,
            metadata=metadata,
            author=author,
            origin=origin,
            id=id or str(uuid.uuid4()),
            occurred_at=occurred_at or datetime.now(timezone.utc),
            project=project,
        )
        place = self._buffer._place(user_id, session_id, project_id)
        while True:
            try:
                return self._buffer._add(event, place, wait=False)
            except BufferFullError:
                if self._when_full == "raise":
                    raise
            await asyncio.sleep(LOOK_FOR_ROOM)

    async def flush(self, timeout: Optional[float] = None) -> None:
        """Send what was added until now; see :meth:`Buffer.flush`."""
        await asyncio.to_thread(self._buffer.flush, timeout)

    async def close(self, timeout: Optional[float] = None) -> None:
        """Send what is left and take no more; see :meth:`Buffer.close`."""
        await asyncio.to_thread(self._buffer.close, timeout)

    async def __aenter__(self) -> AsyncBuffer:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await asyncio.to_thread(self._buffer.__exit__, kind, error, trace)


def _for_good(error: Exception) -> bool:
    """Say whether sending again is in vain: this server, not something in front of it, has refused what was sent.

    What is too long is so for a proxy too: it may pass in parts.
    """
    if not isinstance(error, APIStatusError):
        return False
    if not error.code:
        return error.status_code == 413
    return error.status_code < 500 and error.status_code not in (408, 425, 429)


def _refused_for_good(error: APIStatusError, batch: list[Entry]) -> list[Entry]:
    """Return the events that sending again is in vain for; none where it may be one of many, and not said which."""
    if not _for_good(error):
        return []
    named = _named_event(error, batch)
    if named is not None:
        return [named]
    return [] if len(batch) > 1 and error.status_code in _SPLITTABLE else batch


def _named_event(error: APIStatusError, batch: list[Entry]) -> Optional[Entry]:
    """Return the event that a refusal names by its place in the list, None where it names none."""
    problems = error.detail if isinstance(error.detail, list) else []
    where = problems[0].get("loc", []) if problems and isinstance(problems[0], dict) else []
    if len(where) > 1 and isinstance(where[1], int) and 0 <= where[1] < len(batch):
        return batch[where[1]]
    return None


_alive: weakref.WeakSet[Buffer] = weakref.WeakSet()


def _after_fork() -> None:
    for buffer in _alive:
        buffer._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
