"""The steps of a run: what may follow what, who took it and why.

A step is one short transaction on the run's row; what follows from it for many lines is done in chunks by
``reasoning.reprocessing.advance``, which goes on wherever a crash has left it. Lock order: subject, line, work row,
pass, run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from memory import audit, clock, proposals, restoring
from memory.branching import STARTS
from memory.errors import Conflict, Invalid
from memory.models import App, Subject
from memory.restoring import Onward
from reasoning import prompt_versions, signals
from reasoning.models import PromptVersion, Reprocess, ReprocessItem
from reasoning.reprocessing import advance, batches, outcome, parts
from reasoning.reprocessing.estimate import estimate
from reasoning.reprocessing.parts import EVERYTHING, Part
from reasoning.reprocessing.scope import find_subjects, scope_of

State = Reprocess.State

LIMITS = ("passes_per_minute", "token_budget", "money_budget")
MOST_PASSES_PER_MINUTE = 100_000
MOST_TOKENS = 10**15
MOST_MONEY = Decimal(10**8)

_ADD_ITEMS = f"""
WITH starts AS ({STARTS}), added AS (
    INSERT INTO reasoning_reprocessitem (run_id, subject_id, target, state, error)
    SELECT %(run)s, subject_id, head, 'pending', '' FROM starts WHERE events > 0
)
SELECT count(*), coalesce(sum(events), 0) FROM starts WHERE events > 0
"""  # noqa: S608 - nothing of it comes from outside

_PROMOTED = """
UPDATE reasoning_reprocessitem item SET state = 'promoted', made_id = promoted.made_id, error = ''
  FROM unnest(%(subjects)s::uuid[], %(made)s::uuid[]) AS promoted (subject_id, made_id)
 WHERE item.run_id = %(run)s AND item.subject_id = promoted.subject_id
"""


@dataclass(frozen=True, slots=True)
class Promotion:
    """How many subjects were taken to what a run has made, and how many were left as they are."""

    promoted: int
    left: int


def plan(
    version: PromptVersion,
    *,
    app: App | None,
    reason: str,
    by: str = "",
    since: datetime | None = None,
    subjects: Sequence[Any] = (),
    carrier: str = Reprocess.Carrier.CALLS,
    **limits: Any,
) -> Reprocess:
    """Return a run as :func:`create` would draft it, with its estimate, and keep nothing. Raises :class:`Invalid`."""
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))
    if version.app_id is not None and (app is None or version.app_id != app.pk):
        raise Invalid("This prompt version is another app's.", ("prompt",), "prompt")
    if since is not None and since >= clock.now():
        raise Invalid("A window begins in the past.", ("since",), "datetime_range")
    if subjects and app is None:
        raise Invalid("Name the app of these subjects.", ("subjects",), "subject")
    if carrier not in Reprocess.Carrier.values:
        raise Invalid(f"Use {' or '.join(Reprocess.Carrier.values)}.", ("carrier",), "enum")
    run = Reprocess(
        prompt_version=version, app=app, since=since, carrier=carrier, reason=reason, by=by, **_checked(limits)
    )
    if app is not None:
        run.subjects = find_subjects(app, version.kind, subjects)
    run.estimate = estimate(version, scope_of(run), run.passes_per_minute, run.carrier)
    return run


@transaction.atomic
def create(version: PromptVersion, *, app: App | None, reason: str, **options: Any) -> Reprocess:
    """Draft a run of a prompt version over an app's subjects of its kind (None: all apps'), with its estimate.

    ``options`` are those of :func:`plan`: ``since`` is where its window begins, ``subjects`` name some of the app's
    (see ``scope.find_subjects``), ``by`` who asked; limits are those of :func:`change`. Nothing is read yet. Raises
    :class:`Invalid`.
    """
    run = plan(version, app=app, reason=reason, **options)
    run.save(force_insert=True)
    after = {"prompt": prompt_versions.name_of(version), "subjects": run.estimate["subjects"], **_limits(run)}
    audit.note("draft reprocess", run, by=run.by, reason=reason, after=after)
    return run


@transaction.atomic
def start(run: Reprocess, *, reason: str = "", by: str = "") -> Reprocess:
    """Begin a draft: what is in its feeds now is what it has to read. Return the run.

    Raises :class:`Conflict` for a run that was begun, that has nothing to read, or that nobody can carry.
    """
    run = locked(run, "started", (State.DRAFT,))
    if run.carrier == Reprocess.Carrier.BATCH:
        batches.check_provider()
    run.estimate = estimate(run.prompt_version, scope_of(run), run.passes_per_minute, run.carrier)
    with connection.cursor() as cursor:
        cursor.execute(_ADD_ITEMS, scope_of(run).values() | {"run": run.pk})
        run.estimate["subjects"], run.estimate["events"] = (int(value) for value in cursor.fetchone())
    if not run.estimate["subjects"]:
        raise Conflict("There is nothing to read: no subject in its scope has events in its window.")
    run.started_at = clock.now()
    return _moved(run, "start reprocess", State.RUNNING, reason, by)


@transaction.atomic
def pause(run: Reprocess, *, reason: str = "", by: str = "") -> Reprocess:
    """Begin no more passes of a run; those under way end. Raises :class:`Conflict` where it does not run."""
    run = locked(run, "paused", (State.RUNNING, State.DONE))
    return _moved(run, "pause reprocess", State.PAUSED, reason, by)


@transaction.atomic
def resume(run: Reprocess, *, reason: str = "", by: str = "") -> Reprocess:
    """Let a paused run go on. Raises :class:`Conflict` for one that is not paused."""
    return _moved(locked(run, "resumed", (State.PAUSED,)), "resume reprocess", State.RUNNING, reason, by)


@transaction.atomic
def change(run: Reprocess, *, reason: str = "", by: str = "", **limits: Any) -> Reprocess:
    """Set some of the ``LIMITS`` (None: no limit) of a run that has not ended.

    One that was paused because a budget was used up waits to be resumed. Raises :class:`Conflict` for a run that has
    ended, and :class:`Invalid`.
    """
    run = locked(run, "changed", (State.DRAFT, State.RUNNING, State.PAUSED, State.DONE))
    checked = _checked(limits)
    before = _limits(run)
    for name, value in checked.items():
        setattr(run, name, value)
    run.save(update_fields=list(checked))
    audit.note("limit reprocess", run, by=by, reason=reason, before=before, after=_limits(run))
    transaction.on_commit(signals.wake, robust=True)
    return run


@transaction.atomic
def cancel(run: Reprocess, *, reason: str = "", by: str = "") -> Reprocess:
    """End a run before it has read everything. Passes under way are given up; what it has made stays, unread.

    Raises :class:`Conflict` for a run that is done or has ended.
    """
    run = locked(run, "cancelled", (State.DRAFT, State.RUNNING, State.PAUSED))
    return ended(run, "cancel reprocess", State.CANCELLED, reason, by)


@transaction.atomic
def discard(run: Reprocess, *, reason: str = "", by: str = "") -> Reprocess:
    """Decide that nobody will read what a run has made; it stays in the history. Raises :class:`Conflict`."""
    return ended(locked(run, "discarded", (State.DONE,)), "discard reprocess", State.DISCARDED, reason, by)


def promote(run: Reprocess, part: Part = EVERYTHING, *, end: bool = True, reason: str = "", by: str = "") -> Promotion:
    """Let readers have what a run has made, of all its subjects or of a part of them.

    One transaction. Subjects of which it has made nothing are left as they are in any case. The run has ended then,
    unless ``end`` is False: then it goes on as it was, and the others can be promoted later. New events that a promoted
    line has not read wait on it, like on any line. Raises :class:`Conflict` for a run that is neither done nor paused,
    and where four eyes are asked for and nobody else has confirmed it.
    """
    ready = (State.DONE, State.PAUSED)
    _check(Reprocess.objects.get(pk=run.pk), "promoted", ready)
    chosen = outcome.chosen(run, part)
    with transaction.atomic():
        lock_subjects(chosen)
        run = locked(run, "promoted", ready)
        proposals.demand(run)
        still_open = parts.made(run).filter(subject__in=among(chosen)).exclude(state__in=parts.SETTLED)
        targets = dict(still_open.values_list("subject", "line__head"))
        made_by = {"reprocess": run.public_id, "prompt_version": run.prompt_version.public_id}
        restored = restoring.restore(
            targets,
            onward=Onward.GO_ON,
            reason=reason or f"Reprocessed: {run.reason}",
            by=by,
            made_by=made_by,
            key="promotes",
        )
        with connection.cursor() as cursor:
            subjects, made = [item.subject_id for item in restored], [item.made_id for item in restored]
            cursor.execute(_PROMOTED, {"run": run.pk, "subjects": subjects, "made": made})
        others = ReprocessItem.objects.filter(run=run).exclude(state=ReprocessItem.State.PROMOTED)
        promoted = {"promoted": len(restored), "percent": part.percent}
        if end:
            left = others.update(state=ReprocessItem.State.LEFT)
            ended(run, "promote reprocess", State.PROMOTED, reason, by, **promoted)
        else:
            left = others.count()
            audit.note("promote reprocess", run, by=by, reason=reason, after=promoted)
    return Promotion(len(restored), left)


def among(keys: Iterable[UUID]) -> RawSQL:
    """Return ids, however many, to be looked for with ``__in``: as one array."""
    return RawSQL("SELECT unnest(%s::uuid[])", [list(keys)])


def lock_subjects(subjects: Iterable[UUID]) -> None:
    """Lock subjects until the transaction ends, in the order in which everybody does."""
    wanted = Subject.objects.select_for_update(no_key=True).filter(pk__in=among(subjects)).order_by("pk")
    list(wanted.values_list("pk"))


def locked(run: Reprocess, done: str, states: Collection[str]) -> Reprocess:
    """Return a run, locked until the transaction ends; raises :class:`Conflict` where a step does not fit its state."""
    found = Reprocess.objects.select_for_update(of=("self",)).select_related("prompt_version", "app").get(pk=run.pk)
    _check(found, done, states)
    return found


def _check(run: Reprocess, done: str, states: Collection[str]) -> None:
    if run.state not in states:
        allowed = " or ".join(sorted(State(state).label.lower() for state in states))
        raise Conflict(f"Only a run that is {allowed} can be {done}; this one is {State(run.state).label.lower()}.")


def _moved(run: Reprocess, act: str, state: str, reason: str, by: str, **figures: int) -> Reprocess:
    before, run.state = run.state, state
    run.state_reason = ": ".join(part for part in (by and f"By {by}", reason) if part)
    run.save()
    audit.note(act, run, by=by, reason=reason, before={"state": before}, after={"state": state, **figures})
    transaction.on_commit(signals.wake, robust=True)
    return run


def ended(run: Reprocess, act: str, state: str, reason: str, by: str, **figures: int) -> Reprocess:
    """End a run, and begin to let its lines go; what a crash leaves of that, the next chore does."""
    run.ended_at = clock.now()
    run = _moved(run, act, state, reason, by, **figures)
    transaction.on_commit(lambda: advance.let_go_all(run), robust=True)
    return run


def _limits(run: Reprocess) -> dict[str, Any]:
    """Return the limits of a run, as the audit keeps them."""
    money = run.money_budget
    return {
        "passes_per_minute": run.passes_per_minute,
        "token_budget": run.token_budget,
        "money_budget": None if money is None else f"{money:f}",
    }


def _checked(limits: dict[str, Any]) -> dict[str, Any]:
    """Return limits that a run can have; raises :class:`Invalid`."""
    known: dict[str, tuple[int, Decimal | int]] = {
        "passes_per_minute": (1, MOST_PASSES_PER_MINUTE),
        "token_budget": (0, MOST_TOKENS),
        "money_budget": (0, MOST_MONEY),
    }
    checked = {}
    for name, value in limits.items():
        least, most = known[name]
        amount = None if value is None else Decimal(value)
        if amount is not None and not (amount.is_finite() and least <= amount <= most):
            raise Invalid(f"Give a number of {least} to {most:,}, or nothing for no limit.", (name,), "range")
        checked[name] = round(value, 6) if isinstance(value, Decimal) else value
    return checked
