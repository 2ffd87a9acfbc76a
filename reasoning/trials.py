"""Dry runs for people who wait at a page: asked for in a row, made by a worker, read from the row.

A model takes its time, and no request, transaction or connection waits for it. Nothing is made twice: what was under
way when its worker died has failed, for another try is another bill.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.db import connections, transaction

from memory import audit, clock, ids
from memory.errors import Conflict, Refusal
from memory.models import Subject
from reasoning import dry_run_report, dry_runs
from reasoning.models import PromptVersion, Trial

log = structlog.get_logger("honcho.reasoning")

THREADS = 2
"""How many dry runs a worker makes at a time, beside its passes."""

MOST_OPEN = 20
KEPT = timedelta(days=7)
"""For how long it is kept what came of one: it is text of the subject."""

LOST = timedelta(minutes=15)
"""What has been under way for longer is not any more: its worker is gone."""

State = Trial.State


@transaction.atomic
def ask(version: PromptVersion, subject: Subject, *, events: int | None = None, by: str = "") -> Trial:
    """Ask for a dry run of a prompt version on a subject; a worker makes it. What is older than ``KEPT`` goes.

    Raises :class:`Invalid` for what cannot be tried, and :class:`Conflict` where ``MOST_OPEN`` wait already.
    """
    dry_runs.check(version, subject, events)
    Trial.objects.filter(created_at__lt=clock.now() - KEPT).delete()
    if Trial.objects.filter(state__in=[State.WAITING, State.RUNNING]).count() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} dry runs wait already: is a worker running?")
    made = Trial.objects.create(prompt_version=version, subject=subject, events=events, by=by)
    audit.note("ask for dry run", made, by=by, after={"prompt_version": version.public_id, "events": events})
    return made


def claim(most: int) -> list[Trial]:
    """Claim up to ``most`` dry runs that wait, the oldest first; those that are lost have failed."""
    with transaction.atomic():
        now = clock.now()
        Trial.objects.filter(state=State.RUNNING, started_at__lt=now - LOST).update(
            state=State.FAILED, ended_at=now, error="Its worker is gone. Nothing was published; try again."
        )
        waiting = Trial.objects.filter(state=State.WAITING).select_for_update(skip_locked=True, no_key=True)
        found = list(waiting.order_by("pk")[:most])
        for row in found:
            row.state, row.lease, row.started_at = State.RUNNING, ids.uuid7(), now
            row.save(update_fields=["state", "lease", "started_at"])
    return found


def make(trial: Trial) -> None:
    """Make a claimed dry run and write down what came of it; nothing where it was taken away meanwhile."""
    version = PromptVersion.objects.get(pk=trial.prompt_version_id)
    try:
        found = dry_runs.run(version, Subject.objects.get(pk=trial.subject_id), events=trial.events)
    except Refusal as refusal:
        _end(trial, state=State.FAILED, error=refusal.message)
    else:
        _end(trial, state=State.DONE, outcome=dry_run_report.told(found))


def _end(trial: Trial, **values: object) -> None:
    claimed = Trial.objects.filter(pk=trial.pk, lease=trial.lease, state=State.RUNNING)
    claimed.update(ended_at=clock.now(), **values)


_threads: dict[int, ThreadPoolExecutor] = {}
_under_way: set[Future[None]] = set()
_lock = threading.Lock()


def start_due() -> bool:
    """Begin with what waits, in threads of its own, and return at once, with whether there was any."""
    with _lock:
        pool = _threads.get(os.getpid())  # threads do not survive a fork
        if pool is None:
            pool = _threads[os.getpid()] = ThreadPoolExecutor(THREADS, thread_name_prefix="honcho-trials")
            _under_way.clear()
        _under_way.difference_update([each for each in _under_way if each.done()])
        free = THREADS - len(_under_way)
        found = claim(free) if free else []
        _under_way.update(pool.submit(_carry, trial) for trial in found)
    return bool(found)


def _carry(trial: Trial) -> None:
    try:
        make(trial)
    except Exception as error:
        # Not the message: it may tell what was said.
        log.error("dry_run_broken", trial=trial.public_id, error=type(error).__name__)
        _end(trial, state=State.FAILED, error=f"It broke off ({type(error).__name__}); the worker's log says more.")
    finally:
        connections.close_all()
