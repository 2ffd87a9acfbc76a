"""What is done to an experiment: started, ramped, paused, resumed, stopped, promoted, each after a preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.links import page_url
from memory.models import Representation, Subject
from memory.worddiff import Diff
from reasoning import labels, prompt_versions
from reasoning.experiments import falling, lifecycle, pairwise
from reasoning.models import Arm, Experiment, PromptVersion

State = Experiment.State

COMPARED = 3
"""So many pairs of versions are shown before one prompt takes the other's place."""


class ArmForm(ReasonForm):
    """One arm, or all, and why."""

    arm = forms.ChoiceField(required=False)
    field_order = ("arm", "share", "reason")

    def __init__(self, *args: Any, arms: Sequence[Arm] = (), every: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["arm"]
        first = [("", every)] if every else []
        field.choices = first + [(arm.public_id, str(_name(arm))) for arm in arms]  # type: ignore[attr-defined]
        field.required = not every


class ShareForm(ArmForm):
    """The share that an arm shall have, and why."""

    share = forms.DecimalField(
        min_value=0, max_value=100, decimal_places=2, max_digits=5, label="Share in per cent",
        help_text="Of the subjects. Nobody who is in moves; ramped down, those go who came last.",
    )  # fmt: skip


class _ExperimentAct(Act):
    """Something that is done to an experiment, or to one of its arms."""

    permission = "reasoning.run_experiments"
    states: tuple[str, ...] = ()

    def needs(self, request: HttpRequest, obj: Experiment) -> bool:
        """Whether its state allows it."""
        return obj.state in self.states

    def back(self, obj: Experiment) -> str:
        """Return the address of the experiment's page."""
        return page_url(obj, self.model_admin.admin_site.name)

    def undo(self, act: str, obj: Experiment, **fields: Any) -> str:
        """Return the address of the act that undoes this one, its form filled in."""
        url = reverse(f"admin:reasoning_experiment_{act}", args=[obj.pk], current_app=self.model_admin.admin_site.name)
        return f"{url}?{urlencode(fields)}" if fields else url


class _ArmAct(_ExperimentAct):
    """Something that is done to one arm, or to all of them; ``every`` is what "all" is called."""

    form_class = ArmForm
    every = ""

    def form(self, obj: Any, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Return a form that offers the arms."""
        form: type[ArmForm] = self.form_class
        return form(data, initial=dict(initial or {}), arms=self.arms(obj), every=self.every)

    def arms(self, obj: Experiment) -> list[Arm]:
        """Return the arms that it can be done to."""
        return _arms(obj)


class Start(_ExperimentAct):
    """Let subjects fall to the arms."""

    name = "start"
    verb = "Start"
    states = (State.DRAFT,)

    def about(self, obj: Experiment) -> str:
        """Say what starts."""
        if obj.mode == Experiment.Mode.SHADOW:
            return "From their next events on, the candidates' versions are made beside. Readers get what they get now."
        return "From their next events on, subjects are served by the prompt version that they fall to."

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show who falls where."""
        arms = _arms(obj)
        falls = falling.who(obj, arms)
        lines = [
            (_part(part), f"{part.target:.2%} of subjects; {_of(part.count, falls.looked_at)} of the newest there are")
            for part in falls.parts
        ]
        return Preview(lines=lines, token=_token(obj, arms))

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Start it."""
        lifecycle.start(obj, by=by, reason=data["reason"])
        return Done(message=f"“{obj}” runs.", undo=("Pause it", self.undo("pause", obj)))


class Ramp(_ArmAct):
    """Give an arm more or fewer subjects."""

    name = "ramp"
    verb = "Ramp"
    form_class = ShareForm
    states = (State.DRAFT, State.RUNNING, State.PAUSED)

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show the shares and how many move."""
        before, arm = _arms(obj), _arm(obj, data)
        after = lifecycle.ramped(obj, arm, _share(data))
        [now] = [row for row in before if row == arm]
        [then] = [row for row in after if row == arm]
        moves = falling.moves(obj, before, after)
        lines: list[tuple[str, Any]] = [("Arm", _name(arm)), ("Share", f"{now.share:.2%} → {then.share:.2%}")]
        if obj.state != State.DRAFT:
            lines += _moved(obj, moves)
        return Preview(lines=lines, token=_token(obj, before, f"{then.share}"))

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Ramp it."""
        arm = _arm(obj, data)
        before = arm.share
        lifecycle.ramp(obj, arm, _share(data), by=by, reason=data["reason"])
        undo = self.undo("ramp", obj, arm=arm.public_id, share=f"{before * 100:g}")
        return Done(message=f"{_name(arm)} has {data['share']:f} % of the subjects.", undo=("Ramp back", undo))


class Pause(_ArmAct):
    """Let an arm's subjects, or all, go on with the control."""

    name = "pause"
    verb = "Pause"
    every = "The whole experiment"
    states = (State.RUNNING, State.PAUSED)

    def needs(self, request: HttpRequest, obj: Experiment) -> bool:
        """Whether anything runs."""
        return super().needs(request, obj) and (obj.state == State.RUNNING or bool(self.arms(obj)))

    def arms(self, obj: Experiment) -> list[Arm]:
        """Return the arms that are not paused."""
        return [arm for arm in _arms(obj) if not arm.paused]

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show how many go back."""
        before, arm = _arms(obj), _arm_or_all(obj, data)
        after = [row for row in before if arm is not None and row != arm]
        lines = [("Paused", _name(arm) if arm else self.every), *_moved(obj, falling.moves(obj, before, after))]
        return Preview(lines=lines, token=_token(obj, before, str(arm and arm.pk)))

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Pause it."""
        arm = _arm_or_all(obj, data)
        lifecycle.pause(obj, arm, by=by, reason=data["reason"])
        undo = self.undo("resume", obj, **({"arm": arm.public_id} if arm else {}))
        return Done(message=f"{_name(arm) if arm else f'“{obj}”'} is paused.", undo=("Resume", undo))


class Resume(_ArmAct):
    """Let subjects go back to what they fell to."""

    name = "resume"
    verb = "Resume"
    every = "The whole experiment"
    states = (State.RUNNING, State.PAUSED)

    def needs(self, request: HttpRequest, obj: Experiment) -> bool:
        """Whether anything is paused."""
        return super().needs(request, obj) and (obj.state == State.PAUSED or bool(self.arms(obj)))

    def arms(self, obj: Experiment) -> list[Arm]:
        """Return the arms that are paused."""
        return [arm for arm in _arms(obj) if arm.paused]

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show how many go back."""
        arms, arm = _arms(obj), _arm_or_all(obj, data)
        before = [] if obj.state == State.PAUSED else arms
        after = arms if arm is None else [] if obj.state == State.PAUSED else [_unpaused(row, arm) for row in arms]
        lines = [("Resumed", _name(arm) if arm else self.every), *_moved(obj, falling.moves(obj, before, after))]
        if arm is not None and arm.paused_because:
            lines.append(("Paused because", arm.paused_because))
        return Preview(lines=lines, token=_token(obj, arms, str(arm and arm.pk)))

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Resume it."""
        arm = _arm_or_all(obj, data)
        lifecycle.resume(obj, arm, by=by, reason=data["reason"])
        undo = self.undo("pause", obj, **({"arm": arm.public_id} if arm else {}))
        return Done(message=f"{_name(arm) if arm else f'“{obj}”'} goes on.", undo=("Pause", undo))


class Stop(_ExperimentAct):
    """End it: everybody goes on with what is live."""

    name = "stop"
    verb = "Stop"
    states = (State.RUNNING, State.PAUSED)

    def about(self, obj: Experiment) -> str:
        """Say that it is for good."""
        return "For good: from their next events on, subjects go on with what is live. What was made stays readable."

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show how many go back."""
        arms = _arms(obj)
        lines = [("Goes on with", _version(obj.control)), *_moved(obj, falling.moves(obj, arms, []))]
        return Preview(lines=lines, token=_token(obj, arms))

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Stop it."""
        lifecycle.stop(obj, by=by, reason=data["reason"])
        return Done(message=f"“{obj}” has ended.", undo=("Set up another like it", _like(self, obj)))


class Promote(_ArmAct):
    """End it and make an arm's prompt version live."""

    name = "promote"
    verb = "Promote"
    permission = "reasoning.promote_prompts"
    four_eyes = True
    states = (State.RUNNING, State.PAUSED)

    def about(self, obj: Experiment) -> str:
        """Say what becomes live."""
        where = f"app {obj.app}" if obj.app else "every app without a prompt of its own"
        return f"The experiment ends, and the arm's prompt version becomes live for {where}."

    def preview(self, obj: Experiment, data: dict[str, Any]) -> Preview:
        """Show what takes whose place, and what readers would get in some cases."""
        arms, arm = _arms(obj), _arm(obj, data)
        lifecycle.check_can_win(obj, arm)
        falls, live = falling.who(obj, arms), _live(obj)
        theirs = sum(part.count for part in falls.parts if part.arm == arm and obj.mode == Experiment.Mode.SERVE)
        lines = [
            ("Live now", _version(live)),
            ("Becomes live", _version(arm.version)),
            (
                "Would move",
                f"{_of(falls.looked_at - theirs, falls.looked_at)} of the newest subjects, at their next event",
            ),
        ]
        warning = ""
        if live != obj.control:
            warning = (
                f"What the arm was compared with, {_version(obj.control)}, is live no more: {_version(live)} is, and "
                "would be so no longer."
            )
        return Preview(
            lines=lines, diffs=_diffs(arm), warning=warning, token=_token(obj, arms, str(arm.pk), str(live.pk))
        )

    def perform(self, obj: Experiment, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Promote it."""
        arm, live = _arm(obj, data), _live(obj)
        lifecycle.promote(obj, arm, by=by, reason=data["reason"])
        site = self.model_admin.admin_site.name
        return Done(
            message=f"{_name(arm)} is live.",
            made=[(_version(arm.version), page_url(arm.version, site))],
            undo=(f"Make {_version(live)} live again", self._make_live(live, arm)),
        )

    def _make_live(self, live: PromptVersion, arm: Arm) -> str:
        """Return where what was live is made so again: of the site's, where an app had none, it is the app's label."""
        site = self.model_admin.admin_site.name
        if live.app_id != arm.version.app_id:
            return page_url(arm.version, site)
        return reverse("admin:reasoning_promptversion_make_live", args=[live.pk], current_app=site)


ACTS: tuple[type[Act], ...] = (Start, Ramp, Pause, Resume, Promote, Stop)


def _live(obj: Experiment) -> PromptVersion:
    """Return what is live now where an experiment counts; its control may be so no more."""
    if obj.app_id is not None:
        return labels.live(obj.app_id, obj.kind)
    return labels.pointed(labels.Name.LIVE, None, obj.kind) or obj.control


def _arms(obj: Experiment) -> list[Arm]:
    return list(obj.arms.select_related("version", "experiment__control").order_by("pk"))


def _arm(obj: Experiment, data: Mapping[str, Any]) -> Arm:
    return lifecycle.find_arm(obj, data["arm"])


def _arm_or_all(obj: Experiment, data: Mapping[str, Any]) -> Arm | None:
    return _arm(obj, data) if data["arm"] else None


def _unpaused(row: Arm, arm: Arm) -> Arm:
    """Return an arm as it is, or, the one that is resumed, as it will be."""
    if row != arm:
        return row
    return Arm(pk=row.pk, experiment=row.experiment, version=row.version, buckets=row.buckets)


def _share(data: Mapping[str, Any]) -> float:
    return float(data["share"]) / 100


def _version(version: Any) -> str:
    return prompt_versions.name_of(version)


def _name(arm: Arm) -> str:
    return prompt_versions.name_of(arm.version)


def _part(part: falling.Part) -> str:
    return f"{_version(part.version)}{'' if part.arm else ' (control)'}"


def _of(count: int, of: int) -> str:
    return f"{count:,} of {of:,}"


def _moved(obj: Experiment, moves: falling.Moves) -> list[tuple[str, Any]]:
    """Return how many subjects move; in shadow mode, for how many is made beside."""
    into, out = ("Come to a candidate", "Go back to the control")
    if obj.mode == Experiment.Mode.SHADOW:
        into, out = ("Versions begin to be made beside for", "Versions are no longer made beside for")
    found = [(into, moves.into), (out, moves.out)]
    return [(label, f"{_of(count, moves.looked_at)} of the newest subjects") for label, count in found if count] or [
        ("Moves", "nobody of the newest subjects")
    ]


def _token(obj: Experiment, arms: Sequence[Arm], *more: str) -> str:
    """Return what a preview of an experiment rests on: its state and its arms', not the subjects that come and go."""
    return repr((obj.state, [(str(arm.pk), arm.buckets, arm.paused) for arm in arms], more))


def _diffs(arm: Arm) -> list[Diff]:
    """Return what some subjects' readers would get instead of what the control makes."""
    found = pairwise.pairs([arm], COMPARED)
    versions = Representation.objects.in_bulk([pk for pair in found for pk in (pair.control_id, pair.candidate_id)])
    rows = Subject.objects.select_related("user", "observer", "session", "project")
    subjects = rows.in_bulk([pair.subject_id for pair in found])
    return [
        Diff(
            f"{subjects[pair.subject_id]}: {_version(arm.experiment.control)}, then {_version(arm.version)}",
            versions[pair.control_id].text,
            versions[pair.candidate_id].text,
        )
        for pair in found
    ]


def _like(act: Act, obj: Experiment) -> str:
    url = reverse("admin:reasoning_experiment_add", current_app=act.model_admin.admin_site.name)
    return f"{url}?{urlencode({'from': obj.public_id})}"
