"""Which lines have work, and how much: what the log brings, and what other hands than a pass change.

Lock order everywhere: subject, line, work row, pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from memory import clock, feeds, ids, publishing, statements
from memory.models import Line, Subject
from reasoning import assignment, cadence
from reasoning.assignment import Assigned, Beside
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, Reprocess, Work
from reasoning.providers.base import OUTAGES


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
        statements.update(list(rows.values()), *_MARKED)
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
        let_reading_go_first(work)
        work.state = Work.State.IDLE
    if work.state == Work.State.IDLE:
        if line.cursor == head - arrival.events:
            waiting = feeds.Waiting(arrival.events, arrival.tokens, arrival.oldest, arrival.newest)
        else:
            waiting = feeds.waiting_after(line.subject_id, line.cursor)
        wait_for(work, waiting, settings, now)
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


def let_reading_go_first(work: Work) -> None:
    """Put events before a consolidation. One that has failed by its own fault is not tried again after them."""
    if work.attempts and work.last_failure not in OUTAGES:
        work.task, work.unconsolidated = Work.Task.READ, 0
    work.attempts, work.step = 0, 0
    work.bulk = work.follows or work.run_id is not None


def wait_for(work: Work, waiting: feeds.Waiting, settings: ReasoningSettings, now: datetime) -> None:
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
        _fall(subjects)
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_LOCK, _LEAVE_OTHERS, _SERVE, _ORDINARY):
            cursor.execute(statement, values)


_TAKEN_BACK = """
SELECT EXISTS (SELECT FROM reasoning_rollback made
                WHERE prompt_version_id = %s AND undoes_id IS NULL AND (app_id IS NULL OR app_id = %s)
                  AND NOT EXISTS (SELECT FROM reasoning_rollback undone WHERE undone.undoes_id = made.id))
"""


def is_taken_back(subject: Subject, recipe: str) -> bool:
    """Say whether what a recipe makes was rolled back, and the subject falls to another by now."""
    [(found,)] = statements.rows(_TAKEN_BACK, [ids.decode(recipe), subject.app_id])
    return bool(found) and assignment.recipes([subject])[subject.pk] != recipe


def hand_over(subjects: Collection[UUID]) -> None:
    """Let the prompts that locked subjects fall to read what waits on lines of others; a pass under way is given up."""
    _fall(subjects)
    realign(subjects)


def _fall(subjects: Collection[UUID]) -> None:
    """Let locked subjects be served by lines of the prompts that they fall to, begun where the last ones stand."""
    behind = list(Subject.objects.filter(pk__in=subjects).select_related("line"))
    recipes = assignment.recipes(behind)
    for subject in behind:
        if subject.line is not None and subject.line.recipe != recipes[subject.pk]:
            publishing.fork_line(subject.line, recipes[subject.pk])


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
    wait_for(work, waiting, ReasoningSettings.load(), clock.now())
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
