"""Experiments over HTTP: begun, steered and ended, with what each arm did, and blind comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from memory import ids, tenants, validation
from memory.api import pagination, parameters, schemas, shapes
from memory.api.errors import InvalidParameter
from memory.api.views.representations import named_subject
from memory.errors import Invalid, NotFound
from memory.models import App, Representation, Subject
from reasoning import assignment, prompt_versions
from reasoning.api.endpoint import OperatorEndpoint
from reasoning.experiments import guardrails, lifecycle, measures, pairwise, split
from reasoning.experiments.estimates import Estimate
from reasoning.experiments.lifecycle import MOST_CANDIDATES, NAME_LENGTH, REASON_LENGTH, Candidate
from reasoning.experiments.measures import COMPARED, MEASURES, ArmFigures, Figures
from reasoning.experiments.split import BUCKETS
from reasoning.models import Arm, Experiment, ExperimentAct, PromptVersion

_MOST_POSITION = 2**63 - 1


class ArmSchema(serializers.Serializer[Any]):
    """A candidate and its share of the subjects."""

    id = serializers.CharField()
    version = schemas.NamedThing(help_text="The prompt version that it tries.")
    share = serializers.FloatField(help_text="Of the subjects, 0 to 1.")
    paused = serializers.BooleanField(help_text="Its subjects go on with the control.")
    paused_because = serializers.CharField(allow_blank=True)


class GuardrailSchema(serializers.Serializer[Any]):
    """What must not happen to an arm: it is paused where an interval for 99.9 % lies beyond the limit as a whole."""

    measure = serializers.ChoiceField(guardrails.GUARDED)
    limit = serializers.FloatField(help_text="The most that it may be; the least, for feedback and win_rate.")
    relative = serializers.BooleanField(
        required=False, default=False, help_text="The limit is of its ratio to the control's."
    )
    least_passes = serializers.IntegerField(required=False, default=guardrails.LEAST_PASSES, min_value=1)


class ExperimentSchema(serializers.Serializer[Any]):
    """A sticky split of an app's subjects between the prompt version that is live and candidates."""

    id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Subject.Kind.choices)
    mode = serializers.ChoiceField(Experiment.Mode.choices)
    state = serializers.ChoiceField(Experiment.State.choices)
    control = schemas.NamedThing(help_text="The prompt version of whoever falls to no arm.")
    sample = serializers.FloatField(help_text="For which share of the arms' subjects the control's is made beside.")
    guardrails = GuardrailSchema(many=True)
    arms = ArmSchema(many=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ExperimentActSchema(serializers.Serializer[Any]):
    """What was done to an experiment, by whom and why."""

    act = serializers.ChoiceField(["create", "start", "ramp", "pause", "resume", "stop", "promote"])
    arm = serializers.CharField(allow_null=True, help_text="The arm's id; null for all.")
    by = serializers.CharField(allow_blank=True, help_text="`guardrail` where a limit was breached.")
    reason = serializers.CharField(allow_blank=True)
    shares_before = serializers.DictField(child=serializers.FloatField(), help_text="By arm.")
    shares_after = serializers.DictField(child=serializers.FloatField())
    at = serializers.DateTimeField()


class WholeExperimentSchema(ExperimentSchema):
    """An experiment and all that was done to it, oldest first."""

    acts = ExperimentActSchema(many=True)


class NewCandidateSchema(serializers.Serializer[Any]):
    """A candidate."""

    version = serializers.CharField(help_text="Id or name of a prompt version of the app or of the site.")
    share = serializers.FloatField(required=False, default=0, min_value=0, max_value=1)


class NewExperimentSchema(serializers.Serializer[Any]):
    """An experiment to make. The version that is live is its control."""

    name = serializers.CharField(max_length=NAME_LENGTH)
    kind = serializers.ChoiceField(Subject.Kind.choices, required=False, default="user")
    mode = serializers.ChoiceField(Experiment.Mode.choices, required=False, default="serve")
    candidates = NewCandidateSchema(many=True, min_length=1, max_length=MOST_CANDIDATES)  # type: ignore[call-arg]
    sample = serializers.FloatField(required=False, default=0, min_value=0, max_value=1)
    guardrails = GuardrailSchema(many=True, required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=REASON_LENGTH)


class ReasonSchema(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=REASON_LENGTH)


class WhichArmSchema(ReasonSchema):
    """One arm, or all, and why."""

    arm = serializers.CharField(required=False, help_text="The arm's id, or its prompt version's id or name.")


class RampSchema(ReasonSchema):
    """The share that an arm shall have."""

    arm = serializers.CharField(help_text="The arm's id, or its prompt version's id or name.")
    share = serializers.FloatField(min_value=0, max_value=1)


class PromoteSchema(serializers.Serializer[Any]):
    """The arm whose version shall be live, and why."""

    arm = serializers.CharField(help_text="The arm's id, or its prompt version's id or name.")
    reason = serializers.CharField(max_length=REASON_LENGTH)


class EstimateSchema(serializers.Serializer[Any]):
    """A figure, and within which bounds it lies with 95 % certainty. Null: it cannot be said."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(help_text="How many passes, answers, subjects or comparisons it rests on.")


class ArmMeasuresSchema(serializers.Serializer[Any]):
    """What one arm did."""

    arm = serializers.CharField(allow_null=True, help_text="The arm's id; null for the control.")
    version = schemas.NamedThing()
    target = serializers.FloatField(help_text="The share of subjects that shall fall to it.")
    actual = EstimateSchema(help_text="The share that did, of those with anything new.")
    passes = serializers.IntegerField(help_text="Those that ended, outages of the provider aside.")
    events = serializers.IntegerField(help_text="Those that its versions read.")
    measures = serializers.DictField(child=EstimateSchema(), help_text="By name; see `units`.")
    differences = serializers.DictField(child=EstimateSchema(), help_text="How much more than the control's.")


class UnitSchema(serializers.Serializer[Any]):
    """What a measure says."""

    title = serializers.CharField()
    unit = serializers.CharField()
    over = serializers.CharField(help_text="What `n` counts: the things over which the interval is taken.")


class MeasuresSchema(serializers.Serializer[Any]):
    """What the arms did while the experiment went on."""

    since = serializers.DateTimeField(allow_null=True, help_text="Null where it has not begun.")
    until = serializers.DateTimeField()
    subjects = serializers.IntegerField(help_text="Subjects with anything new meanwhile.")
    units = serializers.DictField(child=UnitSchema())
    control = ArmMeasuresSchema()
    arms = ArmMeasuresSchema(many=True)


class ComparedVersion(serializers.Serializer[Any]):
    """One of two versions, without saying whose it is."""

    text = serializers.CharField(allow_blank=True)
    card = serializers.ListField(child=serializers.CharField())
    now = serializers.CharField(allow_blank=True)
    summary = schemas.Summary()


class PairSchema(serializers.Serializer[Any]):
    """Two versions of one subject that have read the same."""

    arm = serializers.CharField()
    subject = schemas.AboutWhat()
    subject_id = serializers.CharField(help_text="Names the pair, with `covers_to`.")
    covers_to = serializers.IntegerField()
    first = ComparedVersion()
    second = ComparedVersion()


class NextPairSchema(serializers.Serializer[Any]):
    """The next pair to judge."""

    pair = PairSchema(allow_null=True, help_text="Null where this key has judged all that there are.")


class ChoiceSchema(serializers.Serializer[Any]):
    """Which of a pair is better."""

    arm = serializers.CharField()
    subject_id = serializers.CharField()
    covers_to = serializers.IntegerField(min_value=0)
    choice = serializers.ChoiceField(pairwise.CHOICES)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=REASON_LENGTH)


class ChosenSchema(serializers.Serializer[Any]):
    """That a choice is kept. Whose version it was is seen in the measures alone."""

    id = serializers.CharField()


class AssignmentSchema(serializers.Serializer[Any]):
    """Where a subject falls."""

    subject = schemas.AboutWhat()
    bucket = serializers.IntegerField(help_text=f"Of {BUCKETS:,}.")
    arm = serializers.CharField(allow_null=True, help_text="The arm's id; null: the control's.")
    version = schemas.NamedThing(help_text="The prompt version of that arm.")
    serves_next = schemas.NamedThing(help_text="The one that reads the next events for those who are served.")


ExperimentCursorPage = schemas.cursor_page_of(ExperimentSchema)

_ARM = schemas.parameter("arm", str, "The arm's id, or its prompt version's id or name.", required=True)


class Experiments(OperatorEndpoint):
    """An app's experiments."""

    @schemas.describe(
        "list",
        "An app's experiments, newest first",
        ExperimentCursorPage,
        query=[
            schemas.CURSOR,
            schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "How many.", default=20),
        ],
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of experiments with their arms."""
        size = pagination.limit(self.http, default=20, most=100)
        found = lifecycle.of_app(tenants.find_app(app))
        if cursor := pagination.id_cursor(self.http):
            found = found.filter(pk__lt=cursor)
        page = pagination.cursor_page(list(found[: size + 1]), size, _experiment, lambda row: row.public_id)
        return shapes.json_response(page)

    @schemas.describe(
        "create",
        "Make an experiment: candidates against the prompt version that is live",
        WholeExperimentSchema,
        body=NewExperimentSchema,
        writes=True,
        sends={
            "name": "Shorter sentences",
            "candidates": [{"version": "user-2", "share": 0.1}],
            "guardrails": [{"measure": "cost", "limit": 1.5, "relative": True}],
            "reason": "Readers skip long ones",
        },
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Make an experiment. Nothing changes before it is started."""
        fields = self.fields()
        parameters.only(fields, ("name", "kind", "mode", "candidates", "sample", "guardrails", "reason"))
        name = validation.name(parameters.required(fields, "name"), ("name",), most=NAME_LENGTH)
        row = tenants.find_app(app)
        made = lifecycle.create(
            fields.get("kind", Subject.Kind.USER),
            name,
            _candidates(parameters.required(fields, "candidates"), row),
            app=row,
            mode=fields.get("mode", Experiment.Mode.SERVE),
            sample=fields.get("sample", 0),
            guarded=fields.get("guardrails", []),
            by=self.by,
            reason=fields.get("reason", ""),
        )
        return _answer(made)


class OneExperiment(OperatorEndpoint):
    """One experiment."""

    @schemas.describe("get", "One experiment, with its arms and all that was done to it", WholeExperimentSchema)
    def get(self, request: Request, app: str, experiment: str) -> HttpResponse:
        """Return an experiment."""
        return _answer(lifecycle.find(tenants.find_app(app), experiment))


class Measures(OperatorEndpoint):
    """What the arms did."""

    @schemas.describe(
        "measures", "What each arm did, with intervals, and how it differs from the control", MeasuresSchema
    )
    def get(self, request: Request, app: str, experiment: str) -> HttpResponse:
        """Return the figures of all arms over the time that the experiment went on."""
        return shapes.json_response(_figures(measures.of(lifecycle.find(tenants.find_app(app), experiment))))


class _Act(OperatorEndpoint):
    """Something that is done to an experiment."""

    def _given(self, refs: dict[str, str], *known: str) -> tuple[Experiment, dict[str, Any]]:
        """Return the experiment that the path names and the fields of the body: those ``known``, and a reason."""
        fields = self.fields()
        parameters.only(fields, (*known, "reason"))
        found = lifecycle.find(tenants.find_app(refs["app"]), refs["experiment"])
        return found, {"reason": "", **{key: value for key, value in fields.items() if value is not None}}


class Start(_Act):
    """The start of an experiment."""

    @schemas.describe("start", "Let subjects fall to the arms", WholeExperimentSchema, body=ReasonSchema, writes=True)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Start an experiment: from their next events on, subjects are served by the arm that they fall to."""
        found, fields = self._given(refs)
        return _answer(lifecycle.start(found, by=self.by, reason=fields["reason"]))


class Ramp(_Act):
    """The share of an arm."""

    @schemas.describe(
        "ramp",
        "Change an arm's share of the subjects",
        WholeExperimentSchema,
        body=RampSchema,
        writes=True,
        sends={"arm": "user-2", "share": 0.2, "reason": "No complaints so far"},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Ramp an arm up or down. Who is in stays in; ramped down, those go who came last."""
        found, fields = self._given(refs, "arm", "share")
        arm, share = _body_arm(found, fields), parameters.required(fields, "share")
        return _answer(lifecycle.ramp(found, arm, share, by=self.by, reason=fields["reason"]))


class Pause(_Act):
    """The pause of an experiment or of an arm."""

    @schemas.describe("pause", "Pause an arm, or all", WholeExperimentSchema, body=WhichArmSchema, writes=True)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Let subjects go on with the control from their next events, until it is resumed."""
        found, fields = self._given(refs, "arm")
        arm = _body_arm(found, fields) if "arm" in fields else None
        return _answer(lifecycle.pause(found, arm, by=self.by, reason=fields["reason"]))


class Resume(_Act):
    """The end of a pause."""

    @schemas.describe("resume", "Resume an arm, or all", WholeExperimentSchema, body=WhichArmSchema, writes=True)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Let subjects go back to the arm that they fall to."""
        found, fields = self._given(refs, "arm")
        arm = _body_arm(found, fields) if "arm" in fields else None
        return _answer(lifecycle.resume(found, arm, by=self.by, reason=fields["reason"]))


class Stop(_Act):
    """The end of an experiment."""

    @schemas.describe("stop", "End an experiment", WholeExperimentSchema, body=ReasonSchema, writes=True)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """End it for good: subjects go on with what is live. What was made stays readable."""
        found, fields = self._given(refs)
        return _answer(lifecycle.stop(found, by=self.by, reason=fields["reason"]))


class Promote(_Act):
    """The end of an experiment that an arm has won."""

    @schemas.describe(
        "promote",
        "End an experiment and make an arm's version live",
        WholeExperimentSchema,
        body=PromoteSchema,
        writes=True,
        sends={"arm": "user-2", "reason": "Won 61 of 80 comparisons, at the same cost"},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Let the label `live` point at an arm's version. Every version stays readable."""
        found, fields = self._given(refs, "arm")
        arm = _body_arm(found, fields)
        reason = validation.text(fields["reason"], ("reason",), most=REASON_LENGTH, least=1)
        return _answer(lifecycle.promote(found, arm, by=self.by, reason=reason))


class Pairs(OperatorEndpoint):
    """Blind comparisons."""

    @schemas.describe("next", "Two versions to compare, without saying whose they are", NextPairSchema, query=[_ARM])
    def get(self, request: Request, app: str, experiment: str) -> HttpResponse:
        """Return a pair that this key has not judged: the control's version and an arm's, in an order by chance."""
        found = lifecycle.find(tenants.find_app(app), experiment)
        ref = parameters.query_name(self.http, "arm")
        if ref is None:
            raise InvalidParameter("query", "arm", "This parameter is required.", "missing")
        try:
            arm = lifecycle.find_arm(found, ref)
        except NotFound as error:
            raise InvalidParameter("query", "arm", error.message, "arm") from None
        pair = pairwise.next_pair([arm], self.by)
        return shapes.json_response({"pair": None if pair is None else _pair(arm, pair)})

    @schemas.describe(
        "choose",
        "Say which of a pair is better",
        ChosenSchema,
        body=ChoiceSchema,
        writes=True,
        sends={"arm": "user-2", "subject_id": "2JYzEoPak5WhtsmvUaGVUN", "covers_to": 41, "choice": "second"},
    )
    def post(self, request: Request, app: str, experiment: str) -> HttpResponse:
        """Keep a choice between the two as this key was shown them; each key chooses once."""
        fields = self.fields()
        parameters.only(fields, ("arm", "subject_id", "covers_to", "choice", "reason"))
        found = lifecycle.find(tenants.find_app(app), experiment)
        arm = _body_arm(found, fields)
        subject = validation.name(parameters.required(fields, "subject_id"), ("subject_id",))
        covers_to = parameters.whole_number(
            parameters.required(fields, "covers_to"), ("covers_to",), least=0, most=_MOST_POSITION
        )
        choice = parameters.required(fields, "choice")
        subject_id = ids.decode(subject)
        if subject_id is None:
            raise Invalid("Give the subject_id of a pair.", ("subject_id",))
        made = pairwise.choose([arm], subject_id, covers_to, choice, by=self.by, reason=fields.get("reason") or "")
        return shapes.json_response({"id": made.public_id})


class Assignment(OperatorEndpoint):
    """Where somebody falls."""

    @schemas.describe(
        "assignment",
        "Which arm a subject falls to",
        AssignmentSchema,
        query=[
            schemas.parameter("user", str, "Id or name of a user."),
            schemas.parameter("session", str, "Id or name of one of the user's sessions."),
            schemas.parameter("project", str, "Id or name of a project."),
            schemas.OBSERVER,
        ],
    )
    def get(self, request: Request, app: str, experiment: str) -> HttpResponse:
        """Return the bucket and the arm of a subject, and what reads its next events now."""
        found = lifecycle.find(tenants.find_app(app), experiment)
        asked = {part: parameters.query_name(self.http, part) for part in ("user", "session", "project")}
        named = {part: ref for part, ref in asked.items() if ref is not None}
        if ("user" in named) == ("project" in named) or ("session" in named and "user" not in named):
            raise InvalidParameter("query", "user", "Give a user, a user and a session, or a project.", "missing")
        subject = named_subject(self, {"app": app, **named})
        if subject.kind != found.kind:
            raise InvalidParameter("query", "user", f"This experiment is for subjects of kind {found.kind}.", "kind")
        return shapes.json_response(_assignment(found, subject))


def _candidates(given: Any, app: App) -> list[Candidate]:
    if not isinstance(given, list):
        raise Invalid("Give a list.", ("candidates",), "list_type")
    found = []
    for place, item in enumerate(given[: MOST_CANDIDATES + 1]):
        where = ("candidates", place)
        fields = parameters.an_object(item, where)
        parameters.only(fields, ("version", "share"), where)
        ref = validation.name(parameters.required(fields, "version", where), (*where, "version"))
        try:
            version = prompt_versions.find(ref, app)
        except NotFound as error:
            raise Invalid(error.message, (*where, "version"), "prompt") from None
        found.append(Candidate(version, fields.get("share", 0)))
    return found


def _body_arm(experiment: Experiment, fields: dict[str, Any]) -> Arm:
    ref = validation.name(parameters.required(fields, "arm"), ("arm",))
    try:
        return lifecycle.find_arm(experiment, ref)
    except NotFound as error:
        raise Invalid(error.message, ("arm",), "arm") from None


def _answer(row: Experiment) -> HttpResponse:
    acts = [_act(act) for act in ExperimentAct.objects.filter(experiment=row).select_related("arm").order_by("pk")]
    return shapes.json_response(_experiment(row) | {"acts": acts})


def _experiment(row: Experiment) -> shapes.Shape:
    arms: Sequence[Arm] = sorted(row.arms.all(), key=lambda arm: arm.pk)
    return {
        "id": row.public_id,
        "name": row.name,
        "kind": row.kind,
        "mode": row.mode,
        "state": row.state,
        "control": _version(row.control),
        "sample": row.sample / BUCKETS,
        "guardrails": row.guardrails,
        "arms": [
            {
                "id": arm.public_id,
                "version": _version(arm.version),
                "share": arm.share,
                "paused": arm.paused,
                "paused_because": arm.paused_because,
            }
            for arm in arms
        ],
        "created_at": shapes.moment(row.created_at),
        "started_at": shapes.moment(row.started_at),
        "ended_at": shapes.moment(row.ended_at),
    }


def _act(row: ExperimentAct) -> shapes.Shape:
    return {
        "act": row.act,
        "arm": row.arm.public_id if row.arm else None,
        "by": row.by,
        "reason": row.reason,
        "shares_before": row.detail["shares_before"],
        "shares_after": row.detail["shares_after"],
        "at": shapes.moment(row.created_at),
    }


def _version(row: PromptVersion) -> shapes.Shape:
    return {"id": row.public_id, "name": prompt_versions.name_of(row)}


def _figures(found: Figures) -> shapes.Shape:
    return {
        "since": shapes.moment(found.since),
        "until": shapes.moment(found.until),
        "subjects": found.subjects,
        "units": {name: {"title": item.title, "unit": item.unit, "over": item.over} for name, item in MEASURES.items()},
        "control": _arm_figures(found.control, found.control),
        "arms": [_arm_figures(arm, found.control) for arm in found.arms],
    }


def _arm_figures(figures: ArmFigures, control: ArmFigures) -> shapes.Shape:
    own = [name for name in MEASURES if figures.arm is not None or name not in COMPARED]
    compared = [name for name in own if figures.arm is not None and name not in COMPARED]
    return {
        "arm": figures.arm.public_id if figures.arm else None,
        "version": _version(figures.version),
        "target": round(figures.target, 4),
        "actual": _estimate(figures.split),
        "passes": figures.passes,
        "events": figures.events,
        "measures": {name: _estimate(figures.estimate(name)) for name in own},
        "differences": {name: _estimate(figures.against(control, name)) for name in compared},
    }


def _estimate(found: Estimate) -> shapes.Shape:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def _pair(arm: Arm, pair: pairwise.Shown) -> shapes.Shape:
    subject = Subject.objects.select_related("user", "observer", "session", "project").get(pk=pair.subject_id)
    return {
        "arm": arm.public_id,
        "subject": shapes.subject(subject),
        "subject_id": subject.public_id,
        "covers_to": pair.covers_to,
        "first": _shown(pair.first),
        "second": _shown(pair.second),
    }


def _shown(row: Representation) -> shapes.Shape:
    return {
        "text": row.text,
        "card": row.card,
        "now": row.now,
        "summary": {"short": row.short_summary, "long": row.long_summary},
    }


def _assignment(experiment: Experiment, subject: Subject) -> shapes.Shape:
    bucket = split.bucket_of(experiment.salt, subject.pk)
    arm = assignment.arm_of(list(experiment.arms.all()), bucket)
    next_recipe = assignment.recipes([subject])[subject.pk]
    return {
        "subject": shapes.subject(subject),
        "bucket": bucket,
        "arm": arm.public_id if arm else None,
        "version": _version(arm.version if arm else experiment.control),
        "serves_next": _version(prompt_versions.of_recipe(next_recipe, subject.app_id)),
    }
