"""What becomes of a work row after a pass, or at an operator's word: done, tried again, held, parked.

The caller holds the locks that ``reasoning.queue.held`` takes, where it does not say otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from django.db import transaction

from memory import audit, clock, feeds, publishing, statements
from memory.errors import Conflict
from memory.models import Line, Representation, Subject
from memory.webhooks import outbox
from reasoning import following
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, Work
from reasoning.providers.base import OF_THE_MODEL, OUTAGES, Failure

BACKOFF_SECONDS = 5.0

BACKOFF_CEILING_SECONDS = 300.0

MUCH = 1_000
"""What is left of so many events is not counted anew after each pass: to read a backlog would take its square."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a pass has done: how many events it read, of how many tokens, and how many statements it added."""

    events: int = 0
    tokens: int = 0
    added: int = 0


NOTHING = Done()


def finish(work: Work, subject: Subject, cursor: int, now: datetime, done: Done = NOTHING) -> None:
    """End a lease whose pass was published: what has come meanwhile waits for the next.

    ``cursor`` is how far the line has read, and ``subject`` is locked.
    """
    if work.most_events is not None:
        grown = work.most_events * 2
        work.most_events = None if grown >= ReasoningSettings.load().pass_events else grown
    work.last_pass_at = now
    work.unconsolidated += done.added
    _go_on(work, subject, cursor, now, done)


def finish_consolidation(work: Work, subject: Subject, cursor: int, now: datetime, left: int) -> None:
    """End a lease whose pass went over what is known, but for ``left`` statements; it delays no reading."""
    work.task, work.unconsolidated = Work.Task.READ, left
    work.bulk = work.follows or work.run_id is not None
    _go_on(work, subject, cursor, now)


def _go_on(work: Work, subject: Subject, cursor: int, now: datetime, done: Done = NOTHING) -> None:
    """Set a row whose pass has succeeded to what its line has to do next."""
    work.attempts, work.step, work.last_failure, work.last_error = 0, 0, "", ""
    if work.follows or subject.line_id == work.line_id:
        waiting = _left(work, subject, cursor, done)
    else:
        waiting, work.task = feeds.Waiting(0, 0, None, None), Work.Task.READ
    if not waiting.events and work.run_id is None and not work.follows:
        work.bulk = False
    following.wait_for(work, waiting, ReasoningSettings.load(), now)
    statements.save(work, *_AFTER_SUCCESS)


def _left(work: Work, subject: Subject, cursor: int, done: Done) -> feeds.Waiting:
    """Return what a line has yet to read after a pass."""
    events = subject.head - cursor
    if events < MUCH or events != work.waiting_events - done.events:
        return feeds.waiting_after(subject.pk, cursor)
    tokens = max(work.waiting_tokens - done.tokens, 0)
    return feeds.Waiting(events, tokens, feeds.next_recorded(subject.pk, cursor), work.newest)


_AFTER_SUCCESS = (
    "state", "waiting_events", "waiting_tokens", "oldest", "newest", "due_at", "lease_token", "leased_by", "attempts",
    "most_events", "step", "last_failure", "last_error", "last_pass_at", "bulk", "task", "unconsolidated",
)  # fmt: skip


def fail(work: Work, failure: Failure, error: str, retry_after: float | None = None, *, slow: bool = False) -> None:
    """End a lease whose pass failed: wait and try again, ask the next step of the chain, or park what will not mend.

    What is the input's fault is tried with half as many events, down to the one that is at fault: only failures with
    a single event count towards giving up. What was too ``slow`` is tried with half as many events too, for a small
    model may never be done with more. The pass must have been recorded as failed.
    """
    settings = ReasoningSettings.load()
    tried = _tried(work)
    consolidating = bool(tried) and tried[0].task == Work.Task.CONSOLIDATE
    if consolidating and work.waiting_events:
        work.last_failure, work.last_error = failure, error
        following.let_reading_go_first(work)
        _resume(work)
        return
    its_own_fault = failure not in OUTAGES or _only_this_input(work, tried, settings.same_failure_limit)
    if (its_own_fault or slow) and not consolidating:
        work.most_events = max(_size(tried[0]) // 2 if tried else 0, 1)
    work.lease_token, work.leased_by = None, ""
    work.last_failure, work.last_error = failure, error
    work.state = Work.State.WAITING
    # How long a refusal for the rate asks to wait is the provider's pause, not the row's: the chain may go on.
    wait = backoff(work.attempts, None if failure is Failure.RATE_LIMITED else retry_after)
    if (its_own_fault or (slow and consolidating)) and _hopeless(tried, settings):
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
    following.wait_for(work, feeds.waiting_after(line.subject_id, line.cursor), ReasoningSettings.load(), clock.now())
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


def hold(work: Work, failure: Failure, error: str, until: datetime | None) -> None:
    """End a lease whose call may not be made: it waits until then, or until a budget or a price is changed."""
    work.state, work.due_at, work.lease_token, work.leased_by = Work.State.HELD, until, None, ""
    work.attempts = max(work.attempts - 1, 0)
    work.last_failure, work.last_error = failure, error
    work.save()


def release_held() -> int:
    """Let all held work ask again now: a budget or a price has changed. Return how many rows do."""
    with transaction.atomic():
        held = Work.objects.filter(state=Work.State.HELD)
        locked = list(held.select_for_update().order_by("pk").values_list("pk", flat=True))
        return _ask_again(locked)


@transaction.atomic
def ask_again(rows: Iterable[Work], *, reason: str, by: str) -> int:
    """Let these rows, as far as they are held, ask their budgets again now; return how many do."""
    named = Work.objects.filter(pk__in=[row.pk for row in rows], state=Work.State.HELD).select_related("line")
    held = list(named.select_for_update(of=("self",)).order_by("pk"))
    audit.note_each("ask again", held, by=by, reason=reason)
    return _ask_again([work.pk for work in held])


def _ask_again(locked: Sequence[int]) -> int:
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
def skip(row: Work, *, by: str, reason: str = "") -> Representation:
    """Let a parked line go on without its next event; return the version, which is the last one and has read past it.

    Raises :class:`memory.errors.Conflict` where the row is not parked.
    """
    subject = feeds.lock_subject(row.line.subject_id)
    work = Work.objects.select_for_update().filter(pk=row.pk, state=Work.State.PARKED).first()
    line = Line.objects.select_related("head").get(pk=row.line_id)
    coming = feeds.read(subject.pk, line.cursor, 1)
    if work is None or not coming:
        raise Conflict("Only a parked line that has something waiting can go on without it.")
    head = line.head
    draft = publishing.Draft(
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=coming[0][0],
        card=head.card if head else (),
        now=head.now if head else "",
        short_summary=head.short_summary if head else "",
        long_summary=head.long_summary if head else "",
        made_by={"skipped": work.last_failure, "by": by},
        reason=f"Went on without an event: {work.last_error}",
    )
    made = publishing.publish(line.pk, draft)
    audit.note(
        "go on without event", row, by=by, reason=reason,
        before={"failure": work.last_failure}, after={"version": made.number},
    )  # fmt: skip
    following.look_again(line.pk)
    return made


def backoff(attempts: int, retry_after: float | None) -> float:
    """Return seconds to wait: exponential to a ceiling, with jitter; never less than the provider asked for."""
    wait = min(BACKOFF_SECONDS * 2.0 ** min(max(attempts - 1, 0), 16), BACKOFF_CEILING_SECONDS)
    return max(wait * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311 - not a secret


@transaction.atomic
def retry(rows: Iterable[Work], *, reason: str = "", by: str = "") -> int:
    """Let parked work be tried again, at once and with a clean count; return how many rows that were."""
    named = Work.objects.filter(pk__in=[row.pk for row in rows], state=Work.State.PARKED).select_related("line")
    parked = list(named.select_for_update(of=("self",)).order_by("pk"))
    audit.note_each("retry work", parked, by=by, reason=reason)
    return Work.objects.filter(pk__in=[work.pk for work in parked]).update(
        state=Work.State.WAITING, attempts=0, step=0, due_at=clock.now()
    )
