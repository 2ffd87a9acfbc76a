"""Leases: claiming due work rows, holding them, giving them back.

Nothing here calls a model, and no lock outlives its transaction: what holds during a model call is the lease, a
token in the row. Whoever has lost it publishes nothing. Lock order everywhere: subject, line, work row, pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from memory import clock, statements
from memory.models import Subject
from memory.statements import Columns
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, Reprocess, Work


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased work row. ``token`` fences: it is also the id of the pass. ``bulk`` work yields to other work."""

    line_id: UUID
    token: UUID
    kind: str
    attempts: int
    app_id: UUID
    step: int = 0
    bulk: bool = False


class LostLease(Exception):
    """Somebody else holds the work row now; nothing of this pass may be kept."""


# Tenants take turns: an app's place is what it has in flight already, so that one's flood does not delay another. The
# apps that have something due are found by hopping over the index from one to the next.
_CLAIM = """
WITH RECURSIVE apps AS (
    (SELECT app_id FROM reasoning_work WHERE due_at <= now() AND NOT bulk ORDER BY app_id LIMIT 1)
    UNION ALL
    SELECT (SELECT app_id FROM reasoning_work WHERE due_at <= now() AND NOT bulk AND app_id > apps.app_id
             ORDER BY app_id LIMIT 1)
      FROM apps WHERE app_id IS NOT NULL
), busy AS (
    SELECT app_id, count(*) AS leased FROM reasoning_work WHERE state = 'leased' AND due_at > now() AND NOT bulk
     GROUP BY 1
), ranked AS (
    SELECT first.id, first.due_at, coalesce(busy.leased, 0) + first.place AS turn
      FROM apps LEFT JOIN busy USING (app_id) CROSS JOIN LATERAL (
           SELECT id, due_at, row_number() OVER (ORDER BY due_at) AS place FROM reasoning_work
            WHERE app_id = apps.app_id AND due_at <= now() AND NOT bulk ORDER BY due_at LIMIT %(limit)s) first
     ORDER BY turn, due_at LIMIT 2 * %(limit)s
), due AS (
    SELECT work.id, work.state FROM reasoning_work work JOIN ranked USING (id)
     WHERE work.due_at <= now() ORDER BY ranked.turn, ranked.due_at LIMIT %(limit)s FOR UPDATE OF work SKIP LOCKED
)"""

# Bulk work of one run, or of none: oldest first.
_CLAIM_BULK = """
WITH due AS (
    SELECT id, state FROM reasoning_work
     WHERE bulk AND due_at <= now() AND {run} ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)"""

_OF_RUN, _OF_NO_RUN = "run_id = %(run)s", "run_id IS NULL"

_LEASE = """
, leased AS (
    UPDATE reasoning_work work
       SET state = 'leased', lease_token = gen_random_uuid(), leased_by = %(worker)s, attempts = attempts + 1,
           due_at = now() + make_interval(secs => %(lease)s)
      FROM due WHERE work.id = due.id
    RETURNING work.line_id, work.lease_token, work.kind, work.attempts, work.app_id, work.step, work.bulk,
              work.run_id, due.state = 'leased' AS expired
), begun AS (
    INSERT INTO reasoning_pass (id, line_id, run_id, outcome, failure, error, raw, provider, model,
                                input_tokens, output_tokens, cached_tokens, worker)
    SELECT lease_token, line_id, run_id, 'running', '', '', '', '', '', 0, 0, 0, %(worker)s FROM leased
)
SELECT line_id, lease_token, kind, attempts, app_id, step, bulk, expired FROM leased
"""

# A statement of its own: it must see the pass of a lease that was given and ran out while the claim waited to begin.
_ABANDON = """
UPDATE reasoning_pass SET outcome = 'abandoned', ended_at = now(), failure = 'lost_lease',
       error = 'Its worker died, or lost the lease.'
 WHERE outcome = 'running' AND line_id = ANY(%(lines)s) AND id <> ALL(%(tokens)s)
"""


def claim(limit: int, worker: str, bulk: int | None = None) -> list[Claim]:
    """Lease up to ``limit`` due rows, apps in turn and oldest first, and begin a pass for each.

    An expired lease is due like any other. Bulk work gets what room is left, ``bulk`` rows of it at most, shared among
    its runs.
    """
    values: dict[str, str | float | UUID | None] = {"worker": worker, "lease": ReasoningSettings.load().lease_seconds}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM + _LEASE, values | {"limit": limit})
        rows = cursor.fetchall()
        room = limit - len(rows) if bulk is None else min(bulk, limit - len(rows))
        open_runs = _open_runs() if room > 0 else []
        for place, run in enumerate(open_runs):
            share = -(-room // (len(open_runs) - place))
            which = _OF_NO_RUN if run.pk is None else _OF_RUN
            cursor.execute(
                _CLAIM_BULK.format(run=which) + _LEASE, values | {"run": run.pk, "limit": min(share, run.room)}
            )
            found = cursor.fetchall()
            rows += found
            room -= len(found)
        return _begun(cursor, rows)


def claim_of(run: Reprocess, limit: int, worker: str, seconds: float) -> list[Claim]:
    """Lease up to ``limit`` due rows of one run, as many as may begin now, and begin a pass for each.

    The leases hold for so many seconds.
    """
    room = min(limit, _room_of(run))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _CLAIM_BULK.format(run=_OF_RUN) + _LEASE,
            {"run": run.pk, "limit": room, "worker": worker, "lease": seconds},
        )
        return _begun(cursor, cursor.fetchall())


def _begun(cursor: CursorWrapper, rows: Sequence[tuple[Any, ...]]) -> list[Claim]:
    """Return what was leased; the passes whose leases had run out are given up."""
    claims = [Claim(*row) for *row, _ in rows]
    taken_over = [claim.line_id for claim, (*_, expired) in zip(claims, rows, strict=True) if expired]
    if taken_over:
        cursor.execute(_ABANDON, {"lines": taken_over, "tokens": [claim.token for claim in claims]})
    return claims


def renew(tokens: Iterable[UUID]) -> None:
    """Hold the leases with these tokens for another full term."""
    term = timedelta(seconds=ReasoningSettings.load().lease_seconds)
    with transaction.atomic():
        rows = Work.objects.select_for_update().filter(lease_token__in=list(tokens)).order_by("pk")
        Work.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=clock.now() + term)


@transaction.atomic
def renew_of(run: Reprocess, tokens: Collection[UUID], seconds: float) -> None:
    """Hold the leases of a run with these tokens for so many seconds, where less than half of that is left."""
    now = clock.now()
    soon = now + timedelta(seconds=seconds / 2)
    ending = Work.objects.filter(run=run, bulk=True, due_at__lt=soon, lease_token__in=tokens)
    rows = list(ending.select_for_update().order_by("pk").values_list("pk", flat=True))
    Work.objects.filter(pk__in=rows).update(due_at=now + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class _OpenRun:
    """A run whose work may be done, or (without a key) bulk work of none; ``room`` is how many passes may begin."""

    pk: UUID | None
    room: int


_UNLIMITED = 1_000_000


def _open_runs() -> list[_OpenRun]:
    """Return the runs whose work may be done now, and bulk work of none."""
    found = [_OpenRun(None, _UNLIMITED)]
    runs = Reprocess.objects.filter(
        state__in=[Reprocess.State.RUNNING, Reprocess.State.DONE], carrier=Reprocess.Carrier.CALLS
    )
    return found + [_OpenRun(run.pk, _room_of(run)) for run in runs.order_by("pk")]


def _room_of(run: Reprocess) -> int:
    """Return how many passes of a run may begin now."""
    if run.passes_per_minute is None:
        return _UNLIMITED
    begun = Pass.objects.filter(run=run, started_at__gt=clock.now() - timedelta(minutes=1)).count()
    return max(run.passes_per_minute - begun, 0)


def next_due() -> float | None:
    """Return in how many seconds the next row is due, whether it waits or its lease ends; below 0 where one is late.

    Held work is none to wait for: when its period ends, any look finds it.
    """
    due = [_due_in("NOT bulk")]
    for run in _open_runs():
        seconds = _due_in(f"bulk AND {_OF_NO_RUN if run.pk is None else _OF_RUN}", run.pk)
        # A run that is throttled is looked at again and again: when it may go on, no row says.
        due.append(seconds if seconds is None or run.room else max(seconds, _THROTTLED_SECONDS))
    return min((seconds for seconds in due if seconds is not None), default=None)


_THROTTLED_SECONDS = 1.0

_DUE = """
SELECT extract(epoch FROM min(due_at) - now()) FROM reasoning_work
 WHERE due_at IS NOT NULL AND (state <> 'held' OR due_at <= now()) AND {which}
"""


def _due_in(which: str, run: UUID | None = None) -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(_DUE.format(which=which), {"run": run})
        seconds = cursor.fetchone()[0]
    return None if seconds is None else float(seconds)


_SUBJECT, _WORK = Columns(Subject), Columns(Work)

# Rows are locked in the order of the clauses. Whoever had to wait sees them as they are by then.
_HELD = f"""
SELECT {_SUBJECT.of("subject")}, {_WORK.of("work")}
  FROM reasoning_work work JOIN memory_line line ON line.id = work.line_id
  JOIN memory_subject subject ON subject.id = line.subject_id
 WHERE work.line_id = %s AND work.lease_token = %s
   FOR NO KEY UPDATE OF subject FOR UPDATE OF work
"""  # noqa: S608 - columns of our own models


def held(claim: Claim) -> tuple[Subject, Work]:
    """Lock the subject and the work row of a lease until the transaction ends.

    Raises :class:`LostLease` where the row is somebody else's by now, or gone.
    """
    for row in statements.rows(_HELD, [claim.line_id, claim.token]):
        values = iter(row)
        return _SUBJECT.read(values), _WORK.read(values)
    raise LostLease


def put_off(claim: Claim, seconds: float) -> bool:
    """Give a lease back that nobody can serve now; it is due again after ``seconds`` and uses up no attempt.

    Return whether the lease was still held.
    """
    with transaction.atomic():
        work = Work.objects.select_for_update().filter(line=claim.line_id, lease_token=claim.token).first()
        if work is None:
            return False
        Pass.objects.filter(pk=claim.token).delete()
        work.state, work.lease_token, work.leased_by = Work.State.WAITING, None, ""
        work.attempts = max(work.attempts - 1, 0)
        work.due_at = clock.now() + timedelta(seconds=seconds)
        work.save()
    return True


def release(claims: Sequence[Claim], why: str = "Released at shutdown") -> None:
    """Give leases back untouched: others may claim them at once."""
    with transaction.atomic():
        tokens = [claim.token for claim in claims]
        now = clock.now()
        for work in Work.objects.select_for_update().filter(lease_token__in=tokens).order_by("pk"):
            work.state, work.lease_token, work.leased_by = Work.State.WAITING, None, ""
            work.attempts = max(work.attempts - 1, 0)
            work.due_at = now
            work.save()
        Pass.objects.filter(pk__in=tokens, outcome=Pass.Outcome.RUNNING).update(
            outcome=Pass.Outcome.ABANDONED, ended_at=now, error=why
        )
