"""What is done to a run: begun, paused, resumed, throttled, cancelled, promoted, discarded, undone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest

from memory import tenants
from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.errors import NotFound
from memory.models import App, Representation, Subject
from memory.worddiff import Diff
from reasoning.admin.amounts import money
from reasoning.admin.reprocessing import showing
from reasoning.admin.reprocessing.limits import Limits
from reasoning.models import Reprocess, ReprocessItem, Work
from reasoning.reprocessing import lifecycle, outcome, progress, scope, undoing
from reasoning.reprocessing.parts import Part

State = Reprocess.State

RUN = "reasoning.run_reprocesses"
PROMOTE = "reasoning.promote_prompts"
ROLL_BACK = "memory.roll_back_versions"

SHOWN = 3
"""So many subjects of a part are shown before it is promoted."""


class Step(Act):
    """A step of a run that does not change what agents read; ``states`` are those that it can be taken from."""

    permission = RUN
    states: ClassVar[tuple[str, ...]]

    def needs(self, request: HttpRequest, obj: Reprocess) -> bool:
        """Whether the run is in a state for it."""
        return obj.state in self.states


class Start(Step):
    """Begin a draft."""

    name, verb, states = "start", "Start", (State.DRAFT,)

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return (
            "Its lines read beside what is served: until you promote the run, agents get what they get now. What is in"
            " its subjects' feeds when it starts is what it has to read."
        )

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show what it will take."""
        lines = [(figure.label, f"{figure.value} {figure.note}".strip()) for figure in showing.expected(obj.estimate)]
        return Preview(lines=lines, warning=showing.beyond_budget(obj), token=str(obj.estimate))

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Start it."""
        run = lifecycle.start(obj, reason=data["reason"], by=by)
        return Done(message=f"Started: {run.estimate['events']:,} events of {run.estimate['subjects']:,} subjects.")


class Pause(Step):
    """Begin no more passes."""

    name, verb, states = "pause", "Pause", (State.RUNNING, State.DONE)
    bulk = "Pause selected runs"

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return "No pass of it begins any more; those under way end. What it has read stays read."

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show what ends by itself, and what waits."""
        return Preview(lines=_under_way(obj), token=obj.state)

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Pause it."""
        lifecycle.pause(obj, reason=data["reason"], by=by)
        return Done(message="Paused.", undo=("Resume", Resume(self.model_admin).url(obj)))


class Resume(Step):
    """Go on."""

    name, verb, states = "resume", "Resume", (State.PAUSED,)
    bulk = "Resume selected runs"

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return "It goes on where it stands, within its budgets and its throttle."

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show why it stands, and what is left of its budgets."""
        lines: list[tuple[str, Any]] = [("It stands", obj.state_reason or "nobody said why")]
        meters = showing.limits_of(obj)
        lines += [(f"Budget of {meter.label.lower()}", f"{meter.used} of {meter.limit} used") for meter in meters]
        spent = any(meter.share >= 1 for meter in meters)
        return Preview(lines=lines, warning="Its budget is used up: raise it first, or it pauses again." * spent)

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Resume it."""
        lifecycle.resume(obj, reason=data["reason"], by=by)
        return Done(message="It goes on.", undo=("Pause", Pause(self.model_admin).url(obj)))


class LimitsForm(Limits, ReasonForm):
    """What it may take from now on, and why."""

    field_order = ("passes_per_minute", "token_budget", "money_budget", "reason")


class Throttle(Step):
    """Set how fast it may go and what it may take."""

    name, verb, states = "throttle", "Limits", (State.DRAFT, State.RUNNING, State.PAUSED, State.DONE)
    form_class = LimitsForm

    def form(self, obj: Any, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Begin with the limits that it has."""
        return super().form(obj, data, {name: getattr(obj, name) for name in lifecycle.LIMITS} | dict(initial or {}))

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return "They count from its next pass on. A run that paused because a budget was used up waits to be resumed."

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show each limit as it is and as it would be."""
        lines = [
            (name.replace("_", " ").capitalize(), f"{_limit(getattr(obj, name))} → {_limit(data[name])}")
            for name in lifecycle.LIMITS
            if getattr(obj, name) != data[name]
        ]
        return Preview(lines=lines or [("Limits", "stay as they are")])

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Set them."""
        limits = {name: data[name] for name in lifecycle.LIMITS}
        lifecycle.change(obj, reason=data["reason"], by=by, **limits)
        return Done(message="Its limits are set.")


class Cancel(Step):
    """End a run before its end."""

    name, verb, states = "cancel", "Cancel run", (State.DRAFT, State.RUNNING, State.PAUSED)
    bulk = "Cancel selected runs"

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return (
            "It ends for good: its lines read no more, and nothing of it can be promoted. What it made stays in the"
            " history."
        )

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show what is given up."""
        counted = progress.states(obj)
        lines = [*_under_way(obj), ("Subjects that are ready", f"{counted.get(ReprocessItem.State.READY, 0):,}")]
        return Preview(lines=lines, warning=_kept(counted), token=obj.state)

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Cancel it."""
        lifecycle.cancel(obj, reason=data["reason"], by=by)
        return Done(message="Cancelled.")


class Discard(Step):
    """Decide that nobody reads it."""

    name, verb, states = "discard", "Discard", (State.DONE,)

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return "It ends for good, and nobody is ever given what it made. That stays in the history, to be looked at."

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show what is given up."""
        counted = progress.states(obj)
        return Preview(
            lines=[("Subjects that are ready", f"{counted.get(ReprocessItem.State.READY, 0):,}")],
            warning=_kept(counted),
            token=obj.state,
        )

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Discard it."""
        lifecycle.discard(obj, reason=data["reason"], by=by)
        return Done(message="Discarded. Readers get what they got all along.")


def app_named(name: str) -> App | None:
    """Return the app that was typed, None where none was, or say at the field that it is not there."""
    try:
        return tenants.find_app(name) if name else None
    except NotFound as error:
        raise forms.ValidationError(error.message) from error


class PromoteForm(ReasonForm):
    """Which subjects, and what becomes of the others."""

    FINE, ALL = "without_regressions", "all"

    only = forms.ChoiceField(
        label="Which",
        choices=[
            (FINE, "Those that the run has made nothing worse of"),
            (ALL, "All of which it has made something, worse ones too"),
        ],
        widget=forms.RadioSelect,
        initial=FINE,
    )
    percent = forms.IntegerField(
        label="Share",
        min_value=1,
        max_value=100,
        initial=100,
        help_text="Per cent of them, drawn by chance. Begin with 10 and look; a larger share later adds to it.",
    )
    app = forms.CharField(
        label="App", required=False, help_text="Name or id. Empty: the subjects of all apps.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )  # fmt: skip
    subjects = forms.CharField(
        label="Only these",
        required=False,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="Names or ids, one a line. Empty: all of the run's.",
    )
    rest = forms.ChoiceField(
        label="The others",
        choices=[
            ("later", "can be promoted later: the run stays open"),
            ("left", "are left as they are: the run ends"),
        ],
        widget=forms.RadioSelect,
        initial="left",
    )
    field_order = ("only", "percent", "app", "subjects", "rest", "reason")

    def clean_app(self) -> App | None:
        """Find the app that is named."""
        return app_named(self.cleaned_data["app"])


class Promote(Act):
    """Let readers have what a run has made, of all its subjects or of a part."""

    name, verb, permission, form_class = "promote", "Promote", PROMOTE, PromoteForm
    four_eyes = True

    def needs(self, request: HttpRequest, obj: Reprocess) -> bool:
        """Whether it has read what it can, or was halted."""
        return obj.state in (State.DONE, State.PAUSED)

    def form(self, obj: Any, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Ask for an app where the run is over all of them, for subjects where it is over one."""
        form = super().form(obj, data, initial)
        del form.fields["app" if obj is None or obj.app_id else "subjects"]
        return form

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return (
            "Readers of each subject get, from now on, what the run has made of it: a new version that repeats the"
            " run's. The next pass goes on from there, by the prompt that is live."
        )

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show how many subjects it takes, and some of them."""
        part = _part(obj, data)
        told = outcome.plan(obj, part)
        sample = outcome.sample(obj, SHOWN, part)
        about = "" if told.exact else "about "
        of_fine = about if part.without_regressions else ""
        lines = [
            ("Subjects that change", f"{of_fine}{told.promoted:,}"),
            ("Of these made worse", f"{about}{told.worse:,}" if told.worse else "none"),
            ("Subjects that stay as they are", f"{of_fine}{told.left:,}"),
            ("The run", "ends" if data["rest"] == "left" else "stays open for the others"),
        ]
        return Preview(lines=lines, diffs=[_with_worse(each) for each in sample], warning=_warning(obj, told))

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Promote them."""
        ends = data["rest"] == "left"
        told = lifecycle.promote(obj, _part(obj, data), end=ends, reason=data["reason"], by=by)
        said = f"Readers of {told.promoted:,} subjects get what the run made of them."
        left = f" {told.left:,} are {'left as they are' if ends else 'open still'}." if told.left else ""
        return Done(message=said + left, undo=("Undo", Undo(self.model_admin).url(obj)))


class Undo(Act):
    """Give readers again what they were given before a promotion."""

    name, verb, permission = "undo", "Undo the promotion", ROLL_BACK

    def needs(self, request: HttpRequest, obj: Reprocess) -> bool:
        """Whether something of it was promoted."""
        promoted = ReprocessItem.objects.filter(run=obj, state=ReprocessItem.State.PROMOTED)
        return obj.state in undoing.STATES and promoted.exists()

    def about(self, obj: Reprocess | None) -> str:
        """What it does."""
        return (
            "Readers get again what they were given before, in a new version that repeats that. Events since are read"
            " again from there on. Subjects that were taken elsewhere meanwhile stay where they are."
        )

    def preview(self, obj: Reprocess, data: dict[str, Any]) -> Preview:
        """Show of how many subjects, and some of them."""
        targets = undoing.before(obj)
        lines = [
            ("Subjects whose readers get what they got before", f"{len(targets):,}"),
            ("Of these had nothing", f"{sum(target is None for target in targets.values()):,}"),
        ]
        return Preview(lines=lines, diffs=_back(targets))

    def perform(self, obj: Reprocess, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Take them back."""
        count = undoing.undo(obj, reason=data["reason"], by=by)
        return Done(message=f"Readers of {count:,} subjects get what they were given before.")


EVERY = (Start, Pause, Resume, Throttle, Promote, Undo, Discard, Cancel)


def _part(run: Reprocess, data: dict[str, Any]) -> Part:
    """Return what the form means."""
    named = [line.strip() for line in data.get("subjects", "").splitlines() if line.strip()]
    app = data.get("app")
    return Part(
        without_regressions=data["only"] == PromoteForm.FINE,
        percent=data["percent"],
        app_id=None if app is None else app.pk,
        subjects=scope.named_subjects(run, scope.refs(run.prompt_version.kind, named)) if named else None,
    )


def _warning(run: Reprocess, told: outcome.Plan) -> str:
    """Return what to beware of."""
    warnings = []
    if not told.promoted:
        warnings.append("There is nothing to promote in this part.")
    if told.worse:
        about = "" if told.exact else "About "
        warnings.append(f"{about}{told.worse:,} of these subjects would be worse off than now.")
    if run.state == State.PAUSED:
        warnings.append("The run was halted: what it has not read yet, it reads once it is promoted.")
    return " ".join(warnings)


def _with_worse(each: outcome.Compared) -> Diff:
    """Return what changes for one subject, with where that is worse."""
    diff = showing.diff_of(each)
    worse = f"Worse: {' '.join(each.regressions)}" if each.regressions else diff.note
    return Diff(diff.title, diff.old, diff.new, worse)


def _back(targets: Mapping[Any, Any]) -> list[Diff]:
    """Return what changes for some of the subjects that are taken back."""
    found = Subject.objects.filter(pk__in=sorted(targets)[:SHOWN]).select_related(
        "user", "observer", "session", "project", "current"
    )
    before = Representation.objects.in_bulk([targets[subject.pk] for subject in found if targets[subject.pk]])
    texts = {subject: before[key].text if (key := targets[subject.pk]) else "" for subject in found}
    return [
        Diff(str(subject), subject.current.text if subject.current else "", text) for subject, text in texts.items()
    ]


def _kept(counted: Mapping[str, int]) -> str:
    """Say that what was promoted in part stays."""
    promoted = counted.get(ReprocessItem.State.PROMOTED, 0)
    return f"{promoted:,} subjects were promoted already: they keep what they have." if promoted else ""


def _under_way(run: Reprocess) -> list[tuple[str, Any]]:
    """Return how much of a run is being asked now, and how much waits."""
    work = Work.objects.filter(run=run)
    leased = work.filter(state=Work.State.LEASED).count()
    waiting = work.filter(state=Work.State.WAITING).count()
    return [("Passes under way", f"{leased:,}"), ("Subjects that wait for their next pass", f"{waiting:,}")]


def _limit(value: int | Decimal | None) -> str:
    if value is None:
        return "no limit"
    return f"{value:,}" if isinstance(value, int) else money(value)
