"""Prompt versions over HTTP: read, compared, the next one made, labelled, and tried on a real subject."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from memory import reading, tenants, validation
from memory.api import pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.errors import Conflict, Invalid, NotFound
from memory.models import App, Subject
from reasoning import dry_run_report, dry_runs, labels, prompt_diff, prompt_versions
from reasoning.api.endpoint import OperatorEndpoint, unavailable
from reasoning.chain import ProviderFailed
from reasoning.models import Label, LabelMove, PromptVersion
from reasoning.prompts.library import MAX_TEMPLATE
from reasoning.providers.base import Kind

_REASON_LENGTH = 2_000
_MESSAGE_LENGTH = 500
_MODEL_LENGTH = 200
_NEW = ("kind", "instructions", "message", "model", "parameters", "from")

_KIND = schemas.parameter("kind", {"type": "string", "enum": [*Kind]}, "Only those for this kind of subject.")
_LIMIT = schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "How many items.", default=20)


class NamedPrompt(serializers.Serializer[Any]):
    """A prompt version, in short."""

    id = serializers.CharField(help_text="22 URL-safe characters")
    name = serializers.CharField(
        help_text="What it is called in the app: `user-3` is the app's third for users, `site-user-3` the site's."
    )
    kind = serializers.ChoiceField(Subject.Kind.choices)
    number = serializers.IntegerField()
    message = serializers.CharField(help_text="What is new in it, and why.")


class PromptSchema(NamedPrompt):
    """A prompt version."""

    of = serializers.ChoiceField(["app", "site"], help_text="Whose it is.")
    model = serializers.CharField(allow_blank=True, help_text="Empty: the site's default model.")
    parameters = serializers.DictField(child=serializers.JSONField())
    labels = serializers.ListField(child=serializers.CharField(), help_text="Those that point at it.")
    passes = serializers.IntegerField(
        help_text=f"How many passes it made, in whichever app; counted up to {prompt_versions.COUNTED:,}."
    )
    author = serializers.CharField(
        allow_null=True, help_text="Who made it: a user of the site, or a key; null: unknown."
    )
    created_at = serializers.DateTimeField()


class WholePromptSchema(PromptSchema):
    """A prompt version with its text."""

    instructions = serializers.CharField()


class NewPromptSchema(serializers.Serializer[Any]):
    """The next version. With `from`, what is not given is that version's: a way to take a site's prompt over."""

    kind = serializers.ChoiceField(Subject.Kind.choices, required=False, help_text="Required without `from`.")
    instructions = serializers.CharField(required=False, max_length=MAX_TEMPLATE, help_text="Required without `from`.")
    message = serializers.CharField(max_length=_MESSAGE_LENGTH, help_text="What is new in it, and why.")
    model = serializers.CharField(required=False, allow_blank=True, max_length=_MODEL_LENGTH)
    parameters = serializers.DictField(child=serializers.JSONField(), required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {**super().get_fields(), "from": serializers.CharField(required=False, help_text="Its id or name.")}


class PromptPiece(serializers.Serializer[Any]):
    """A part of the text."""

    act = serializers.ChoiceField(["same", "added", "removed"])
    text = serializers.CharField()


@extend_schema_field({})
class _AnyField(serializers.JSONField):
    """Any JSON value."""


class PromptSetting(serializers.Serializer[Any]):
    """The model, or a parameter."""

    name = serializers.CharField(help_text="`model`, or `parameters.` and the parameter's name.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {**super().get_fields(), "from": _AnyField(), "to": _AnyField()}


class PromptDiffSchema(serializers.Serializer[Any]):
    """What changed from one version to another. The texts of all `lines` that are not `added` are the earlier."""

    unified = serializers.CharField(allow_blank=True, help_text="As a unified diff; empty where no line differs.")
    lines = PromptPiece(many=True)
    words = PromptPiece(many=True)
    settings = PromptSetting(many=True, help_text="Model and parameters that differ.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {"from": NamedPrompt(), "to": NamedPrompt(), **super().get_fields()}


class LabelSchema(serializers.Serializer[Any]):
    """A label and the version that it points at."""

    name = serializers.ChoiceField(Label.Name.choices)
    kind = serializers.ChoiceField(Subject.Kind.choices)
    of = serializers.ChoiceField(["app", "site"], help_text="The app's own comes before the site's.")
    version = NamedPrompt()


class LabelMoveSchema(serializers.Serializer[Any]):
    """That a label was moved."""

    name = serializers.ChoiceField(Label.Name.choices)
    kind = serializers.ChoiceField(Subject.Kind.choices)
    of = serializers.ChoiceField(["app", "site"])
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        ends = {"from": "Null: it was not in use.", "to": "Null: it was taken off."}
        shown = {name: NamedPrompt(allow_null=True, help_text=text) for name, text in ends.items()}
        return {**super().get_fields(), **shown}


class LabelsSchema(serializers.Serializer[Any]):
    """Where the labels point, and how they came there."""

    labels = LabelSchema(many=True)
    moves = LabelMoveSchema(many=True, help_text="Newest first.")
    next_cursor = serializers.CharField(allow_null=True, help_text="Null on the last page of moves.")


class LabelChangeSchema(serializers.Serializer[Any]):
    """Which version the label shall point at, and why."""

    version = serializers.CharField(help_text="Id or name of a version of the app.")
    reason = serializers.CharField(max_length=_REASON_LENGTH)


class MovedSchema(serializers.Serializer[Any]):
    """The label's move; null where it pointed there already."""

    move = LabelMoveSchema(allow_null=True)


class DryRunRequestSchema(serializers.Serializer[Any]):
    """What it shall be tried on: a user, one of the user's sessions, or a project."""

    user = serializers.CharField(required=False, help_text="Id or name.")
    session = serializers.CharField(required=False, help_text="Id or name; with its user.")
    project = serializers.CharField(required=False, help_text="Id or name.")
    observer = serializers.CharField(required=False, help_text="Id or name of the user who sees the user.")
    events = serializers.IntegerField(required=False, min_value=1, help_text="How many events it reads, at most.")


class DryRunWindow(serializers.Serializer[Any]):
    """What was read."""

    unread = serializers.BooleanField(
        help_text="Whether no version had read these events; false: the last ones, read again from what stood before."
    )
    covers = schemas.Covers()
    basis = serializers.IntegerField(allow_null=True, help_text="The version that they were read on top of.")


class DryRunProblem(serializers.Serializer[Any]):
    """What a gate found."""

    gate = serializers.CharField()
    text = serializers.CharField()


class DryRunVerdict(serializers.Serializer[Any]):
    """What the gates say of the answer."""

    publishable = serializers.BooleanField(help_text="False: it would have been quarantined.")
    refused = DryRunProblem(many=True)
    withheld = DryRunProblem(many=True, help_text="Parts that would have been kept from readers.")


class ProposedConclusion(serializers.Serializer[Any]):
    """A statement that would stand."""

    content = serializers.CharField()
    about = serializers.CharField(allow_null=True)
    level = serializers.CharField()
    importance = serializers.IntegerField()
    held_from = serializers.DateField(allow_null=True)
    held_until = serializers.DateField(allow_null=True)
    pinned = serializers.BooleanField()
    sources = serializers.ListField(child=serializers.CharField(), help_text="Ids of the events under it.")


class DroppedConclusion(serializers.Serializer[Any]):
    """A statement that stands and would not."""

    id = serializers.CharField()
    content = serializers.CharField()
    about = serializers.CharField(allow_null=True)
    reason = serializers.CharField(help_text="Why, where the answer said so; empty where it does not say the sentence.")
    replaced_by = serializers.CharField(allow_null=True, help_text="The words of what stands for it.")


class RephrasedConclusion(serializers.Serializer[Any]):
    """A statement that another would take the place of."""

    replaced = serializers.BooleanField(help_text="True where the answer said so; false where the words are alike.")
    similarity = serializers.FloatField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {"from": DroppedConclusion(), "to": ProposedConclusion(), **super().get_fields()}


class DryRunOutcome(serializers.Serializer[Any]):
    """What readers would get."""

    text = serializers.CharField(allow_blank=True)
    card = serializers.ListField(child=serializers.CharField())
    now = serializers.CharField(allow_blank=True)
    summary = schemas.Summary()


class DryRunSchema(serializers.Serializer[Any]):
    """What the prompt version would make, and how that differs from what readers get now. Nothing of it is kept."""

    subject = schemas.AboutWhat()
    prompt = NamedPrompt()
    window = DryRunWindow()
    verdict = DryRunVerdict()
    stands = serializers.IntegerField(allow_null=True, help_text="The version that readers get now.")
    would_be = DryRunOutcome()
    added = ProposedConclusion(many=True)
    retired = DroppedConclusion(many=True)
    reworded = RephrasedConclusion(many=True)
    kept = ProposedConclusion(many=True)
    card = schemas.CardChange()
    now = schemas.TextChange(allow_null=True)
    summary = schemas.SummaryChange()
    provider = serializers.CharField()
    model = serializers.CharField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cost = serializers.CharField(allow_null=True, help_text="Null where nobody knows the model's price.")
    warnings = serializers.ListField(child=serializers.CharField())


PromptCursorPage = schemas.cursor_page_of(PromptSchema)


class Prompts(OperatorEndpoint):
    """The prompt versions that can be used in an app."""

    @schemas.describe(
        "list",
        "The app's and the site's prompt versions, newest first",
        PromptCursorPage,
        query=(_KIND, schemas.CURSOR, _LIMIT),
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of versions with their labels and how much they were used, without their texts."""
        size = pagination.limit(self.http, default=20, most=100)
        found = prompt_versions.known_to(tenants.find_app(app)).defer("instructions").select_related("author")
        if kind := _asked_kind(self):
            found = found.filter(kind=kind)
        if cursor := pagination.id_cursor(self.http):
            found = found.filter(pk__lt=cursor)
        rows = list(found.prefetch_related("labels")[: size + 1])
        used = prompt_versions.uses(rows)
        return shapes.json_response(
            pagination.cursor_page(rows, size, lambda row: _prompt(row, used[row.pk]), lambda row: row.public_id)
        )

    @schemas.describe(
        "create",
        "Make the next version of an app's prompt",
        WholePromptSchema,
        body=NewPromptSchema,
        writes=True,
        sends={"from": "site-user-1", "model": "gpt-4.1-mini", "message": "A larger model, to compare"},
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Make a version of the app's own; it is not in use before a label is put on it."""
        fields = self.fields()
        parameters.only(fields, _NEW)
        row = tenants.find_app(app)
        given = {key: value for key, value in fields.items() if value is not None}
        if "from" in given:
            origin = _body_version(given, "from", row)
            same = {name: getattr(origin, name) for name in ("kind", "instructions", "model", "parameters")}
            if given.get("kind", origin.kind) != origin.kind:
                raise Invalid(f"The version named in from is of kind {origin.kind}.", ("kind",))
            given = same | given
        made = prompt_versions.create(
            _checked_kind(parameters.required(given, "kind")),
            validation.text(parameters.required(given, "instructions"), ("instructions",), most=MAX_TEMPLATE),
            message=validation.text(parameters.required(given, "message"), ("message",), most=_MESSAGE_LENGTH),
            app=row,
            model=validation.text(given.get("model", ""), ("model",), most=_MODEL_LENGTH),
            parameters=parameters.metadata(given, "parameters"),
            by=self.by,
        )
        return shapes.json_response(_whole(made))


class Prompt(OperatorEndpoint):
    """One prompt version."""

    @schemas.describe("get", "One prompt version, with its text", WholePromptSchema)
    def get(self, request: Request, app: str, prompt: str) -> HttpResponse:
        """Return a version of the app or of the site."""
        return shapes.json_response(_whole(prompt_versions.find(prompt, tenants.find_app(app))))


class PromptDiff(OperatorEndpoint):
    """Two prompt versions compared."""

    @schemas.describe(
        "diff",
        "What changed from this version to another",
        PromptDiffSchema,
        query=[schemas.parameter("to", str, "Id or name of the other version.", required=True)],
    )
    def get(self, request: Request, app: str, prompt: str) -> HttpResponse:
        """Return what was added and removed, line by line and word by word, and which settings differ."""
        row = tenants.find_app(app)
        other = parameters.query_name(self.http, "to")
        if other is None:
            raise InvalidParameter("query", "to", "This parameter is required.", "missing")
        start, end = prompt_versions.find(prompt, row), prompt_versions.find(other, row)
        try:
            found = prompt_diff.compare(start, end)
        except Invalid as error:
            raise InvalidParameter("query", "to", error.message, error.kind) from None
        return shapes.json_response(
            {
                "from": _named(found.start),
                "to": _named(found.end),
                "unified": found.unified,
                "lines": [{"act": piece.act, "text": piece.text} for piece in found.lines],
                "words": [{"act": piece.act, "text": piece.text} for piece in found.words],
                "settings": [{"name": item.name, "from": item.before, "to": item.after} for item in found.settings],
            }
        )


class Labels(OperatorEndpoint):
    """The labels that count in an app."""

    @schemas.describe(
        "list",
        "Where the labels point, and who moved them, when and why",
        LabelsSchema,
        query=(_KIND, schemas.CURSOR, _LIMIT),
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return the app's labels and the site's, with a page of their moves, newest first."""
        size = pagination.limit(self.http, default=20, most=100)
        kind, row = _asked_kind(self), tenants.find_app(app)
        moves = labels.moves(row, kind)
        if cursor := pagination.id_cursor(self.http):
            moves = moves.filter(pk__lt=cursor)
        page = pagination.cursor_page(list(moves[: size + 1]), size, _move, lambda item: item.public_id)
        pointers = [
            {"name": item.name, "kind": item.kind, "of": _of(item.app_id), "version": _named(item.version)}
            for item in labels.in_use(row, kind)
        ]
        return shapes.json_response({"labels": pointers, "moves": page["items"], "next_cursor": page["next_cursor"]})


class OneLabel(OperatorEndpoint):
    """One label of an app."""

    @schemas.describe(
        "move",
        "Point a label of the app at a version",
        MovedSchema,
        body=LabelChangeSchema,
        writes=True,
        sends={"version": "user-2", "reason": "Says what matters in fewer words"},
    )
    def put(self, request: Request, app: str, kind: str, label: str) -> HttpResponse:
        """Let `live` or `candidate` point at one of the app's own versions. What was live becomes `previous`.

        The site's labels are moved in the admin, or by `manage.py prompts label`: they count in every app.
        """
        fields = self.fields()
        parameters.only(fields, ("version", "reason"))
        reason = validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1)
        row = tenants.find_app(app)
        version = _body_version(fields, "version", row)
        if version.kind != _path_kind(kind):
            raise Invalid(f"This version is for subjects of kind {version.kind}.", ("version",))
        if version.app_id is None:
            name = prompt_versions.name_of(version)
            raise Conflict(
                f"{name} is the site's, and its labels count in every app. To use it here, make it the app's next "
                f'version (POST …/prompts with {{"from": "{name}", "message": …}}) and label that; or take the app\'s '
                "label live off, so that the app goes by the site's."
            )
        _check_label(label)
        moved = labels.move(label, version, reason=reason, by=self.by)
        return shapes.json_response({"move": None if moved is None else _move(moved)})

    @schemas.describe(
        "take_off",
        "Take a label of the app off",
        MovedSchema,
        query=[schemas.parameter("reason", str, "Why; required, here or in a JSON body.")],
        writes=True,
    )
    def delete(self, request: Request, app: str, kind: str, label: str) -> HttpResponse:
        """Take `live` or `candidate` off. An app without a `live` of its own goes by the site's."""
        fields = self.fields()
        parameters.only(fields, ("reason",))
        given = fields.get("reason") or parameters.query_text(self.http, "reason", most=_REASON_LENGTH) or ""
        reason = validation.text(given, ("reason",), most=_REASON_LENGTH)
        row = tenants.find_app(app)
        _check_label(label)
        moved = labels.take_off(label, row, _path_kind(kind), reason=reason, by=self.by)
        return shapes.json_response({"move": _move(moved)})


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class DryRun(OperatorEndpoint):
    """A prompt version tried on a real subject."""

    repeatable: frozenset[str] = frozenset()
    """A kept answer would need a transaction, and no connection is held while a model answers."""

    @schemas.describe(
        "dry_run",
        "What a prompt version would make of a subject, beside what stands",
        DryRunSchema,
        body=DryRunRequestSchema,
        writes=True,
        refuses={
            502: "The provider's answer cannot be used; `detail` says why.",
            503: "The provider or the database cannot be reached; `Retry-After` says when to try again, if that helps.",
        },
        sends={"user": "user-123", "events": 20},
    )
    def post(self, request: Request, app: str, prompt: str) -> HttpResponse:
        """Make one model call, which is charged like a pass's, and publish nothing.

        It reads the events that nothing has read yet; where there are none, the last ones again, on top of what stood
        before them.
        """
        fields = self.fields()
        parameters.only(fields, ("user", "session", "project", "observer", "events"))
        version = prompt_versions.find(prompt, tenants.find_app(app))
        subject = _subject(app, {key: value for key, value in fields.items() if value is not None and key != "events"})
        events = fields.get("events")
        if events is not None:
            parameters.whole_number(events, ("events",), least=1, most=1_000)
        try:
            found = dry_runs.run(version, subject, events=events)
        except ProviderFailed as error:
            raise unavailable(error) from None
        return shapes.json_response({"prompt": _named(found.prompt_version), **dry_run_report.told(found)})


def _subject(app: str, named: dict[str, Any]) -> Subject:
    for field, value in named.items():
        validation.name(value, (field,))
    if ("project" in named) == ("user" in named) or ("session" in named and "user" not in named):
        raise Invalid("Give a user, a user and one of their sessions, or a project.", (), "missing")
    if "observer" in named and ("session" in named or "project" in named):
        raise Invalid("Only a user is seen by an observer.", ("observer",))
    asked = dict.fromkeys(("user", "session", "project", "observer")) | named
    return reading.subject(app, **asked)


def _asked_kind(view: Endpoint) -> str | None:
    value = view.http.GET.get("kind")
    if value is not None and value not in set(Kind):
        raise InvalidParameter("query", "kind", f"Use one of {', '.join(Kind)}.", "enum")
    return value


def _path_kind(value: str) -> str:
    if value not in set(Kind):
        raise InvalidParameter("path", "kind", f"Use one of {', '.join(Kind)}.", "enum")
    return value


def _checked_kind(value: Any) -> str:
    if value not in [*Kind]:
        raise Invalid(f"Use one of {', '.join(Kind)}.", ("kind",), "enum")
    return str(value)


def _check_label(value: str) -> None:
    if value not in (Label.Name.LIVE, Label.Name.CANDIDATE):
        raise InvalidParameter("path", "label", "Use live or candidate; previous follows live by itself.", "enum")


def _body_version(fields: dict[str, Any], field: str, app: App) -> PromptVersion:
    """Return the version that a field of the body names."""
    ref = validation.name(parameters.required(fields, field), (field,))
    try:
        return prompt_versions.find(ref, app)
    except NotFound as error:
        raise Invalid(error.message, (field,), "prompt") from None


def _of(app_id: Any) -> str:
    return "site" if app_id is None else "app"


def _named(row: PromptVersion) -> shapes.Shape:
    return {
        "id": row.public_id,
        "name": prompt_versions.name_of(row),
        "kind": row.kind,
        "number": row.number,
        "message": row.message,
    }


def _prompt(row: PromptVersion, passes: int) -> shapes.Shape:
    return _named(row) | {
        "of": _of(row.app_id),
        "model": row.model,
        "parameters": row.parameters,
        "labels": sorted(label.name for label in row.labels.all()),
        "passes": passes,
        "author": row.maker or None,
        "created_at": shapes.moment(row.created_at),
    }


def _whole(row: PromptVersion) -> shapes.Shape:
    return _prompt(row, prompt_versions.uses([row])[row.pk]) | {"instructions": row.instructions}


def _move(item: LabelMove) -> shapes.Shape:
    return {
        "name": item.name,
        "kind": item.kind,
        "of": _of(item.app_id),
        "from": None if item.origin is None else _named(item.origin),
        "to": None if item.to is None else _named(item.to),
        "by": item.by,
        "reason": item.reason,
        "at": shapes.moment(item.created_at),
    }
