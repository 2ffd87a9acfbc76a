"""Reprocessing over HTTP: drafted with an estimate, begun, steered, compared and promoted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from memory import diffs, tenants, validation
from memory.api import pagination, parameters, schemas, shapes
from memory.api.errors import InvalidParameter
from memory.errors import Invalid
from memory.models import Subject
from reasoning import prompt_versions
from reasoning.api.endpoint import OperatorEndpoint
from reasoning.models import Reprocess, ReprocessItem
from reasoning.reprocessing import lifecycle, outcome, progress, scope, undoing
from reasoning.reprocessing.parts import Part

_REASON_LENGTH = 2_000
_LIMITS = ("passes_per_minute", "token_budget", "money_budget")
_MOST_SAMPLED = 20

_STATE = schemas.parameter(
    "state", {"type": "string", "enum": ReprocessItem.State.values}, "Only subjects in this state."
)
_LIMIT = schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "How many items.", default=20)
_SAMPLED = schemas.parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": _MOST_SAMPLED}, "How many subjects.", default=5
)


class ReprocessLimitsSchema(serializers.Serializer[Any]):
    """How fast a run may go, and what it may take in all. Null: as it likes."""

    passes_per_minute = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    token_budget = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    money_budget = serializers.CharField(
        required=False, allow_null=True, help_text="In the currency of the prices, as text or a number: `12.50`."
    )


class NewReprocessSchema(ReprocessLimitsSchema):
    """What to read again, by which prompt version, and why."""

    prompt = serializers.CharField(help_text="Id or name of a prompt version of the app or the site.")
    since = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="Where the window begins: a moment, or how long ago (`30d`). Without it everything is read.",
    )
    subjects = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        help_text='Ids or names of the users, sessions or projects that are meant; `{"user", "observer"}` for a user as'
        " another sees them. Without it all of the prompt's kind.",
    )
    carrier = serializers.ChoiceField(Reprocess.Carrier.choices, required=False, default=Reprocess.Carrier.CALLS)
    reason = serializers.CharField(max_length=_REASON_LENGTH)


class ReprocessReasonSchema(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=_REASON_LENGTH)


class PromoteReprocessSchema(ReprocessReasonSchema):
    """What shall be promoted, and why."""

    only = serializers.ChoiceField(["all", "without_regressions"])
    percent = serializers.IntegerField(
        required=False,
        default=100,
        min_value=1,
        max_value=100,
        help_text="A share drawn by chance; a larger one holds the smaller.",
    )
    subjects = serializers.ListField(
        child=serializers.JSONField(), required=False, help_text="Only these, named as in a new run."
    )
    end = serializers.BooleanField(
        required=False,
        default=True,
        help_text="Whether the run has ended then. Otherwise the others can be promoted later.",
    )


class UndoReprocessSchema(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=_REASON_LENGTH)


class ReprocessEstimateSchema(serializers.Serializer[Any]):
    """What a run will take, by what passes have taken."""

    subjects = serializers.IntegerField()
    events = serializers.IntegerField()
    event_tokens = serializers.IntegerField(help_text="The tokens of those events.")
    passes = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="Both together.")
    money = serializers.CharField(allow_null=True, help_text="Null where nobody knows the model's price.")
    seconds = serializers.IntegerField(allow_null=True, help_text="Null where nobody can know.")
    rests_on = serializers.CharField(help_text="What it is drawn from.")


class ReprocessSchema(serializers.Serializer[Any]):
    """A run that reads old events again with a prompt version, beside what is served."""

    id = serializers.CharField()
    prompt = serializers.CharField(help_text="The prompt version's name.")
    kind = serializers.ChoiceField(Subject.Kind.choices)
    subjects = serializers.ListField(child=serializers.CharField(), help_text="Empty: all of that kind.")
    since = serializers.DateTimeField(allow_null=True)
    carrier = serializers.ChoiceField(Reprocess.Carrier.choices)
    state = serializers.ChoiceField(Reprocess.State.choices)
    state_reason = serializers.CharField(allow_blank=True, help_text="Why it is in this state, where that was said.")
    passes_per_minute = serializers.IntegerField(allow_null=True)
    token_budget = serializers.IntegerField(allow_null=True)
    money_budget = serializers.CharField(allow_null=True)
    tokens = serializers.IntegerField(help_text="What its passes have taken, or may take while under way.")
    cost = serializers.CharField()
    estimate = ReprocessEstimateSchema()
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ReprocessProgressSchema(serializers.Serializer[Any]):
    """How far a run has come."""

    items = serializers.DictField(child=serializers.IntegerField(), help_text="Subjects by state.")
    events = serializers.IntegerField(help_text="How many there were to read when it began.")
    events_read = serializers.IntegerField()
    events_left = serializers.IntegerField()
    passes = serializers.DictField(child=serializers.IntegerField(), help_text="By outcome.")
    failures = serializers.IntegerField(help_text="Passes that gave no version.")
    work = serializers.DictField(
        child=serializers.IntegerField(), help_text="Lines that wait, are leased, held or parked."
    )
    events_per_minute = serializers.FloatField(allow_null=True, help_text="Over the last minutes, while it runs.")
    eta_seconds = serializers.IntegerField(allow_null=True)


class WholeReprocessSchema(ReprocessSchema):
    """A run and how far it has come."""

    progress = ReprocessProgressSchema()


class ReprocessItemSchema(serializers.Serializer[Any]):
    """One subject of a run."""

    id = serializers.CharField(help_text="The subject's own id.")
    subject = schemas.AboutWhat()
    state = serializers.ChoiceField(ReprocessItem.State.choices)
    error = serializers.CharField(allow_blank=True)
    began_with = serializers.IntegerField(allow_null=True, help_text="The version that its line began with.")
    made = serializers.IntegerField(allow_null=True, help_text="The version that the run has made of it.")
    read_to = serializers.IntegerField(help_text="How far its feed has been read.")
    target = serializers.IntegerField(help_text="How far it had to be read when the run began.")
    regressions = serializers.ListField(
        child=serializers.CharField(), help_text="Where what the run has made is worse than what is served."
    )


class SampledReprocessSchema(ReprocessItemSchema):
    """One subject of a run, and what would change by its promotion."""

    diff = schemas.Diff(allow_null=True)


class ReprocessSampleSchema(serializers.Serializer[Any]):
    """Some subjects of a run, always the same ones."""

    items = SampledReprocessSchema(many=True)


class PromotedReprocessSchema(WholeReprocessSchema):
    """A run that was promoted."""

    promoted = serializers.IntegerField(help_text="How many subjects readers get the run's version of.")
    left = serializers.IntegerField(help_text="How many were left as they are.")


class UndoneReprocessSchema(WholeReprocessSchema):
    """A run whose promotion was undone."""

    undone = serializers.IntegerField(help_text="Of how many subjects readers get what they were given before.")


ReprocessCursorPage = schemas.cursor_page_of(ReprocessSchema)
ReprocessItemCursorPage = schemas.cursor_page_of(ReprocessItemSchema)


class Reprocesses(OperatorEndpoint):
    """The runs of an app."""

    @schemas.describe("list", "Runs, newest first", ReprocessCursorPage, query=(schemas.CURSOR, _LIMIT))
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of runs."""
        size = pagination.limit(self.http, default=20, most=100)
        runs = Reprocess.objects.filter(app=tenants.find_app(app)).select_related("prompt_version")
        if cursor := pagination.id_cursor(self.http):
            runs = runs.filter(pk__lt=cursor)
        found = list(runs.order_by("-pk")[: size + 1])
        return shapes.json_response(pagination.cursor_page(found, size, _run, lambda run: run.public_id))

    @schemas.describe(
        "create",
        "Draft a run, with an estimate of what it will take",
        WholeReprocessSchema,
        body=NewReprocessSchema,
        writes=True,
        sends={"prompt": "user-2", "since": "30d", "token_budget": 2_000_000, "reason": "Goals were missed"},
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Draft a run. Nothing is read before it is started."""
        fields = self.fields()
        parameters.only(fields, ("prompt", "since", "subjects", "carrier", "reason", *_LIMITS))
        row = tenants.find_app(app)
        version = prompt_versions.find(validation.name(parameters.required(fields, "prompt"), ("prompt",)), row)
        since = fields.get("since")
        subjects = fields.get("subjects", [])
        if not isinstance(subjects, list):
            raise Invalid("Give a list.", ("subjects",), "list_type")
        run = lifecycle.create(
            version,
            app=row,
            since=None if since is None else validation.since(since, ("since",)),
            subjects=subjects,
            carrier=fields.get("carrier", Reprocess.Carrier.CALLS),
            reason=validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1),
            by=self.by,
            **_limits(fields),
        )
        return shapes.json_response(_whole(run))


class OneReprocess(OperatorEndpoint):
    """One run."""

    @schemas.describe("get", "A run and how far it has come", WholeReprocessSchema)
    def get(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Return a run with its estimate and its progress."""
        return shapes.json_response(_whole(_found(app, reprocess)))

    @schemas.describe(
        "update",
        "Set how fast a run may go and what it may take",
        WholeReprocessSchema,
        body=ReprocessLimitsSchema,
        writes=True,
        sends={"passes_per_minute": 60, "token_budget": 4_000_000},
    )
    def put(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Set the limits that are given; the others stay. A run that had used up its budget waits to be resumed."""
        run, fields = _found(app, reprocess), self.fields()
        parameters.only(fields, _LIMITS)
        return shapes.json_response(_whole(lifecycle.change(run, by=self.by, **_limits(fields))))


class ReprocessItems(OperatorEndpoint):
    """The subjects of a run."""

    @schemas.describe("list", "The subjects of a run", ReprocessItemCursorPage, query=(_STATE, schemas.CURSOR, _LIMIT))
    def get(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Return a page of subjects, with what went wrong and where what was made of them is worse."""
        size = pagination.limit(self.http, default=20, most=100)
        state = self.http.GET.get("state")
        if state is not None and state not in ReprocessItem.State.values:
            raise InvalidParameter("query", "state", f"Use one of {', '.join(ReprocessItem.State.values)}.", "enum")
        after = pagination.id_cursor(self.http)
        found = progress.items(_found(app, reprocess), state=state, after=after, limit=size + 1)
        worse = outcome.regressions(found)
        return shapes.json_response(
            pagination.cursor_page(
                found, size, lambda item: _item(item, worse[item.subject_id]), lambda item: item.subject.public_id
            )
        )


class ReprocessSample(OperatorEndpoint):
    """Some subjects of a run, compared."""

    @schemas.describe("sample", "What would change, for some subjects", ReprocessSampleSchema, query=[_SAMPLED])
    def get(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Return how what the run has made differs from what is served, for subjects drawn by chance."""
        size = pagination.limit(self.http, default=5, most=_MOST_SAMPLED)
        found = outcome.sample(_found(app, reprocess), size)
        return shapes.json_response({"items": [_sampled(item) for item in found]})


class Start(OperatorEndpoint):
    """The beginning of a run."""

    @schemas.describe("start", "Start a drafted run", WholeReprocessSchema, body=ReprocessReasonSchema, writes=True)
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Start a run: what is in its feeds now is what it has to read."""
        return _take(self, lifecycle.start, app, reprocess)


class Pause(OperatorEndpoint):
    """A halt."""

    @schemas.describe("pause", "Pause a run", WholeReprocessSchema, body=ReprocessReasonSchema, writes=True)
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Begin no more passes of a run; those under way end."""
        return _take(self, lifecycle.pause, app, reprocess)


class Resume(OperatorEndpoint):
    """The end of a halt."""

    @schemas.describe("resume", "Resume a run", WholeReprocessSchema, body=ReprocessReasonSchema, writes=True)
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Let a paused run go on."""
        return _take(self, lifecycle.resume, app, reprocess)


class Cancel(OperatorEndpoint):
    """An end before the end."""

    @schemas.describe("cancel", "Cancel a run", WholeReprocessSchema, body=ReprocessReasonSchema, writes=True)
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """End a run that is not done. What it has made stays in the history."""
        return _take(self, lifecycle.cancel, app, reprocess)


class Discard(OperatorEndpoint):
    """An end for nothing."""

    @schemas.describe("discard", "Discard a run", WholeReprocessSchema, body=ReprocessReasonSchema, writes=True)
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Decide that nobody will read what a run has made. It stays in the history."""
        return _take(self, lifecycle.discard, app, reprocess)


class Promote(OperatorEndpoint):
    """An end for everybody to read."""

    @schemas.describe(
        "promote",
        "Let readers have what a run has made",
        PromotedReprocessSchema,
        body=PromoteReprocessSchema,
        writes=True,
        sends={"only": "without_regressions", "reason": "It finds the goals"},
    )
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Promote all subjects of which the run has made something, or a part of them.

        That is: those that it made nothing worse of, a share, or the ones that are named.
        """
        run, fields = _found(app, reprocess), self.fields()
        parameters.only(fields, ("only", "percent", "subjects", "end", "reason"))
        end = fields.get("end", True)
        if not isinstance(end, bool):
            raise Invalid("Give true or false.", ("end",), "bool_type")
        found = lifecycle.promote(run, _part(run, fields), end=end, reason=_reason(fields), by=self.by)
        return shapes.json_response(_whole(run) | {"promoted": found.promoted, "left": found.left})


class Undo(OperatorEndpoint):
    """The end of an end."""

    @schemas.describe(
        "undo",
        "Take readers back from what a run was promoted to",
        UndoneReprocessSchema,
        body=UndoReprocessSchema,
        writes=True,
        sends={"reason": "Two teams miss their deadlines"},
    )
    def post(self, request: Request, app: str, reprocess: str) -> HttpResponse:
        """Give readers again what they were given before; what was read since is read again."""
        run, fields = _found(app, reprocess), self.fields()
        parameters.only(fields, ("reason",))
        reason = validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1)
        undone = undoing.undo(run, reason=reason, by=self.by)
        return shapes.json_response(_whole(run) | {"undone": undone})


def _take(view: OperatorEndpoint, step: Callable[..., Reprocess], app: str, reprocess: str) -> HttpResponse:
    """Take a step with a run, and return the run."""
    run, fields = _found(app, reprocess), view.fields()
    parameters.only(fields, ("reason",))
    return shapes.json_response(_whole(step(run, reason=_reason(fields), by=view.by)))


def _part(run: Reprocess, fields: dict[str, Any]) -> Part:
    """Return the part of a run that is to be promoted."""
    only = parameters.required(fields, "only")
    if only not in ("all", "without_regressions"):
        raise Invalid("Use all or without_regressions.", ("only",), "enum")
    percent = parameters.whole_number(fields.get("percent", 100), ("percent",), least=1, most=100)
    named = fields.get("subjects")
    if named is not None and not isinstance(named, list):
        raise Invalid("Give a list.", ("subjects",), "list_type")
    return Part(only != "all", percent, subjects=None if named is None else scope.named_subjects(run, named))


def _found(app: str, reprocess: str) -> Reprocess:
    return scope.find_run(reprocess, tenants.find_app(app))


def _reason(fields: dict[str, Any]) -> str:
    return validation.text(fields.get("reason", ""), ("reason",), most=_REASON_LENGTH)


def _limits(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the limits that are given."""
    whole = {"passes_per_minute": lifecycle.MOST_PASSES_PER_MINUTE, "token_budget": lifecycle.MOST_TOKENS}
    found: dict[str, Any] = {}
    for name in _LIMITS:
        if name in fields:
            value = fields[name]
            if value is None:
                found[name] = None
            elif name in whole:
                found[name] = parameters.whole_number(value, (name,), least=0, most=whole[name])
            else:
                found[name] = _amount(value, (name,))
    return found


def _amount(value: Any, where: tuple[str, ...]) -> Decimal:
    """Return money that is given as text or as a number."""
    try:
        amount = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None:
        raise Invalid("Give an amount, such as 12.50.", where, "decimal_parsing")
    return amount


def _money(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _run(run: Reprocess) -> shapes.Shape:
    return {
        "id": run.public_id,
        "prompt": prompt_versions.name_of(run.prompt_version),
        "kind": run.prompt_version.kind,
        "subjects": run.subjects,
        "since": shapes.moment(run.since),
        "carrier": run.carrier,
        "state": run.state,
        "state_reason": run.state_reason,
        "passes_per_minute": run.passes_per_minute,
        "token_budget": run.token_budget,
        "money_budget": _money(run.money_budget),
        "tokens": run.tokens,
        "cost": _money(run.cost),
        "estimate": run.estimate,
        "by": run.by,
        "reason": run.reason,
        "created_at": shapes.moment(run.created_at),
        "started_at": shapes.moment(run.started_at),
        "ended_at": shapes.moment(run.ended_at),
    }


def _whole(run: Reprocess) -> shapes.Shape:
    run = Reprocess.objects.select_related("prompt_version").get(pk=run.pk)
    told = progress.progress(run)
    return _run(run) | {
        "progress": {
            "items": told.items,
            "events": told.events,
            "events_read": told.events_read,
            "events_left": told.events_left,
            "passes": told.passes,
            "failures": told.failures,
            "work": told.work,
            "events_per_minute": None if told.rate is None else round(told.rate, 1),
            "eta_seconds": told.eta_seconds,
        }
    }


def _item(item: ReprocessItem, regressions: list[str]) -> shapes.Shape:
    return {
        "id": item.subject.public_id,
        "subject": shapes.subject(item.subject),
        "state": item.state,
        "error": item.error,
        "began_with": item.base.number if item.base else None,
        "made": item.made.number if item.made else None,
        "read_to": item.line.cursor if item.line else 0,
        "target": item.target,
        "regressions": regressions,
    }


def _sampled(found: outcome.Compared) -> shapes.Shape:
    change = None if found.diff is None else shapes.diff(found.diff, diffs.tell(found.diff), with_kept=False)
    return _item(found.item, list(found.regressions)) | {"diff": change}
