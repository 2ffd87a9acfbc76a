"""What can be done to an experiment: each act checks, changes and notes itself in one transaction.

Subjects follow at their next event: ``reasoning.assignment`` is asked then. Lock order: experiment, work row, pass;
whoever takes events in holds a share of the experiment's lock before those of work rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from memory import audit, clock, ids, proposals, validation
from memory.errors import Conflict, Invalid, NotFound
from memory.models import App, Subject
from reasoning import following, labels, prompt_versions
from reasoning.experiments import falling, guardrails, split
from reasoning.experiments.split import BUCKETS, Holding
from reasoning.models import Arm, Experiment, ExperimentAct, PromptVersion, Work

Mode, State = Experiment.Mode, Experiment.State

MOST_CANDIDATES = 10
NAME_LENGTH = 200
REASON_LENGTH = 2_000

_OPEN = (State.RUNNING, State.PAUSED)
_DONE = {
    "start": "started",
    "ramp": "ramped",
    "pause": "paused",
    "resume": "resumed",
    "stop": "stopped",
    "promote": "promoted",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt version that an experiment tries, and for which share of the subjects, 0 to 1."""

    version: PromptVersion
    share: float = 0.0


def of_app(app: App | None) -> QuerySet[Experiment]:
    """Return an app's (or, for None, the site's) experiments, newest first, with their arms."""
    found = Experiment.objects.filter(app=app).select_related("app", "control")
    return found.prefetch_related("arms__version").order_by("-pk")


def find(app: App | None, ref: str) -> Experiment:
    """Return an app's (or the site's) experiment by id or name; raises :class:`NotFound`."""
    rows = of_app(app)
    by_id = ids.decode(ref)
    found = (rows.filter(pk=by_id).first() if by_id else None) or rows.filter(name=ref).first()
    if found is None:
        raise NotFound("Experiment not found")
    return found


def find_arm(experiment: Experiment, ref: str) -> Arm:
    """Return an arm by its id, or by the id or the name of its prompt version; raises :class:`NotFound`."""
    for arm in experiment.arms.select_related("version"):
        if ref in (arm.public_id, arm.version.public_id, prompt_versions.name_of(arm.version)):
            return arm
    raise NotFound("Arm not found: give its id, or its prompt version's id or name")


def drafted(
    kind: str,
    name: str,
    candidates: Sequence[Candidate],
    *,
    app: App | None = None,
    mode: str = Mode.SERVE,
    sample: float = 0.0,
    guarded: Any = (),
    salt: str = "",
) -> tuple[Experiment, list[Arm]]:
    """Return an experiment and its arms as :func:`create` would make them; nothing is kept.

    With the ``salt`` of an earlier draft, subjects fall as they did in that. Raises as :func:`create` does.
    """
    validation.name(name, ("name",), most=NAME_LENGTH)
    if kind not in Subject.Kind.values:
        raise Invalid(f"Use {', '.join(Subject.Kind.values)}.", ("kind",), "enum")
    if mode not in Mode.values:
        raise Invalid(f"Use {', '.join(Mode.values)}.", ("mode",), "enum")
    if sample and mode == Mode.SHADOW:
        raise Invalid("In shadow mode every arm is made beside the control: leave the sample out.", ("sample",))
    control = _live(app, kind)
    _check_candidates(candidates, control, app, kind)
    experiment = Experiment(
        app=app,
        kind=kind,
        name=name,
        mode=mode,
        control=control,
        salt=salt or split.even_salt(falling.newest(kind, app)),
        sample=_buckets(sample, ("sample",)),
        guardrails=guardrails.checked(guarded),
    )
    arms: list[Arm] = []
    for place, candidate in enumerate(candidates):
        where = ("candidates", place, "share")
        held = _held(Holding([], []), arms, _buckets(candidate.share, where), where)
        arms.append(Arm(experiment=experiment, version=candidate.version, buckets=held.buckets))
    if Experiment.objects.filter(app=app, name=name).exists():
        raise _taken(name)
    return experiment, arms


@transaction.atomic
def create(
    kind: str,
    name: str,
    candidates: Sequence[Candidate],
    *,
    app: App | None = None,
    mode: str = Mode.SERVE,
    sample: float = 0.0,
    guarded: Any = (),
    salt: str = "",
    by: str = "",
    reason: str = "",
) -> Experiment:
    """Make an experiment that has not begun: ``candidates`` against the version that is live now.

    ``sample`` is for which share of the arms' subjects *serve* mode makes the control's versions beside, ``guarded``
    what ``reasoning.experiments.guardrails`` shall see to; with the ``salt`` that was :func:`drafted`, subjects fall
    as they did there. Raises :class:`Invalid` for what cannot be, and :class:`Conflict` for a name that is taken.
    """
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    experiment, arms = drafted(kind, name, candidates, app=app, mode=mode, sample=sample, guarded=guarded, salt=salt)
    try:
        with transaction.atomic():
            experiment.save()
    except IntegrityError:
        raise _taken(name) from None
    for arm in arms:
        arm.save()
    _note(experiment, "create", by, reason, before={})
    return experiment


def start(experiment: Experiment, *, by: str = "", reason: str = "") -> Experiment:
    """Let subjects fall to the arms from their next events on.

    Raises :class:`Conflict` where the control is not live any more, or another one of that app and kind is not ended.
    """

    def begin(experiment: Experiment) -> None:
        _check_live(experiment)
        experiment.state, experiment.started_at = State.RUNNING, clock.now()
        try:
            with transaction.atomic():
                experiment.save(update_fields=["state", "started_at"])
        except IntegrityError:
            other = Experiment.objects.filter(app=experiment.app, kind=experiment.kind, state__in=_OPEN).first()
            raise Conflict(f"The experiment '{other}' goes on with {experiment.kind} prompts: end it first.") from None

    return _do(experiment, "start", (State.DRAFT,), begin, by, reason)


def ramp(experiment: Experiment, arm: Arm, share: float, *, by: str = "", reason: str = "") -> Experiment:
    """Give an arm a share of the subjects, 0 to 1. Nobody who is in and stays in moves.

    Raises :class:`Invalid` for a share that is not left: nobody moves from one candidate to another, so what other
    arms have, or had and gave back, is theirs.
    """

    def resize(experiment: Experiment) -> None:
        [resized] = [row for row in ramped(experiment, arm, share) if row == arm]
        resized.save(update_fields=["buckets", "given_back"])
        _stop_beside(experiment)

    return _do(experiment, "ramp", (State.DRAFT, *_OPEN), resize, by, reason, arm)


def ramped(experiment: Experiment, arm: Arm, share: float) -> list[Arm]:
    """Return the arms as they would be with this share for one of them; nothing is kept. Raises as :func:`ramp`."""
    count = _buckets(share, ("share",))
    arms = list(Arm.objects.filter(experiment=experiment).select_related("version").order_by("pk"))
    for row in arms:
        if row == arm:
            held = _held(
                Holding(row.buckets, row.given_back), [other for other in arms if other != row], count, ("share",)
            )
            # Nobody has been in an arm of a draft.
            row.buckets, row.given_back = held.buckets, [] if experiment.state == State.DRAFT else held.given_back
    return arms


def pause(experiment: Experiment, arm: Arm | None = None, *, by: str = "", reason: str = "") -> Experiment:
    """Let the subjects of an arm, or of all, go on with the control from their next events, until it is resumed.

    Raises :class:`Conflict` where it does not run, or the arm is paused.
    """

    def halt(experiment: Experiment) -> None:
        if arm is None:
            _change(experiment, state=State.PAUSED)
        elif not Arm.objects.filter(pk=arm.pk, paused=False).update(paused=True, paused_because=reason):
            raise Conflict("This arm is paused already.")
        _stop_beside(experiment)

    return _do(experiment, "pause", (State.RUNNING,) if arm is None else _OPEN, halt, by, reason, arm)


def resume(experiment: Experiment, arm: Arm | None = None, *, by: str = "", reason: str = "") -> Experiment:
    """Let the subjects of a paused arm, or of a paused experiment, go back to what they fell to.

    Raises :class:`Conflict` where nothing is paused, or the control is not live any more.
    """

    def go_on(experiment: Experiment) -> None:
        _check_live(experiment)
        if arm is None:
            _change(experiment, state=State.RUNNING)
        elif not Arm.objects.filter(pk=arm.pk, paused=True).update(paused=False, paused_because=""):
            raise Conflict("This arm is not paused.")

    return _do(experiment, "resume", (State.PAUSED,) if arm is None else _OPEN, go_on, by, reason, arm)


def stop(experiment: Experiment, *, by: str = "", reason: str = "") -> Experiment:
    """End it for good: its subjects go on with what is live from their next events. What was made stays readable."""

    def end(experiment: Experiment) -> None:
        _change(experiment, state=State.STOPPED, ended_at=clock.now())
        _stop_beside(experiment)

    return _do(experiment, "stop", _OPEN, end, by, reason)


def promote(experiment: Experiment, arm: Arm, *, reason: str, by: str = "") -> Experiment:
    """End it for good and make an arm's version live, for the reason that is given.

    Raises :class:`Invalid` without a reason, and :class:`Conflict` where a version of the site would have to become
    live for one app alone, or where four eyes are asked for and nobody else has confirmed it.
    """

    def win(experiment: Experiment) -> None:
        proposals.demand(experiment)
        _make_live(experiment, arm, reason, by)
        _change(experiment, state=State.PROMOTED, ended_at=clock.now())
        _stop_beside(experiment)

    return _do(experiment, "promote", _OPEN, win, by, reason, arm)


@transaction.atomic
def _do(
    experiment: Experiment,
    act: str,
    states: Sequence[str],
    change: Callable[[Experiment], None],
    by: str,
    reason: str,
    arm: Arm | None = None,
) -> Experiment:
    """Change a locked experiment that is in one of these states, note the act, and return it as it is then."""
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    locked = Experiment.objects.select_for_update(no_key=True, of=("self",)).select_related("app", "control")
    experiment = locked.get(pk=experiment.pk)
    if experiment.state not in states:
        raise Conflict(f"Its state is {experiment.state}: it cannot be {_DONE[act]}.")
    if arm is not None and arm.experiment_id != experiment.pk:
        raise NotFound("Arm not found")
    before = _shares(experiment)
    change(experiment)
    _note(experiment, act, by, reason, before=before, arm=arm)
    return experiment


def _note(
    experiment: Experiment, act: str, by: str, reason: str, *, before: Mapping[str, float], arm: Arm | None = None
) -> None:
    after = _shares(experiment)
    detail = {"shares_before": before, "shares_after": after}
    ExperimentAct.objects.create(experiment=experiment, arm=arm, act=act, detail=detail, by=by, reason=reason)
    whose = {} if arm is None else {"arm": prompt_versions.name_of(arm.version)}
    audit.note(
        f"{act} experiment", experiment, by=by, reason=reason,
        before={"shares": dict(before)}, after={**whose, "state": experiment.state, "shares": after},
    )  # fmt: skip


def _shares(experiment: Experiment) -> dict[str, float]:
    return {arm.public_id: arm.share for arm in Arm.objects.filter(experiment=experiment).order_by("pk")}


def _change(experiment: Experiment, **values: Any) -> None:
    for field, value in values.items():
        setattr(experiment, field, value)
    experiment.save(update_fields=list(values))


def _taken(name: str) -> Conflict:
    return Conflict(f"There is an experiment called '{name}' already.")


def _live(app: App | None, kind: str) -> PromptVersion:
    if app is not None:
        return labels.live(app.pk, kind)
    version = labels.pointed(labels.Name.LIVE, None, kind)
    if version is None:
        raise Conflict(f"The site has no live {kind} prompt.")
    return version


def _check_live(experiment: Experiment) -> None:
    live = _live(experiment.app, experiment.kind)
    if live != experiment.control:
        raise Conflict(
            f"The control is {experiment.control}, and {live} is live by now: what the arms are compared with has "
            "changed. Make a new experiment."
        )


def _check_candidates(candidates: Sequence[Candidate], control: PromptVersion, app: App | None, kind: str) -> None:
    if not 1 <= len(candidates) <= MOST_CANDIDATES:
        raise Invalid(f"Give 1 to {MOST_CANDIDATES} candidates.", ("candidates",))
    for place, candidate in enumerate(candidates):
        where, version = ("candidates", place, "version"), candidate.version
        if version.kind != kind or version.app_id not in (None, app and app.pk):
            raise Invalid(f"This is no {kind} prompt of {app or 'the site'}.", where)
        if version == control:
            raise Invalid("This is the control: it is live.", where)
        if any(version == other.version for other in candidates[:place]):
            raise Invalid("This is a candidate already.", where)


def _buckets(share: float, where: Sequence[str | int]) -> int:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise Invalid("Give a share of 0 to 1; 0.1 is ten of a hundred.", where, "share")
    return round(share * BUCKETS)


def _held(own: Holding, others: Sequence[Arm], count: int, where: Sequence[str | int]) -> Holding:
    """Return what an arm that holds ``own`` holds when it is to have ``count`` buckets."""
    theirs = [Holding(arm.buckets, arm.given_back) for arm in others]
    left = split.available(theirs)
    if count > left:
        raise Invalid(
            f"At most {left / BUCKETS:.2%} are left: the others are, or were, another candidate's, and nobody moves "
            "from one candidate to another.",
            where,
            "share",
        )
    return split.resized(own, theirs, count)


def _stop_beside(experiment: Experiment) -> None:
    """Let what is made beside for subjects that fall to no arm now be made no more."""
    beside = Work.objects.filter(follows=True, line__branch=experiment.public_id, kind=experiment.kind)
    arms = [arm for arm in Arm.objects.filter(experiment=experiment) if not arm.paused]
    if experiment.state != State.RUNNING:
        following.stop_following(beside)
        return
    out = []
    for pk, subject_id in beside.values_list("pk", "line__subject").iterator():
        bucket = split.bucket_of(experiment.salt, subject_id)
        if not any(split.holds(arm.buckets, bucket) for arm in arms):
            out.append(pk)
    if out:
        following.stop_following(Work.objects.filter(pk__in=out))


def check_can_win(experiment: Experiment, arm: Arm) -> None:
    """Raise :class:`Conflict` where an arm's version, one of the site, would have to become live for one app alone."""
    version = arm.version
    if version.app_id != experiment.app_id and labels.pointed(labels.Name.LIVE, None, version.kind) != version:
        raise Conflict(
            f"{version} is the site's: it would become live in every app. Make it a version of the app's own, or move "
            "the site's label."
        )


def _make_live(experiment: Experiment, arm: Arm, reason: str, by: str) -> None:
    """Make an arm's version live where the experiment counts: in its app, or for the site."""
    check_can_win(experiment, arm)
    if arm.version.app_id == experiment.app_id:
        labels.move(labels.Name.LIVE, arm.version, reason=reason, by=by, settled=True)
    elif experiment.control.app_id is not None:
        labels.take_off(labels.Name.LIVE, experiment.app, arm.version.kind, reason=reason, by=by, settled=True)
