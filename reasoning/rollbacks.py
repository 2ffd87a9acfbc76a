"""Taking everything back that a prompt version made, in all subjects at once, and undoing that again.

A subject is taken back where what its readers get was made by the version, or goes on from something that was: to the
last version before that they were given. It sticks: the version is live no more, what else would bring it back (an
experiment's arm, a reprocess) is stopped, and what waits to be read by it is read by what is live then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from memory import audit, ids, proposals, restoring
from memory.errors import Conflict, Invalid
from memory.models import App, Representation, Subject
from memory.restoring import Onward, Restored
from reasoning import assignment, following, labels
from reasoning.experiments import lifecycle as experiments
from reasoning.models import Arm, Experiment, PromptVersion, Reprocess, Rollback, RolledBack, Work
from reasoning.reprocessing import lifecycle as reprocessing

# What the version made, and what goes on from that: a version goes on from the one that it repeats, or else from its
# parent. A repeated version is the version's own only where it repeats one of those.
_AFFECTED = """
WITH RECURSIVE made AS (
    SELECT version.id, version.subject_id, version.number
      FROM memory_line line JOIN memory_representation version ON version.line_id = line.id
      JOIN memory_subject subject ON subject.id = line.subject_id
     WHERE line.recipe = %(recipe)s AND version.status = 'published' AND version.restores_id IS NULL
       AND (%(since)s::timestamptz IS NULL OR version.created_at >= %(since)s)
       AND (%(app)s::uuid IS NULL OR subject.app_id = %(app)s)
), later AS MATERIALIZED (
    SELECT version.id, version.subject_id, coalesce(version.restores_id, version.parent_id) AS before_id
      FROM (SELECT subject_id, min(number) AS number FROM made GROUP BY 1) first
      JOIN memory_representation version
           ON version.subject_id = first.subject_id AND version.number > first.number AND version.status = 'published'
), tainted AS (
    SELECT id, subject_id FROM made
     UNION
    SELECT later.id, later.subject_id FROM tainted JOIN later ON later.before_id = tainted.id
), counted AS (
    SELECT subject_id, count(*) AS versions FROM tainted GROUP BY 1
), affected AS (
    SELECT subject.id, subject.current_id FROM memory_subject subject JOIN tainted current
        ON current.id = subject.current_id
), targets AS (
    SELECT DISTINCT ON (serving.subject_id) serving.subject_id, serving.representation_id
      FROM affected JOIN memory_serving serving ON serving.subject_id = affected.id
      LEFT JOIN memory_representation version ON version.id = serving.representation_id
      LEFT JOIN tainted ON tainted.id = serving.representation_id
     WHERE tainted.id IS NULL AND version.status IS DISTINCT FROM 'erased'
     ORDER BY serving.subject_id, serving.since DESC
)
SELECT affected.id, affected.current_id, targets.representation_id, counted.versions
  FROM affected JOIN counted ON counted.subject_id = affected.id
  LEFT JOIN targets ON targets.subject_id = affected.id ORDER BY affected.id
"""

_KEEP = """
INSERT INTO reasoning_rolledback (rollback_id, subject_id, before_id, made_id)
SELECT %s, * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Affected:
    """One subject: what its readers get, what they would get instead (None: nothing), how many versions it undoes."""

    subject_id: UUID
    current_id: UUID
    target_id: UUID | None
    versions: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the subjects: what readers get now, and what they would get (None: nothing)."""

    subject: Subject
    current: Representation | None
    target: Representation | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollback would do.

    ``nothing_before`` counts the subjects whose readers would get nothing, ``events`` those that were read since.
    ``live`` is what would be live then, None where that does not change or must be said. ``experiments`` and ``runs``
    would be stopped.
    """

    affected: Sequence[Affected]
    versions: int
    nothing_before: int
    events: int
    live: PromptVersion | None
    experiments: int
    runs: int

    @property
    def targets(self) -> dict[UUID, UUID | None]:
        """By subject the version that its readers would get, None where they would get nothing."""
        return {item.subject_id: item.target_id for item in self.affected}


def of_app(app: App | None) -> QuerySet[Rollback]:
    """Return an app's rollbacks (for None, those of the whole site), newest first."""
    found = Rollback.objects.filter(app=app).order_by("-pk")
    return found.select_related("prompt_version", "live")


def plan(version: PromptVersion, *, app: App | None = None, since: datetime | None = None) -> Plan:
    """Return what taking back all that a version made (in an app, since a moment) would do now. Changes nothing."""
    found = affected(version, app=app, since=since)
    return Plan(
        affected=found,
        versions=sum(item.versions for item in found),
        nothing_before=sum(item.target_id is None for item in found),
        events=_events_since(found),
        live=_next_live(version, app),
        experiments=len(_experiments(version, app)),
        runs=_runs(version, app).count(),
    )


def affected(version: PromptVersion, *, app: App | None = None, since: datetime | None = None) -> list[Affected]:
    """Return the subjects whose readers get what a version made, or what goes on from that. One statement."""
    values = {"recipe": version.recipe, "since": since, "app": None if app is None else app.pk}
    with connection.cursor() as cursor:
        cursor.execute(_AFFECTED, values)
        return [Affected(*row) for row in cursor.fetchall()]


@transaction.atomic
def roll_back(
    version: PromptVersion,
    *,
    reason: str,
    by: str = "",
    app: App | None = None,
    since: datetime | None = None,
    then: Onward = Onward.STAY,
    live: PromptVersion | None = None,
    keep_live: bool = False,
) -> Rollback:
    """Take readers back from all that a version made (in an app, since a moment) to what it replaced.

    Where the version is live, ``live`` becomes so, by default the one before; ``keep_live`` leaves it. ``then`` says
    whether events that were read since stay read or are read again. One transaction. Raises :class:`Invalid` without a
    reason, and :class:`Conflict` where nothing would change, where nobody knows what shall be live, and where four eyes
    are asked for and nobody has confirmed a ``live`` that never was.
    """
    _check(reason, then)
    found = affected(version, app=app, since=since)
    # In the order of everybody's locks: subjects, experiments, runs, labels.
    under_way = _under_way(version, app)
    reprocessing.lock_subjects({item.subject_id for item in found} | set(under_way))
    moved = None
    if not keep_live:
        _stop_what_brings_it_back(version, app, reason, by)
        moved = _move_live(version, app, live, reason, by)
    if not found and moved is None:
        raise Conflict(f"Readers get nothing that {version} made{' since then' if since else ''}.")
    rollback = Rollback.objects.create(
        app=app, prompt_version=version, since=since, then=then, live=moved, subjects=len(found), by=by, reason=reason
    )
    _restore(rollback, {item.subject_id: item.target_id for item in found})
    if not keep_live:
        following.hand_over(under_way)
    _note("roll back deployment", rollback)
    return rollback


@transaction.atomic
def undo(rollback: Rollback, *, reason: str, by: str = "") -> Rollback:
    """Give readers again what they got before a rollback, and make its prompt version live again (:func:`live_again`).

    What was read meanwhile stays read. Subjects that were rolled back once more since, or whose version of then was
    erased, are left as they are; experiments
    and runs that were stopped stay so. Raises :class:`Invalid` without a reason and :class:`Conflict` where it is
    undone already.
    """
    _check(reason, Onward.STAY)
    rollback = Rollback.objects.select_for_update().get(pk=rollback.pk)
    if Rollback.objects.filter(undoes=rollback).exists():
        raise Conflict("This rollback was undone already.")
    targets = given_back(rollback)
    reprocessing.lock_subjects(targets)
    moved = live_again(rollback)
    if moved is not None and rollback.live is not None:
        _put_live_back(rollback.live, moved, reason, by)
    made = Rollback.objects.create(
        app=rollback.app, prompt_version=rollback.prompt_version, since=rollback.since, undoes=rollback, live=moved,
        subjects=len(targets), by=by, reason=reason,
    )  # fmt: skip
    _restore(made, targets)
    _note("undo rollback", made)
    return made


def live_again(rollback: Rollback) -> PromptVersion | None:
    """Return the version that undoing a rollback would make live again, None where nothing.

    That is so where none was live, and where what took its place is live no more: somebody has chosen another since.
    """
    instead = rollback.live
    if instead is None or labels.pointed(labels.Name.LIVE, instead.app_id, instead.kind) != instead:
        return None
    return rollback.prompt_version


def given_back(rollback: Rollback) -> dict[UUID, UUID | None]:
    """Return by subject the version that undoing a rollback would give readers again. One statement.

    Subjects that were rolled back once more since, or whose version of then was erased, are not among them.
    """
    later = RolledBack.objects.filter(
        rollback__created_at__gt=rollback.created_at, rollback__undoes=None, rollback__undone_by=None
    )
    readable = rollback.items.filter(before__status=Representation.Status.PUBLISHED)
    return dict(readable.exclude(subject__in=later.values("subject")).values_list("subject_id", "before_id"))


def samples(targets: Mapping[UUID, UUID | None], most: int = 5) -> list[Sample]:
    """Return what readers get now and would get, of ``most`` of the subjects. Two statements."""
    chosen = dict(list(targets.items())[:most])
    named = ("current", "user", "observer", "session", "project")
    subjects = Subject.objects.select_related(*named).in_bulk(list(chosen))
    versions = Representation.objects.in_bulk([pk for pk in chosen.values() if pk is not None])
    return [
        Sample(subjects[pk], subjects[pk].current, None if target is None else versions[target])
        for pk, target in chosen.items()
    ]


def _note(act: str, made: Rollback) -> None:
    since = None if made.since is None else made.since.isoformat()
    live = None if made.live is None else made.live.public_id
    after = {"prompt_version": made.prompt_version.public_id, "since": since, "subjects": made.subjects, "live": live}
    audit.note(act, made, by=made.by, app=made.app, reason=made.reason, after=after)


def _check(reason: str, then: Onward) -> None:
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))
    if then not in (Onward.STAY, Onward.REASON_AGAIN):
        raise Invalid("Use stay or reason_again.", ("then",))


def _restore(rollback: Rollback, targets: dict[UUID, UUID | None]) -> list[Restored]:
    again = rollback.then == Onward.REASON_AGAIN
    recipes = assignment.recipes(list(Subject.objects.filter(pk__in=targets))) if again else None
    restored = restoring.restore(
        targets,
        onward=Onward(rollback.then),
        reason=rollback.reason,
        by=rollback.by,
        made_by={"rollback": ids.encode(rollback.pk)},
        recipes=recipes,
    )
    rows = [item for item in restored if item.before_id is not None]
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                rollback.pk,
                [item.subject_id for item in rows],
                [item.before_id for item in rows],
                [item.made_id for item in rows],
            ],
        )
    return restored


def live_instead(
    version: PromptVersion, *, app: App | None = None, live: PromptVersion | None = None
) -> PromptVersion | None:
    """Return what becomes live where a version is taken back (in an app), None where nothing does.

    ``live`` is what somebody wants, by default the one before. Raises :class:`Conflict` where nobody knows what shall
    be live, and :class:`Invalid` for what cannot be.
    """
    if not version.is_live:
        return None
    if app is not None and version.app_id is None:
        if labels.pointed(labels.Name.LIVE, app, version.kind) is not None:
            return None  # the site's is not what the app goes by
        if live is None or (live.app_id, live.kind) != (app.pk, version.kind):
            raise Conflict(
                f"{version} is the site's, and live: say which version of this app shall be live in it instead."
            )
        return live
    instead = live or _next_live(version, app)
    if instead is None:
        raise Conflict(f"{version} is live and was the first: say which version shall be live instead.")
    if instead == version or (instead.app_id, instead.kind) != (version.app_id, version.kind):
        raise Invalid("Name another version of the same app and kind.", ("live",))
    return instead


def _move_live(
    version: PromptVersion, app: App | None, live: PromptVersion | None, reason: str, by: str
) -> PromptVersion | None:
    """Let another version be live in place of ``version``; return it, None where that was not live."""
    instead = live_instead(version, app=app, live=live)
    if instead is not None:
        if not labels.was_live(instead):
            proposals.demand(instead)  # to go back needs no second person, to go on does
        labels.move(labels.Name.LIVE, instead, reason=reason, by=by, settled=True)
    return instead


def _put_live_back(instead: PromptVersion, version: PromptVersion, reason: str, by: str) -> None:
    """Let a version be live again; where an app was given one of its own instead, it goes by the site's again."""
    if instead.app_id == version.app_id:
        labels.move(labels.Name.LIVE, version, reason=reason, by=by, settled=True)
    else:
        labels.take_off(labels.Name.LIVE, instead.app_id, instead.kind, reason=reason, by=by, settled=True)


def _next_live(version: PromptVersion, app: App | None) -> PromptVersion | None:
    """Return what would be live in place of a version: the one before, None where it is not live or was the first."""
    if not version.is_live or (app is not None and version.app_id is None):
        return None
    previous = labels.pointed(labels.Name.PREVIOUS, version.app_id, version.kind)
    return None if previous == version else previous


def _experiments(version: PromptVersion, app: App | None) -> list[tuple[Experiment, Arm | None]]:
    """Return the running experiments that a version takes part in, with its arm; None where it is the control."""
    running = Experiment.objects.filter(state__in=[Experiment.State.RUNNING, Experiment.State.PAUSED])
    if app is not None:
        running = running.filter(app=app)
    arms = Arm.objects.filter(version=version, paused=False, experiment__in=running).select_related("experiment")
    return [(arm.experiment, arm) for arm in arms] + [(each, None) for each in running.filter(control=version)]


def _runs(version: PromptVersion, app: App | None) -> QuerySet[Reprocess]:
    state = Reprocess.State
    found = Reprocess.objects.filter(prompt_version=version, state__in=[state.RUNNING, state.PAUSED, state.DONE])
    return found if app is None else found.filter(app=app)


def _stop_what_brings_it_back(version: PromptVersion, app: App | None, reason: str, by: str) -> None:
    for experiment, arm in _experiments(version, app):
        if arm is None:
            experiments.stop(experiment, by=by, reason=reason)
        else:
            experiments.pause(experiment, arm, by=by, reason=reason)
    for run in _runs(version, app).order_by("pk"):
        end = reprocessing.discard if run.state == Reprocess.State.DONE else reprocessing.cancel
        end(run, reason=reason, by=by)


def _under_way(version: PromptVersion, app: App | None) -> list[UUID]:
    """Return the subjects of which passes by a version are under way; what only waits is looked at when claimed."""
    leased = Work.objects.filter(line__recipe=version.recipe, state=Work.State.LEASED)
    found = Subject.objects.filter(line__in=leased.values("line"))
    return list((found if app is None else found.filter(app=app)).values_list("pk", flat=True))


def _events_since(found: Sequence[Affected]) -> int:
    """Return how many events what readers get has read, and what they would get has not."""
    named = {item.current_id for item in found} | {item.target_id for item in found if item.target_id}
    read = dict(Representation.objects.filter(pk__in=named).values_list("pk", "covers_to"))
    return sum(max(read[item.current_id] - (read[item.target_id] if item.target_id else 0), 0) for item in found)
