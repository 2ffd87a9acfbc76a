"""Rollbacks of all that a prompt version made, over HTTP: previewed, done, listed and undone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from memory import diffs, ids, tenants, validation
from memory.api import pagination, parameters, schemas, shapes
from memory.errors import Invalid, NotFound
from memory.models import App
from memory.restoring import Onward
from reasoning import prompt_versions, rollbacks
from reasoning.api.endpoint import OperatorEndpoint
from reasoning.models import PromptVersion, Rollback

_REASON_LENGTH = 2_000
_SAMPLE = 5
_NEW = ("prompt", "since", "then", "live", "keep_live", "reason", "dry_run")


class NewRollbackSchema(serializers.Serializer[Any]):
    """What shall be taken back, and what becomes of the events that were read since."""

    prompt = serializers.CharField(help_text="Id or name of the prompt version.")
    since = serializers.CharField(required=False, help_text="Only what it made since: a moment, or an age such as 7d.")
    then = serializers.ChoiceField(schemas.THEN, default=schemas.THEN[0])
    live = serializers.CharField(required=False, help_text="Which version shall be live instead; else the one before.")
    keep_live = serializers.BooleanField(default=False, help_text="Leave labels, experiments and runs as they are.")
    reason = serializers.CharField(required=False, max_length=_REASON_LENGTH, help_text="Required but in a dry run.")
    dry_run = serializers.BooleanField(default=False, help_text="Only say what it would do.")


class RollbackSample(serializers.Serializer[Any]):
    """One subject of those that a rollback would change."""

    subject = serializers.CharField()
    kind = serializers.CharField()
    change = serializers.CharField(help_text="What would change for its readers, as a paragraph.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {
            **super().get_fields(),
            "from": serializers.IntegerField(),
            "to": serializers.IntegerField(allow_null=True, help_text="Null: nothing had been served before."),
        }


class RollbackPlanSchema(serializers.Serializer[Any]):
    """What a rollback would do now."""

    subjects = serializers.IntegerField()
    versions = serializers.IntegerField(help_text="How many versions it takes back.")
    nothing_before = serializers.IntegerField(help_text="Subjects whose readers would get nothing.")
    events = serializers.IntegerField(help_text="Events that were read since.")
    live = serializers.CharField(allow_null=True, help_text="What would become live; null: unchanged, or to be said.")
    experiments = serializers.IntegerField(help_text="Experiments whose arm would be paused, or that would be stopped.")
    runs = serializers.IntegerField(help_text="Reprocessing runs that would be ended.")
    sample = RollbackSample(many=True)


class RollbackSchema(serializers.Serializer[Any]):
    """A rollback that was made, or what one would do (``plan``) in a dry run."""

    id = serializers.CharField(allow_null=True)
    prompt = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    then = serializers.ChoiceField(schemas.THEN)
    live = serializers.CharField(allow_null=True, help_text="What became live by it; null: unchanged.")
    subjects = serializers.IntegerField()
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    undoes = serializers.CharField(allow_null=True)
    undone_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    plan = RollbackPlanSchema(allow_null=True)


class UndoSchema(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=_REASON_LENGTH)


class Rollbacks(OperatorEndpoint):
    """The rollbacks of prompt versions in an app."""

    @schemas.describe(
        "list",
        "What was taken back, newest first",
        schemas.cursor_page_of(RollbackSchema),
        query=(
            schemas.CURSOR,
            schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "How many.", default=20),
        ),
    )
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of the app's rollbacks."""
        size = pagination.limit(self.http, default=20, most=100)
        found = rollbacks.of_app(tenants.find_app(app))
        if cursor := pagination.id_cursor(self.http):
            found = found.filter(pk__lt=cursor)
        return shapes.json_response(
            pagination.cursor_page(list(found[: size + 1]), size, _shape, lambda item: item.public_id)
        )

    @schemas.describe(
        "create",
        "Take back all that a prompt version made in the app",
        RollbackSchema,
        body=NewRollbackSchema,
        writes=True,
        sends={"prompt": "user-2", "since": "7d", "then": "stay", "reason": "It mixes up people", "dry_run": True},
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Give readers again what the version replaced; it is live no more. With `dry_run`, only say what that does."""
        fields = self.fields()
        parameters.only(fields, _NEW)
        row = tenants.find_app(app)
        version = _version(parameters.required(fields, "prompt"), "prompt", row)
        since = None if fields.get("since") is None else validation.since(fields["since"], ("since",))
        then = fields.get("then", schemas.THEN[0])
        if then not in schemas.THEN:
            raise Invalid(f"Use one of {', '.join(schemas.THEN)}.", ("then",), "literal_error")
        if _flag(fields, "dry_run"):
            return shapes.json_response(_planned(version, row, since, then))
        made = rollbacks.roll_back(
            version,
            app=row,
            since=since,
            then=Onward(then),
            live=None if fields.get("live") is None else _version(fields["live"], "live", row),
            keep_live=_flag(fields, "keep_live"),
            reason=validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1),
            by=self.by,
        )
        return shapes.json_response(_shape(made))


class OneRollback(OperatorEndpoint):
    """One rollback."""

    @schemas.describe("get", "One rollback", RollbackSchema)
    def get(self, request: Request, app: str, rollback: str) -> HttpResponse:
        """Return what was taken back, by whom and why."""
        return shapes.json_response(_shape(_found(app, rollback)))


class Undo(OperatorEndpoint):
    """The way back from a rollback."""

    @schemas.describe(
        "undo", "Give readers again what they got before a rollback", RollbackSchema, body=UndoSchema, writes=True,
        sends={"reason": "It was not the prompt"},
    )  # fmt: skip
    def post(self, request: Request, app: str, rollback: str) -> HttpResponse:
        """Undo a rollback by another one."""
        fields = self.fields()
        parameters.only(fields, ("reason",))
        reason = validation.text(parameters.required(fields, "reason"), ("reason",), most=_REASON_LENGTH, least=1)
        return shapes.json_response(_shape(rollbacks.undo(_found(app, rollback), reason=reason, by=self.by)))


def _found(app: str, ref: str) -> Rollback:
    key = ids.decode(ref)
    found = None if key is None else rollbacks.of_app(tenants.find_app(app)).filter(pk=key).first()
    if found is None:
        raise NotFound("Rollback not found")
    return found


def _version(ref: Any, field: str, app: App) -> PromptVersion:
    return prompt_versions.find(validation.name(ref, (field,)), app)


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise Invalid("Give true or false.", (name,), "bool_type")
    return value


def _planned(version: PromptVersion, app: App, since: datetime | None, then: str) -> dict[str, Any]:
    plan = rollbacks.plan(version, app=app, since=since)
    shown = {
        "subjects": len(plan.affected),
        "versions": plan.versions,
        "nothing_before": plan.nothing_before,
        "events": plan.events,
        "live": None if plan.live is None else prompt_versions.name_of(plan.live),
        "experiments": plan.experiments,
        "runs": plan.runs,
        "sample": [_sampled(item) for item in rollbacks.samples(plan.targets, _SAMPLE)],
    }
    return _shape(Rollback(app=app, prompt_version=version, since=since, then=then, subjects=len(plan.affected)), shown)


def _sampled(item: rollbacks.Sample) -> dict[str, Any]:
    target = item.target
    change = diffs.tell(diffs.between(item.subject, item.current, target)) if target else "Nothing is known any more."
    return {
        "subject": str(item.subject),
        "kind": item.subject.kind,
        "from": item.current and item.current.number,
        "to": target and target.number,
        "change": change,
    }


def _shape(row: Rollback, plan: dict[str, Any] | None = None) -> dict[str, Any]:
    kept = plan is None
    undone = Rollback.objects.filter(undoes=row).first() if kept else None
    return {
        "id": row.public_id if kept else None,
        "prompt": prompt_versions.name_of(row.prompt_version),
        "since": shapes.moment(row.since),
        "then": row.then,
        "live": None if row.live is None else prompt_versions.name_of(row.live),
        "subjects": row.subjects,
        "by": row.by,
        "reason": row.reason,
        "undoes": ids.encode(row.undoes_id) if row.undoes_id else None,
        "undone_by": undone.public_id if undone else None,
        "created_at": shapes.moment(row.created_at) if kept else None,
        "plan": plan,
    }
