"""Every locking query on work rows. Lock order everywhere: subject, line, work row, pass.

Nothing here calls a model, and no lock outlives its transaction: what holds during a model call is the lease, a
token in the row. Whoever has lost it publishes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q, QuerySet

from memory import clock, feeds, publishing
from memory.errors import Conflict
from memory.models import Line, Subject
from memory.webhooks import outbox
from reasoning import assignment, cadence
from reasoning.assignment import Assigned, Beside
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, Reprocess, Work
from reasoning.providers.base import Failure

BACKOFF_SECONDS = 5.0
BACKOFF_CEILING_SECONDS = 300.0

OUTAGES = frozenset({Failure.TRANSIENT, Failure.RATE_LIMITED, Failure.QUOTA})
"""Failures that are not the input's fault: they are waited out, however long they last."""

OF_THE_MODEL = frozenset({Failure.REFUSED, Failure.NONSENSE, Failure.GATED, Failure.TRANSIENT})
"""Failures that another model may not share: before the input is parked, the next step of the chain is asked."""


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


def take_in() -> int:
    """Number what has been committed and mark the work of the lines that must follow; return how many events came.

    One transaction: an event that has a position is in its line's work row.
    """
    settings = ReasoningSettings.load()
    with transaction.atomic():
        arrivals = feeds.number()
        if not arrivals:
            return 0
        subjects = Subject.objects.select_related("line").in_bulk([arrival.subject_id for arrival in arrivals])
        assigned = assignment.assigned(subjects.values())
        serving, left = _serving_lines(subjects.values(), assigned)
        beside = _lines_beside(serving, assigned)
        wanted = Q(line__in=[*serving.values(), *left]) | Q(
            line__in=[line for lines in beside.values() for line in lines]
        )
        rows = {work.line_id: work for work in Work.objects.select_for_update().filter(wanted).order_by("pk")}
        _leave(
            [rows[line.pk] for line in left if line.pk in rows and not rows[line.pk].follows],
            "Another prompt was made live",
        )
        now = clock.now()
        fresh = []
        for arrival in arrivals:
            serves = serving[arrival.subject_id]
            for line in {serves, *beside[arrival.subject_id]}:
                work = rows.get(line.pk)
                if work is None:
                    work = Work(line=line, app_id=arrival.app_id, kind=arrival.kind)
                    fresh.append(work)
                if line != serves:
                    work.follows = work.bulk = True
                _mark(work, line, arrival, subjects[arrival.subject_id].head, settings, now)
        Work.objects.bulk_create(fresh)
        Work.objects.bulk_update(rows.values(), _MARKED)
    return sum(arrival.events for arrival in arrivals)


_MARKED = [
    "state", "waiting_events", "waiting_tokens", "oldest", "newest", "due_at", "lease_token", "leased_by", "attempts",
    "follows", "bulk", "step", "last_failure", "last_error", "task", "unconsolidated",
]  # fmt: skip


def _serving_lines(
    subjects: Collection[Subject], assigned: Mapping[UUID, Assigned]
) -> tuple[dict[UUID, Line], list[Line]]:
    """Return by subject the line that serves it from its new events on, and the lines that do so no more.

    That is a line of the prompt that the subject falls to, begun where the last one stands.
    """
    lines, left = {}, []
    without: dict[str, list[UUID]] = {}
    for subject in subjects:
        recipe = assigned[subject.pk].recipe
        if subject.line is None:
            without.setdefault(recipe, []).append(subject.pk)
        elif subject.line.recipe != recipe:
            lines[subject.pk] = publishing.fork_line(subject.line, recipe)
            left.append(subject.line)
        else:
            lines[subject.pk] = subject.line
    for recipe, new in without.items():
        lines |= publishing.open_lines(new, recipe)
    return lines, left


def _lines_beside(serving: Mapping[UUID, Line], assigned: Mapping[UUID, Assigned]) -> dict[UUID, list[Line]]:
    """Return by subject the lines that read its events beside the one that serves.

    What is to be begun beside it goes on where that stands.
    """
    found: dict[UUID, list[Line]] = {pk: [] for pk in serving}
    for line in Line.objects.filter(subject__in=found.keys(), work__follows=True):
        found[line.subject_id].append(line)
    missing: dict[Beside, list[Line]] = {}
    for pk, line in serving.items():
        wanted = assigned[pk].beside
        if wanted is not None and not any(wanted == Beside(own.recipe, own.branch) for own in (line, *found[pk])):
            missing.setdefault(wanted, []).append(line)
    for wanted, lines in missing.items():
        for pk, line in publishing.go_on_beside(lines, wanted.recipe, wanted.branch).items():
            found[pk].append(line)
    return found


def _leave(rows: Sequence[Work], why: str) -> None:
    """End the work of lines that are to read no more; a pass under way loses its lease."""
    Pass.objects.filter(pk__in=[work.lease_token for work in rows], outcome=Pass.Outcome.RUNNING).update(
        outcome=Pass.Outcome.ABANDONED, ended_at=clock.now(), error=why
    )
    for work in rows:
        work.state, work.task, work.due_at, work.attempts = Work.State.IDLE, Work.Task.READ, None, 0
        work.lease_token, work.leased_by = None, ""
        work.waiting_events, work.waiting_tokens, work.oldest, work.newest = 0, 0, None, None


@transaction.atomic
def stop_following(rows: QuerySet[Work]) -> None:
    """Let lines that follow beside what serves read no further; a pass under way loses its lease."""
    locked = dict(
        rows.filter(follows=True).select_for_update(of=("self",)).order_by("pk").values_list("pk", "lease_token")
    )
    Pass.objects.filter(pk__in=[token for token in locked.values() if token], outcome=Pass.Outcome.RUNNING).update(
        outcome=Pass.Outcome.ABANDONED, ended_at=clock.now(), error="It is to read no further"
    )
    Work.objects.filter(pk__in=locked).update(
        state=Work.State.IDLE, due_at=None, lease_token=None, leased_by="", attempts=0, step=0, follows=False,
        bulk=False, run=None, waiting_events=0, waiting_tokens=0, oldest=None, newest=None,
    )  # fmt: skip


def _mark(
    work: Work, line: Line, arrival: feeds.Arrival, head: int, settings: ReasoningSettings, now: datetime
) -> None:
    """Count what has arrived, up to position ``head`` of the feed."""
    if _waits_to_consolidate(work):
        _let_reading_go_first(work)
        work.state = Work.State.IDLE
    if work.state == Work.State.IDLE:
        if line.cursor == head - arrival.events:
            waiting = feeds.Waiting(arrival.events, arrival.tokens, arrival.oldest, arrival.newest)
        else:
            waiting = feeds.waiting_after(line.subject_id, line.cursor)
        _wait_for(work, waiting, settings, now)
        return
    work.waiting_events += arrival.events
    work.waiting_tokens += arrival.tokens
    work.oldest = min(work.oldest or arrival.oldest, arrival.oldest)
    work.newest = max(work.newest or arrival.newest, arrival.newest)
    if work.state == Work.State.WAITING and work.attempts == 0:
        work.due_at = _due(work, settings, now)


def _waits_to_consolidate(work: Work) -> bool:
    """Say whether a row waits, or is held, for a consolidation alone."""
    idle_or_leased = work.state in (Work.State.IDLE, Work.State.LEASED)
    return work.task == Work.Task.CONSOLIDATE and not work.waiting_events and not idle_or_leased


def _let_reading_go_first(work: Work) -> None:
    """Put events before a consolidation. One that has failed by its own fault is not tried again after them."""
    if work.attempts and work.last_failure not in OUTAGES:
        work.task, work.unconsolidated = Work.Task.READ, 0
    work.attempts, work.step = 0, 0
    work.bulk = work.follows or work.run_id is not None


def _wait_for(work: Work, waiting: feeds.Waiting, settings: ReasoningSettings, now: datetime) -> None:
    """Set a row that nobody holds to what its line has to do: read what waits, and after that consolidate."""
    work.lease_token, work.leased_by = None, ""
    work.waiting_events, work.waiting_tokens = waiting.events, waiting.tokens
    work.oldest, work.newest = waiting.oldest, waiting.newest
    if waiting.events:
        work.state, work.due_at = Work.State.WAITING, _due(work, settings, now)
    elif work.task == Work.Task.CONSOLIDATE:
        work.state, work.due_at, work.bulk = Work.State.WAITING, now, True
    else:
        work.state, work.due_at = Work.State.IDLE, None


def _due(work: Work, settings: ReasoningSettings, now: datetime) -> datetime:
    return cadence.due_at(
        cadence.policy_for(work.kind, settings),
        oldest=min(work.oldest or now, now),  # a writer's clock may be ahead
        newest=min(work.newest or now, now),
        tokens=work.waiting_tokens,
        last_pass=work.last_pass_at,
    )


# Rows that somebody is at are left to them: who waits asks again.
_HASTEN = """
UPDATE reasoning_work SET due_at = greatest(now(), last_pass_at + make_interval(secs => %(apart)s))
 WHERE id IN (
    SELECT work.id FROM reasoning_work work JOIN memory_subject subject ON subject.line_id = work.line_id
     WHERE subject.id = ANY(%(subjects)s) AND work.state = 'waiting' AND work.waiting_events > 0 AND work.attempts = 0
       AND work.due_at > greatest(now(), work.last_pass_at + make_interval(secs => %(apart)s))
     ORDER BY work.id FOR UPDATE OF work SKIP LOCKED)
"""


def hasten(subject_ids: Collection[UUID]) -> bool:
    """Let the lines that serve these subjects read what waits for them now; return whether any was to wait longer.

    Between two passes of a line lie ``AWAITED_SECONDS`` nevertheless. What has failed keeps its distance, and what is
    held for a budget stays held.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HASTEN, {"subjects": list(subject_ids), "apart": ReasoningSettings.load().awaited_seconds})
        return bool(cursor.rowcount)


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


def held(claim: Claim) -> tuple[Subject, Work]:
    """Lock the subject and the work row of a lease until the transaction ends.

    Raises :class:`LostLease` where the row is somebody else's by now, or gone.
    """
    subject = Subject.objects.select_for_update(no_key=True).filter(lines=claim.line_id).first()
    work = Work.objects.select_for_update().filter(line_id=claim.line_id, lease_token=claim.token).first()
    if work is None or subject is None:
        raise LostLease
    return subject, work


def finish(work: Work, line: Line, added: int = 0) -> None:
    """End a lease whose pass was published, with so many statements: what has come meanwhile waits for the next."""
    if work.most_events is not None:
        grown = work.most_events * 2
        work.most_events = None if grown >= ReasoningSettings.load().pass_events else grown
    work.last_pass_at = clock.now()
    work.unconsolidated += added
    _go_on(work, line)


def finish_consolidation(work: Work, line: Line, left: int) -> None:
    """End a lease whose pass went over what is known, but for ``left`` statements; it delays no reading."""
    work.task, work.unconsolidated = Work.Task.READ, left
    work.bulk = work.follows or work.run_id is not None
    _go_on(work, line)


def _go_on(work: Work, line: Line) -> None:
    """Set a row whose pass has succeeded to what its line has to do next."""
    work.attempts, work.step, work.last_failure, work.last_error = 0, 0, "", ""
    follows = work.follows or Subject.objects.filter(pk=line.subject_id, line=line).exists()
    if follows:
        waiting = feeds.waiting_after(line.subject_id, line.cursor)
    else:
        waiting, work.task = feeds.Waiting(0, 0, None, None), Work.Task.READ
    if not waiting.events and work.run_id is None and not work.follows:
        work.bulk = False
    _wait_for(work, waiting, ReasoningSettings.load(), clock.now())
    work.save()


def fail(work: Work, failure: Failure, error: str, retry_after: float | None = None) -> None:
    """End a lease whose pass failed: wait and try again, ask the next step of the chain, or park what will not mend.

    What is the input's fault is tried with half as many events, down to the one that is at fault: only failures with
    a single event count towards giving up. The pass must have been recorded as failed.
    """
    settings = ReasoningSettings.load()
    tried = _tried(work)
    consolidating = bool(tried) and tried[0].task == Work.Task.CONSOLIDATE
    if consolidating and work.waiting_events:
        work.last_failure, work.last_error = failure, error
        _let_reading_go_first(work)
        _resume(work)
        return
    its_own_fault = failure not in OUTAGES or _only_this_input(work, tried, settings.same_failure_limit)
    if its_own_fault and not consolidating:
        work.most_events = max(_size(tried[0]) // 2 if tried else 0, 1)
    work.lease_token, work.leased_by = None, ""
    work.last_failure, work.last_error = failure, error
    work.state = Work.State.WAITING
    # How long a refusal for the rate asks to wait is the provider's pause, not the row's: the chain may go on.
    wait = backoff(work.attempts, None if failure is Failure.RATE_LIMITED else retry_after)
    if its_own_fault and _hopeless(tried, settings):
        if failure in OF_THE_MODEL and work.step < len(settings.fallbacks):
            work.step, work.attempts = work.step + 1, 0
        elif consolidating:
            give_up_consolidation(work, failure, error)
            return
        else:
            work.state = Work.State.PARKED
            _tell_parked(work)
    work.due_at = None if work.state == Work.State.PARKED else clock.now() + timedelta(seconds=wait)
    work.save()


def give_up_consolidation(work: Work, failure: Failure, error: str) -> None:
    """End a lease whose consolidation will not succeed. No operator need act: what is known stands as it did.

    The next is due when as many statements have been added again.
    """
    work.task, work.unconsolidated = Work.Task.READ, 0
    work.attempts, work.step = 0, 0
    work.last_failure, work.last_error = failure, error
    work.bulk = work.follows or work.run_id is not None
    _resume(work)


def _resume(work: Work) -> None:
    """Let a row that nobody holds any more go on with what its line has to do."""
    line = Line.objects.get(pk=work.line_id)
    _wait_for(work, feeds.waiting_after(line.subject_id, line.cursor), ReasoningSettings.load(), clock.now())
    work.save()


def _tried(work: Work) -> list[Pass]:
    """Return the failed passes of a row since its last success or an operator's retry, newest first.

    What was released, or ended with its worker, is none.
    """
    ended = Pass.objects.filter(line=work.line_id).exclude(outcome__in=[Pass.Outcome.ABANDONED, Pass.Outcome.RUNNING])
    newest = ended.defer("raw", "error").order_by("-started_at")[: work.attempts]
    return list(takewhile(lambda item: item.failure, newest))


def _hopeless(tried: Sequence[Pass], settings: ReasoningSettings) -> bool:
    """Say whether a single event has failed too often, or the same question in the same way."""
    single = [item for item in tried if _size(item) <= 1]
    if sum(item.failure not in OUTAGES for item in single) >= settings.max_attempts:
        return True
    same = [item for item in single[: settings.same_failure_limit] if _same(item, single[0])]
    return len(same) == settings.same_failure_limit


def _only_this_input(work: Work, tried: Sequence[Pass], limit: int) -> bool:
    """Say whether the provider fails this question again and again, and answered others meanwhile."""
    same = [item for item in tried[:limit] if _same(item, tried[0])]
    if len(same) < limit:
        return False
    answered = Pass.objects.filter(outcome=Pass.Outcome.PUBLISHED, provider=same[0].provider)
    return answered.filter(started_at__gt=same[-1].started_at).exclude(line=work.line_id).exists()


def _same(one: Pass, other: Pass) -> bool:
    """Say whether two passes asked the same and failed in the same way."""
    return bool(one.input_hash) and (one.input_hash, one.failure) == (other.input_hash, other.failure)


def _size(item: Pass) -> int:
    """Return how many events a pass showed; 0 where it did not come to that."""
    return 0 if item.covers_from is None or item.covers_to is None else item.covers_to - item.covers_from


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


def hold(work: Work, failure: Failure, error: str, until: datetime | None) -> None:
    """End a lease whose call may not be made: it waits until then, or until a budget or a price is changed."""
    work.state, work.due_at, work.lease_token, work.leased_by = Work.State.HELD, until, None, ""
    work.attempts = max(work.attempts - 1, 0)
    work.last_failure, work.last_error = failure, error
    work.save()


def release_held(rows: Iterable[Work] | None = None) -> int:
    """Let held work, all or these rows, ask again now: a budget or a price has changed. Return how many rows did."""
    held = Work.objects.filter(state=Work.State.HELD)
    if rows is not None:
        held = held.filter(pk__in=[row.pk for row in rows])
    with transaction.atomic():
        locked = list(held.select_for_update().order_by("pk").values_list("pk", flat=True))
        return Work.objects.filter(pk__in=locked).update(state=Work.State.WAITING, due_at=clock.now())


def kills_workers(work: Work) -> bool:
    """Say whether the last attempts on a row all ended with their worker's death, so often that it is no chance."""
    most = ReasoningSettings.load().max_attempts
    if work.attempts <= most:  # nor do attempts before an operator's retry count
        return False
    ended = Pass.objects.filter(line=work.line_id).exclude(outcome=Pass.Outcome.RUNNING).order_by("-started_at")
    last = list(ended.values_list("failure", flat=True)[:most])
    return len(last) == most and set(last) == {Failure.LOST_LEASE}


def park(work: Work, failure: Failure, error: str) -> None:
    """End a lease and leave the row to an operator."""
    work.state, work.due_at, work.lease_token, work.leased_by = Work.State.PARKED, None, None, ""
    work.last_failure, work.last_error = failure, error
    work.save()
    _tell_parked(work)


def _tell_parked(work: Work) -> None:
    """Let the app's webhooks know that an operator must act."""
    told = {
        "subject": outbox.about(work.line.subject),
        "line_id": work.line.public_id,
        "reprocess_id": None if work.run is None else work.run.public_id,
        "failure": work.last_failure,
        "attempts": work.attempts,
        "waiting_events": work.waiting_events,
    }
    outbox.add(work.app_id, outbox.Event.PARKED, told)


@transaction.atomic
def skip(row: Work, *, by: str) -> None:
    """Let a parked line go on without its next event: a version that is the last one and has read past it.

    Raises :class:`memory.errors.Conflict` where the row is not parked.
    """
    subject = feeds.lock_subject(row.line.subject_id)
    work = Work.objects.select_for_update().filter(pk=row.pk, state=Work.State.PARKED).first()
    line = Line.objects.select_related("head").get(pk=row.line_id)
    if work is None or line.cursor >= subject.head:
        raise Conflict("Only a parked line that has something waiting can go on without it.")
    head = line.head
    draft = publishing.Draft(
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=line.cursor + 1,
        card=head.card if head else (),
        now=head.now if head else "",
        short_summary=head.short_summary if head else "",
        long_summary=head.long_summary if head else "",
        made_by={"skipped": work.last_failure, "by": by},
        reason=f"Went on without an event: {work.last_error}",
    )
    publishing.publish(line.pk, draft)
    look_again(line.pk)


# Rows for lines that have none, with what those have to read; it is due now.
_NEW_ROWS = """
INSERT INTO reasoning_work AS work (line_id, app_id, kind, state, waiting_events, waiting_tokens, oldest, newest,
                                    due_at, leased_by, attempts, last_failure, last_error, bulk, follows, run_id)
SELECT line.id, subject.app_id, subject.kind, CASE WHEN waiting.events > 0 THEN 'waiting' ELSE 'idle' END,
       waiting.events, waiting.tokens, waiting.oldest, waiting.newest, CASE WHEN waiting.events > 0 THEN now() END,
       '', 0, '', '', {bulk}, {follows}, {run}::uuid
  FROM memory_subject subject JOIN memory_line line ON {line}
 CROSS JOIN LATERAL (
       SELECT count(*) AS events, coalesce(sum(event.tokens), 0) AS tokens, min(event.recorded_at) AS oldest,
              max(event.recorded_at) AS newest
         FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
        WHERE entry.subject_id = subject.id AND entry.position > line.cursor) waiting
 WHERE {which} ORDER BY line.id
"""

_FOLLOW_BESIDE = _NEW_ROWS.format(
    line="line.subject_id = subject.id", which="line.id = ANY(%(lines)s)", bulk="true", follows="true", run="%(run)s"
)


def follow_beside(lines: Collection[UUID], run: Reprocess) -> None:
    """Let new lines of a run, whose subjects are locked, read their feeds beside what serves."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOW_BESIDE, {"lines": list(lines), "run": run.pk})


# In the order in which everybody locks rows: whoever renews leases holds many at once.
_LOCK = """
SELECT work.id FROM reasoning_work work JOIN memory_line line ON line.id = work.line_id
 WHERE line.subject_id = ANY(%(subjects)s) ORDER BY work.id FOR UPDATE OF work
"""

_LEAVE_OTHERS = """
WITH others AS (
    SELECT work.id, work.lease_token FROM reasoning_work work
      JOIN memory_line line ON line.id = work.line_id JOIN memory_subject subject ON subject.id = line.subject_id
     WHERE subject.id = ANY(%(subjects)s) AND line.id <> subject.line_id AND NOT work.follows AND work.state <> 'idle'
), ended AS (
    UPDATE reasoning_pass SET outcome = 'abandoned', ended_at = now(), error = 'Another line serves its subject now'
     WHERE id IN (SELECT lease_token FROM others) AND outcome = 'running'
)
UPDATE reasoning_work work
   SET state = 'idle', due_at = NULL, lease_token = NULL, leased_by = '', attempts = 0, step = 0, task = 'read',
       waiting_events = 0, waiting_tokens = 0, oldest = NULL, newest = NULL
  FROM others WHERE work.id = others.id
"""

# Work under way keeps its lease, and will find that the line has moved on; what is parked waits for an operator.
_SERVE = (
    _NEW_ROWS.format(
        line="line.id = subject.line_id", which="subject.id = ANY(%(subjects)s)",
        bulk="%(bulk)s AND waiting.events > 0", follows="false", run="NULL",
    )
    + """
    ON CONFLICT (line_id) DO UPDATE
   SET state = excluded.state, waiting_events = excluded.waiting_events, waiting_tokens = excluded.waiting_tokens,
       oldest = excluded.oldest, newest = excluded.newest, due_at = excluded.due_at, attempts = 0, step = 0,
       last_failure = '', last_error = '', run_id = NULL, follows = false, bulk = excluded.bulk, task = 'read'
 WHERE work.state NOT IN ('leased', 'parked')
"""
)  # fmt: skip

_ORDINARY = """
UPDATE reasoning_work work SET run_id = NULL, follows = false, bulk = false
  FROM memory_subject subject
 WHERE subject.id = ANY(%(subjects)s) AND work.line_id = subject.line_id AND (work.follows OR work.run_id IS NOT NULL)
"""


def realign(subjects: Collection[UUID], *, again: bool = False) -> None:
    """Set the work of locked subjects to what their serving lines have to read, after other hands have moved those.

    Lines that serve no more are left, unless they follow beside. What is to be read is due now. Where many read
    ``again`` what they had read, that yields to other work, and the prompts that the subjects fall to read it.
    """
    values: dict[str, list[UUID] | bool] = {"subjects": list(subjects), "bulk": again and len(subjects) > 1}
    if again:
        behind = list(Subject.objects.filter(pk__in=subjects).select_related("line"))
        recipes = assignment.recipes(behind)
        for subject in behind:
            if subject.line is not None and subject.line.recipe != recipes[subject.pk]:
                publishing.fork_line(subject.line, recipes[subject.pk])
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_LOCK, _LEAVE_OTHERS, _SERVE, _ORDINARY):
            cursor.execute(statement, values)


def look_again(line_id: UUID) -> None:
    """Set a line's work row to what the line still has to read, after another hand than a pass has moved it.

    A pass under way keeps its lease; it will find that the line has moved on. The caller holds the subject's lock.
    """
    work = Work.objects.select_for_update().filter(line=line_id).exclude(state=Work.State.LEASED).first()
    if work is None:
        return
    line = Line.objects.get(pk=line_id)
    work.attempts, work.step = 0, 0
    work.last_failure, work.last_error = "", ""
    waiting = feeds.waiting_after(line.subject_id, line.cursor)
    _wait_for(work, waiting, ReasoningSettings.load(), clock.now())
    work.save()


def consolidate(wanted: QuerySet[Work], limit: int) -> int:
    """Let the lines of up to so many of these rows go over what they know, and return how many there were.

    That is due now where nothing waits to be read, and after the reading otherwise. It yields to other work.
    """
    with transaction.atomic():
        locked = list(wanted.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:limit])
        rows = Work.objects.filter(pk__in=locked)
        rows.filter(state=Work.State.IDLE).update(
            state=Work.State.WAITING, due_at=clock.now(), bulk=True, attempts=0, step=0
        )
        return rows.update(task=Work.Task.CONSOLIDATE)


def backoff(attempts: int, retry_after: float | None) -> float:
    """Return seconds to wait: exponential to a ceiling, with jitter; never less than the provider asked for."""
    wait = min(BACKOFF_SECONDS * 2.0 ** min(max(attempts - 1, 0), 16), BACKOFF_CEILING_SECONDS)
    return max(wait * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311 - not a secret


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


def retry(rows: Iterable[Work]) -> int:
    """Let parked work be tried again, at once and with a clean count; return how many rows that were."""
    count = 0
    with transaction.atomic():
        for work in Work.objects.select_for_update().filter(pk__in=[row.pk for row in rows]).order_by("pk"):
            if work.state == Work.State.PARKED:
                work.state, work.attempts, work.step, work.due_at = Work.State.WAITING, 0, 0, clock.now()
                work.save()
                count += 1
    return count
