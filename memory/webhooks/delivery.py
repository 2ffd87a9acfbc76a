"""Sending what the outbox holds, at least once and in no promised order.

A delivery is claimed for a while in one short transaction, sent while no connection is held, and what became of it is
noted in another. Who dies between the two has its delivery sent again, under the same event id, when the lease has run
out. Any number of processes may do so.
"""

from __future__ import annotations

import json
import os
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, connections, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from memory import clock, ids
from memory.models import WebhookDelivery, WebhookEndpoint
from memory.webhooks import endpoints, sending, signing
from memory.webhooks.sending import Answer

log = structlog.get_logger("honcho.webhooks")

SCHEDULE = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)
"""After so many seconds, a fifth more or less, an attempt follows the one that failed: over some 28 hours."""

MOST_ATTEMPTS = len(SCHEDULE) + 1
LONGEST_WAIT = 86_400.0
"""The most seconds that a receiver may ask to wait (``Retry-After``)."""

FAILING = timedelta(days=3)
MOST_FAILURES = 10
"""An endpoint is disabled where nothing has arrived for that time and at least so many attempts have failed."""

LEASE_SECONDS = 120
THREADS = 8
AT_ONCE = 2
"""How many attempts an endpoint has at a time, so that a slow one does not hold up the others."""

KEPT = timedelta(days=30)
"""For how long it is kept what became of a delivery."""

State = WebhookDelivery.State

# First those of whose app, and then to whom, least is under way: receivers that stall keep no others from being told.
_CLAIM = """
WITH each AS (
    SELECT endpoint.id, endpoint.app_id, (
               SELECT count(*) FROM memory_webhookdelivery busy
                WHERE busy.endpoint_id = endpoint.id AND busy.state = 'sending'
                  AND busy.due_at > statement_timestamp()) AS busy
      FROM memory_webhookendpoint endpoint
     WHERE EXISTS (SELECT FROM memory_webhookdelivery WHERE due_at <= statement_timestamp())
), room AS (
    SELECT id, %(at_once)s - busy AS free FROM each
     ORDER BY sum(busy) OVER (PARTITION BY app_id), busy, random()
), chosen AS (
    SELECT due.id FROM room CROSS JOIN LATERAL (
        SELECT id FROM memory_webhookdelivery
         WHERE endpoint_id = room.id AND due_at <= statement_timestamp()
         ORDER BY due_at LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED) due
     LIMIT %(most)s
)
UPDATE memory_webhookdelivery delivery
   SET state = 'sending', lease = %(lease)s, attempts = delivery.attempts + 1,
       attempted_at = clock_timestamp(), due_at = clock_timestamp() + make_interval(secs => %(seconds)s)
  FROM chosen WHERE delivery.id = chosen.id
RETURNING delivery.id
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery, with all that it takes to send it; without a URL it is given up, for what ``error`` says."""

    delivery_id: UUID
    endpoint_id: UUID
    lease: UUID
    attempts: int
    url: str
    headers: dict[str, str]
    body: bytes
    error: str = ""


def claim(most: int) -> list[Parcel]:
    """Claim up to ``most`` deliveries that are due, a few of each endpoint, and return them signed."""
    lease = ids.uuid7()
    asked: dict[str, Any] = {"lease": lease, "most": most, "at_once": AT_ONCE, "seconds": LEASE_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, asked)
        claimed = [row[0] for row in cursor.fetchall()]
    if not claimed:
        return []
    return [_packed(row, lease) for row in WebhookDelivery.objects.filter(pk__in=claimed).select_related("endpoint")]


def _packed(row: WebhookDelivery, lease: UUID) -> Parcel:
    if not row.endpoint.enabled:
        return Parcel(row.pk, row.endpoint_id, lease, row.attempts, "", {}, b"", "endpoint_disabled")
    if row.attempts > MOST_ATTEMPTS:
        return Parcel(row.pk, row.endpoint_id, lease, row.attempts, "", {}, b"", "lost")
    now = clock.now()
    body = json.dumps(row.payload, ensure_ascii=False, separators=(",", ":")).encode()
    signed_with = endpoints.secrets_of(row.endpoint, now)
    headers = signing.headers(ids.encode(row.event_id), int(now.timestamp()), body, signed_with)
    return Parcel(row.pk, row.endpoint_id, lease, row.attempts, row.endpoint.url, headers, body)


@transaction.atomic
def record(parcel: Parcel, answer: Answer) -> None:
    """Note what became of an attempt; nothing where its lease has run out and another has claimed it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM memory_webhookendpoint WHERE id = %s FOR KEY SHARE", [parcel.endpoint_id])
    held = WebhookDelivery.objects.select_for_update(no_key=True).filter(pk=parcel.delivery_id, lease=parcel.lease)
    row = held.first()
    if row is None:
        return
    row.status, row.error, row.lease, row.due_at = answer.status, answer.error, None, None
    final = parcel.error or answer.status == 410 or row.attempts >= MOST_ATTEMPTS
    if not answer.error:
        row.state = State.DELIVERED
    elif final:
        row.state = State.FAILED
    else:
        row.state = State.WAITING
        row.due_at = clock.now() + timedelta(seconds=_wait(row.attempts, answer.retry_after))
    row.save(update_fields=["state", "status", "error", "lease", "due_at"])
    if not parcel.error:
        _judge(parcel.endpoint_id, answer)


def _wait(attempts: int, asked: float) -> float:
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
    return max(SCHEDULE[attempts - 1] * jitter, min(asked, LONGEST_WAIT))


def _judge(endpoint_id: UUID, answer: Answer) -> None:
    """Count what became of an attempt for its endpoint, and disable one that is gone or has failed for long."""
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id)
    if not answer.error:
        endpoint.filter(failures__gt=0).update(failures=0, failing_since=None)
        return
    endpoint.update(failures=F("failures") + 1, failing_since=Coalesce("failing_since", Now()))
    enabled = endpoint.filter(enabled=True)
    if answer.status == 410:
        enabled.update(enabled=False, disabled_reason="It answered that it is gone (410).")
        return
    hopeless = enabled.filter(failures__gte=MOST_FAILURES, failing_since__lt=Now() - FAILING)
    hopeless.update(enabled=False, disabled_reason=f"Nothing has arrived for {FAILING.days} days.")


class Courier:
    """Sends what is due in threads of its own."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="honcho-webhooks")
        self._most = threads
        self._lock = threading.Lock()
        self._under_way: set[Future[None]] = set()

    def start(self) -> int:
        """Begin with as many of the deliveries that are due as there are threads free; return how many those are."""
        with self._lock:
            self._under_way = {each for each in self._under_way if not each.done()}
            free = self._most - len(self._under_way)
            parcels = claim(free) if free else []
            self._under_way |= {self._threads.submit(_carry, parcel) for parcel in parcels}
        return len(parcels)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until what is under way has ended, or for so many seconds."""
        wait(set(self._under_way), seconds)

    def close(self) -> None:
        """Wait for what is under way, and let the threads go."""
        self._threads.shutdown()


_couriers: dict[int, Courier] = {}


def start_due() -> bool:
    """Begin to send what is due and return at once, with whether anything was: for a loop that has more to do."""
    process = os.getpid()  # threads do not survive a fork
    if process not in _couriers:
        _couriers[process] = Courier()
    return _couriers[process].start() > 0


def deliver_due() -> int:
    """Send all that is due and return how many attempts that were, when they have ended."""
    courier, total = Courier(), 0
    try:
        while begun := courier.start():
            total += begun
            courier.wait()
    finally:
        courier.close()
    return total


def prune() -> int:
    """Delete what became of deliveries long ago, a batch at a time, and return how many they were."""
    old = WebhookDelivery.objects.filter(due_at=None, created_at__lt=clock.now() - KEPT)
    total = 0
    while batch := list(old.values_list("pk", flat=True)[:_BATCH]):
        total += WebhookDelivery.objects.filter(pk__in=batch, due_at=None).delete()[0]
    return total


_BATCH = 5_000


def _carry(parcel: Parcel) -> None:
    """Send one delivery and note what became of it. No connection to the database is held while it is sent."""
    note = log.bind(
        delivery=ids.encode(parcel.delivery_id), endpoint=ids.encode(parcel.endpoint_id), attempt=parcel.attempts
    )
    try:
        answer = Answer(None, parcel.error) if parcel.error else sending.post(parcel.url, parcel.headers, parcel.body)
        record(parcel, answer)
    except Exception as error:
        # It is sent again when its lease has run out. Not the message: it may tell where to, or what.
        note.warning("webhook_broken", error=type(error).__name__)
    else:
        note.info("webhook_sent", status=answer.status, error=answer.error)
    finally:
        connections.close_all()
