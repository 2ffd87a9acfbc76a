"""The API as OpenAPI tells it. Nothing at run time passes through these serializers: they only describe.

Requests are checked in ``memory.api.parameters`` and the store, answers built in ``memory.api.shapes``; a test walks
the routes and holds what they answer against what is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers

from memory import waiting
from memory.models import Conclusion, Correction, Event, Representation, Subject
from memory.models.idempotency import KEY_LENGTH
from memory.models.log import CONTENT_LENGTH
from memory.models.tenants import NAME_LENGTH

F = TypeVar("F", bound=Callable[..., Any])
Body = serializers.Serializer[Any]

_ACTIONS = {
    "list", "name", "get_or_create", "batch", "clone", "query", "context", "rollback", "diff", "explain", "consolidate",
    "dry_run", "feedback", "kept", "start", "ramp", "pause", "resume", "stop", "promote",
    "measures", "assignment", "sample", "cancel", "discard", "self", "search", "rotate", "test", "replay",
    "export", "import",
    "chat", "stream",
}  # fmt: skip
_ID = "22 URL-safe characters"
_PATH = {
    "app": "The app's id or name.",
    "user": "The user's id or name.",
    "session": "The session's id or name.",
    "project": "The project's id or name.",
    "message": "The message's id.",
    "collection": "The collection's id or name.",
    "document": "The document's id.",
    "metamessage": "The metamessage's id.",
    "conclusion": "The conclusion's id.",
    "event": "The event's id.",
    "number": "The number of a version.",
    "prompt": "The prompt version's id, or its name: `user-2` (the app's own) or `site-user-1`.",
    "kind": "The kind of subject: `user`, `observed`, `session` or `project`.",
    "experiment": "The experiment's id or name.",
    "label": "The label: `live` or `candidate`.",
    "reprocess": "The run's id.",
    "key": "The key's id.",
    "webhook": "The endpoint's id.",
    "delivery": "The delivery's id.",
    "erasure": "The receipt's id.",
}


class ApiSchema(AutoSchema):
    """Names operations as clients call them: ``apps.users.sessions.messages.create``."""

    def get_operation_id(self) -> str:
        """Return the path's resources and the method's verb."""
        verb = getattr(getattr(self.view, self.method.lower()), "verb", self.method.lower())
        return ".".join([*self._resources(), verb])

    def get_tags(self) -> list[str]:
        """Return the resource that the operation belongs to."""
        return ["context"] if self.path.endswith("/context") else self._resources()[-1:]

    def get_override_parameters(self) -> list[Any]:
        """Say what each part of the path is, and that a write can be sent again."""
        path = [
            OpenApiParameter(part, str, OpenApiParameter.PATH, description=text)
            for part, text in _PATH.items()
            if f"{{{part}}}" in self.path
        ]
        return [*path, *IDEMPOTENCY] if self.method in getattr(self.view, "repeatable", ()) else path

    def _resources(self) -> list[str]:
        segments = [part for part in self.path.split("/") if part and not part.startswith("{")][1:]
        return [part for part in segments if part not in _ACTIONS]


def describe(
    verb: str,
    summary: str,
    answer: Any,
    *,
    body: Any = None,
    query: Sequence[OpenApiParameter] = (),
    writes: bool = False,
    refuses: Mapping[int, str] | None = None,
    example: Any = None,
    sends: Any = None,
    media: str = "application/json",
    streams: str | None = None,
) -> Callable[[F], F]:
    """Describe a handler: its verb, what it takes and what it answers; ``refuses`` beside what all do.

    ``media`` is the type of what it answers where it succeeds. ``streams`` says what it sends piece by piece where that
    is asked for; without an ``answer``, always.
    """
    examples = []
    if example is not None:
        examples.append(OpenApiExample(summary, value=example, response_only=True, status_codes=["200"]))
    if sends is not None:
        examples.append(OpenApiExample(f"{summary} (request)", value=sends, request_only=True))
    responses: dict[Any, Any] = answers(answer, writes=writes, also=refuses, media=media)
    if streams is not None:
        if answer is None:
            del responses[200, media]
        responses[200, "text/event-stream"] = OpenApiResponse(str, description=streams)
    described = extend_schema(
        summary=summary,
        request=body,
        responses=responses,
        parameters=list(query),
        examples=examples,
    )

    def decorate(handler: F) -> F:
        handler.verb = verb  # type: ignore[attr-defined]
        done: F = described(handler)
        return done

    return decorate


def answers(
    success: Any, *, writes: bool = False, also: Mapping[int, str] | None = None, media: str = "application/json"
) -> dict[int | tuple[int, str], Any]:
    """Return what an operation answers, by status."""
    refused = {
        401: "No key, a key that is wrong, or one that does not open this.",
        404: "There is no such thing.",
        422: "A value cannot be taken; `detail` names each.",
        429: "The key has made its requests of this minute; `Retry-After` says when the next begins.",
        503: "The database cannot be reached; `Retry-After` says when to try again.",
    }
    if writes:
        refused |= {
            403: "The key can only read, or the write is an operator's.",
            409: "It contradicts what is stored.",
            413: "The body is larger than the limit.",
            415: "The body is not JSON.",
        }
    refused |= also or {}
    shown: dict[int | tuple[int, str], Any] = {(200, media): success}
    for status, text in sorted(refused.items()):
        shown[status] = OpenApiResponse(Error, description=text)
    return shown


def parameter(name: str, kind: Any, text: str, **more: Any) -> OpenApiParameter:
    """Return a parameter of the query."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text, **more)


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


PAGE = (
    parameter("page", _whole(1, 10_000_000), "Which page.", default=1),
    parameter("size", _whole(1, 100), "How many items a page has.", default=50),
    parameter("reverse", bool, "Newest first.", default=False),
)
_AGE = {"type": "string", "pattern": "^[0-9]+[smhdw]$", "description": "How long ago: 7d, 12h, 30m."}
WHEN = {"oneOf": [{"type": "string", "format": "date-time"}, _AGE]}
CURSOR = parameter("cursor", str, "The `next_cursor` of the page before.")
CURSORS = (CURSOR, parameter("limit", _whole(1, 200), "How many items.", default=50))
OBSERVER = parameter("observer", str, "Id or name of the user as whom to look.")
WHICH = (
    parameter(
        "at",
        WHEN,
        "Read what was served at this moment, or so long ago (`7d`, `12h`, `30m`): exactly what readers got then. What "
        "is known of that time by now may differ: see `occurred_at` of events and `held_from` of conclusions.",
    ),
    parameter("version", _whole(1, 2**31 - 1), "Read this version."),
    OBSERVER,
)
IDEMPOTENCY = (
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
        OpenApiParameter.HEADER,
        description=(
            "A name of your own for this write, a new UUID for instance. Sent again with the same key, method, path "
            "and body, it is not done again: the first answer comes back, for 24 hours unless the server says "
            "otherwise. With another request the key is refused: 409, `idempotency_conflict`. A write that was refused "
            "or failed keeps nothing and can be sent again, mended, with its key. Keys count per API key and app."
        ),
    ),
    OpenApiParameter(
        "Idempotent-Replay",
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        description="There where this is the kept answer to an earlier request with the same `Idempotency-Key`.",
        response=[200],
    ),
)
TOKENS = parameter("tokens", _whole(1, 100_000), "The most tokens that the whole text may have.")

WAIT = parameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": waiting.LONGEST},
    "Wait up to so many seconds until all that the log holds now has been reasoned over. `behind` tells whether it was:"
    " it is not waited for longer, nor where too many wait already.",
    default=0,
)

POSITION = OpenApiParameter(
    "Honcho-Position",
    str,
    OpenApiParameter.HEADER,
    description=(
        "The newest `Honcho-Position` that an answer to this client had, or `0/0`. Where the server reads from a "
        "replica, it answers from there what is no older than that; without it, nothing is read from a replica."
    ),
)


def _metadata(**more: Any) -> serializers.DictField:
    return serializers.DictField(child=serializers.JSONField(), **more)


def _id(text: str = _ID, **more: Any) -> serializers.CharField:
    return serializers.CharField(help_text=text, **more)


MADE_BY = (
    "What made it, as far as the maker said. The loop says `prompt_version`, `prompt_number`, `provider`, `model`, "
    "`parameters`, `code_version`, `pass`, `task` (`read` or `consolidate`), `events`, `input_tokens`, "
    "`output_tokens`, `cached_tokens` and `cost`; a rollback says `rolled_back_to`."
)

_DETAIL = {
    "oneOf": [
        {"type": "string", "description": "What is wrong, in words for people."},
        {
            "type": "array",
            "description": "Each value that cannot be taken.",
            "items": {
                "type": "object",
                "required": ["type", "loc", "msg"],
                "properties": {
                    "type": {"type": "string", "description": "Machine-readable."},
                    "loc": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                        "description": "Where: `body`, `query`, `header` or `path`, then the way to the value.",
                    },
                    "msg": {"type": "string", "description": "What to do."},
                    "input": {"description": "What was given, cut short."},
                },
            },
        },
    ]
}


@extend_schema_field(_DETAIL)
class _DetailField(serializers.JSONField):
    """One sentence, or a list of problems."""


@extend_schema_field(
    {"oneOf": [{"type": "object", "additionalProperties": {}}, {"type": "array", "items": {}}, {"type": "null"}]}
)
class _DataField(serializers.JSONField):
    """An event's data, or null."""


class Error(Body):
    """Every error."""

    detail = _DetailField()
    code = serializers.CharField(help_text="Stable and machine-readable.")
    request_id = serializers.CharField(help_text="The id under which the server logged the request.")


class App(Body):
    """A tenant."""

    id = _id()
    name = serializers.CharField()
    metadata = _metadata()
    created_at = serializers.DateTimeField()


class NewApp(Body):
    """A new app."""

    name = serializers.CharField(min_length=1, max_length=NAME_LENGTH)
    metadata = _metadata(required=False, allow_null=True)


class AppChange(Body):
    """What of an app shall change."""

    name = serializers.CharField(min_length=1, max_length=NAME_LENGTH, required=False, allow_null=True)
    metadata = _metadata(required=False, allow_null=True, help_text="Replaces all metadata.")


class User(Body):
    """Someone who is remembered."""

    id = _id()
    name = serializers.CharField()
    app_id = _id()
    metadata = _metadata()
    created_at = serializers.DateTimeField()


class NewUser(NewApp):
    """A new user."""


class UserChange(AppChange):
    """What of a user shall change."""


class Session(Body):
    """A conversation."""

    id = _id()
    name = serializers.CharField(allow_null=True)
    is_active = serializers.BooleanField(help_text="False once it was deleted; nothing of it is erased.")
    user_id = _id()
    app_id = _id()
    metadata = _metadata()
    created_at = serializers.DateTimeField()


class NewSession(Body):
    """A new session."""

    name = serializers.CharField(min_length=1, max_length=NAME_LENGTH, required=False, allow_null=True)
    metadata = _metadata(required=False, allow_null=True)


class MetadataChange(Body):
    """Metadata that replaces all there is."""

    metadata = _metadata(required=False, allow_null=True)


class Ended(Body):
    """What a deletion says."""

    message = serializers.CharField()


class Message(Body):
    """An event of the kind `message`."""

    id = _id()
    client_id = _id("The `id` that the writer gave it.", allow_null=True)
    content = serializers.CharField(allow_blank=True)
    is_user = serializers.BooleanField(help_text="Whether a user said it, not the agent.")
    session_id = _id()
    metadata = _metadata()
    created_at = serializers.DateTimeField(help_text="When it was said.")
    app_id = _id()
    user_id = _id()
    token_count = serializers.IntegerField()


class NewMessage(Body):
    """A new message."""

    content = serializers.CharField(allow_blank=True, max_length=CONTENT_LENGTH)
    is_user = serializers.BooleanField(help_text="Whether a user said it, not the agent.")
    metadata = _metadata(required=False, allow_null=True)
    id = serializers.CharField(
        min_length=1, max_length=255, required=False, allow_null=True,
        help_text="Your own id: sent again with the same content, the message is stored once.",
    )  # fmt: skip
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, help_text="With a time zone; default now.")
    created_at = serializers.DateTimeField(required=False, allow_null=True, help_text="The same by another name.")


class MessageBatch(Body):
    """Up to 100 messages."""

    messages = NewMessage(many=True, max_length=100)  # type: ignore[call-arg]


class MetadataFilter(Body):
    """Which items of a list are wanted."""

    filter = _metadata(required=False, allow_null=True, help_text="Metadata that an item must contain.")


class SessionFilter(MetadataFilter):
    """Which sessions are wanted."""

    is_active = serializers.BooleanField(required=False, allow_null=True, help_text="True leaves out those deleted.")


class NewEvent(Body):
    """A new event of any kind. A field that is not listed here is refused."""

    kind = serializers.CharField(
        required=False, default="message", max_length=100,
        help_text="`message`, `tool_call`, `tool_result`, `correction` (operators' keys), or your own with a dot.",
    )  # fmt: skip
    content = serializers.CharField(required=False, allow_blank=True, max_length=CONTENT_LENGTH)
    data = serializers.JSONField(required=False, help_text="An object or a list.")  # type: ignore[assignment]
    metadata = _metadata(required=False)
    author = serializers.CharField(required=False, help_text="Id or name of the user; default: the path's.")
    origin = serializers.ChoiceField(
        Event.Origin.choices, required=False,
        help_text="Who stands behind it. `operator` takes an operator's key; `recalled` is no new evidence.",
    )  # fmt: skip
    is_user = serializers.BooleanField(required=False, help_text="Instead of origin: true is `user`, false `agent`.")
    id = serializers.CharField(
        required=False, min_length=1, max_length=255,
        help_text="Your own id: sent again with the same content, the event is stored once.",
    )  # fmt: skip
    occurred_at = serializers.DateTimeField(required=False, help_text="With a time zone; default now.")
    project = serializers.CharField(required=False, help_text="Id or name of a project that it belongs to as well.")


class ReadEvent(Body):
    """One immutable row of the log."""

    id = _id()
    client_id = _id("The `id` that the writer gave it.", allow_null=True)
    kind = serializers.CharField()
    content = serializers.CharField(allow_blank=True)
    data = _DataField()  # type: ignore[assignment]
    metadata = _metadata()
    author = serializers.CharField(allow_null=True, help_text="The author's name.")
    origin = serializers.ChoiceField(Event.Origin.choices)
    app_id = _id()
    session_id = _id(allow_null=True)
    user_id = _id(allow_null=True)
    project_id = _id(allow_null=True)
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    token_count = serializers.IntegerField()


class WrittenEvent(ReadEvent):
    """An event as it was stored."""

    created = serializers.BooleanField(help_text="False where an earlier write with this id had stored it.")


NEW_EVENTS = PolymorphicProxySerializer(
    component_name="NewEvents",
    serializers=[NewEvent, NewEvent(many=True)],
    resource_type_field_name=None,
    many=False,
)
WRITTEN_EVENTS = PolymorphicProxySerializer(
    component_name="WrittenEvents",
    serializers=[WrittenEvent, WrittenEvent(many=True)],
    resource_type_field_name=None,
    many=False,
)


class Behind(Body):
    """What the log holds and this has not read."""

    events = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="How long the oldest of them has waited.")


class Summary(Body):
    """A summary in two lengths."""

    short = serializers.CharField(allow_blank=True)
    long = serializers.CharField(allow_blank=True)


class PlainConclusion(Body):
    """A statement."""

    id = _id()
    content = serializers.CharField()
    level = serializers.ChoiceField(Conclusion.Level.choices)
    about = serializers.CharField(allow_null=True, help_text="Name of the user that it is about.")
    held_from = serializers.DateField(allow_null=True)
    held_until = serializers.DateField(allow_null=True)
    importance = serializers.IntegerField(min_value=1, max_value=5)
    pinned = serializers.BooleanField(help_text="A human said so.")


class StandingConclusion(PlainConclusion):
    """A statement, and the events that it rests on."""

    since_version = serializers.IntegerField()
    sources = serializers.ListField(child=serializers.CharField(), help_text="Ids of events.")


class HumanWord(Body):
    """What a human said of a statement last."""

    act = serializers.ChoiceField(Correction.Act.choices)
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    event_id = _id("The event of the log that says so; null once it is archived.", allow_null=True)
    version = serializers.IntegerField(help_text="The version that says so.")
    conclusion_id = _id("The statement that it was said of.")
    replaced_by = _id("The statement that an edit put in its place.", allow_null=True)
    created_at = serializers.DateTimeField()


class KnownConclusion(StandingConclusion):
    """A statement, whether it stands or not."""

    since_version = serializers.IntegerField(allow_null=True, help_text="Null where it does not stand.")
    standing = serializers.BooleanField(help_text="Whether readers get it now.")
    retracted = serializers.BooleanField(help_text="A human took it out: no model brings it back.")
    created_at = serializers.DateTimeField()
    correction = HumanWord(allow_null=True)


class NewConclusion(Body):
    """A statement to add. It is pinned: no model takes it away."""

    content = serializers.CharField(max_length=1_000, help_text="One sentence, clear by itself, in the third person.")
    about = serializers.CharField(
        required=False, allow_null=True, help_text="Id or name of the user that it is about; default: the path's."
    )
    importance = serializers.IntegerField(min_value=1, max_value=5, required=False, allow_null=True)
    reason = serializers.CharField(max_length=2_000, required=False, allow_null=True, allow_blank=True)
    id = serializers.CharField(
        min_length=1, max_length=255, required=False, allow_null=True,
        help_text="Your own id: sent again with the same content, the statement is added once.",
    )  # fmt: skip


class ConclusionChange(Body):
    """What shall be different of a statement; at least one of content, importance and pinned."""

    content = serializers.CharField(max_length=1_000, required=False, allow_null=True)
    importance = serializers.IntegerField(min_value=1, max_value=5, required=False, allow_null=True)
    pinned = serializers.BooleanField(required=False, allow_null=True, help_text="False leaves it to the model again.")
    reason = serializers.CharField(max_length=2_000, required=False, allow_null=True, allow_blank=True)


class ContextConclusion(StandingConclusion):
    """A statement of the user's or of the session's representation."""

    subject = serializers.ChoiceField(["user", "session"])


class PendingEvent(Body):
    """An event that nothing has been concluded from yet."""

    id = _id()
    kind = serializers.CharField()
    author = serializers.CharField(allow_null=True)
    origin = serializers.ChoiceField(Event.Origin.choices)
    content = serializers.CharField(allow_blank=True)
    data = _DataField()  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField()


class Context(Body):
    """What an agent should know now."""

    context = serializers.CharField(  # type: ignore[assignment]
        allow_blank=True, help_text="Natural language; empty where nothing is known yet."
    )
    version = serializers.IntegerField(help_text="The user's version; 0 where there is none yet.")
    session_version = serializers.IntegerField(allow_null=True, help_text="Null where no session is asked for.")
    as_of = serializers.DateTimeField(allow_null=True)
    behind = Behind()
    app_id = _id()
    user_id = _id()
    session_id = _id(allow_null=True)
    conclusions = ContextConclusion(many=True, required=False)
    summary = Summary(required=False)
    card = serializers.ListField(child=serializers.CharField(), required=False)
    pending = PendingEvent(many=True, required=False)
    at = serializers.DateTimeField(
        required=False, help_text="There where `at` was asked for: this is what was served at that moment."
    )


class NamedThing(Body):
    """An id and a name."""

    id = _id()
    name = serializers.CharField()


class AboutWhat(Body):
    """What a representation is about."""

    kind = serializers.ChoiceField(Subject.Kind.choices)
    id = _id()
    name = serializers.CharField(allow_null=True)
    observer = NamedThing(required=False, help_text="Who sees the user so.")


class StructuredRepresentation(Body):
    """The structured form of a version."""

    subject = AboutWhat()
    text = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(allow_null=True, help_text="Null where nothing has been concluded yet.")
    as_of = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    behind = Behind()
    card = serializers.ListField(child=serializers.CharField())
    now = serializers.CharField(allow_blank=True)
    summary = Summary()
    conclusions = StandingConclusion(many=True)
    made_by = _metadata(allow_null=True)
    at = serializers.DateTimeField(
        required=False, help_text="There where `at` was asked for: this is what was served at that moment."
    )


class Covers(Body):
    """Which places of the subject's feed a version read: above `from`, up to and with `to`, so many `events`."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {name: serializers.IntegerField() for name in ("from", "to", "events")}


class VersionLine(Body):
    """One line of a history."""

    version = serializers.IntegerField()
    status = serializers.ChoiceField(Representation.Status.choices)
    created_at = serializers.DateTimeField()
    as_of = serializers.DateTimeField(allow_null=True)
    current = serializers.BooleanField(help_text="Whether it is what readers get.")
    made_by = _metadata(help_text=MADE_BY)
    by = serializers.CharField(allow_blank=True, help_text="Who asked for it, where somebody did.")
    covers = Covers()
    added = serializers.IntegerField()
    retired = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)
    parent = serializers.IntegerField(allow_null=True)  # type: ignore[assignment]
    thinned = serializers.BooleanField(
        help_text="Whether it is so old that only its statements are kept; its text is made anew of them."
    )


class NewFeedback(Body):
    """How well a version served."""

    version = serializers.IntegerField(min_value=1, help_text="The version that was served, as `context` says it.")
    score = serializers.FloatField(min_value=-1, max_value=1, help_text="-1 is harmful, 1 is just right.")
    comment = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=2_000)


class Feedback(Body):
    """How well a version served, as it is kept."""

    id = _id()
    version = serializers.IntegerField()
    score = serializers.FloatField()
    comment = serializers.CharField(allow_blank=True)
    by = serializers.CharField(allow_blank=True, help_text="Whose key said so.")
    created_at = serializers.DateTimeField()


class RetiredConclusion(Body):
    """A statement that stands no longer."""

    id = _id()
    content = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    replaced_by = _id(allow_null=True)


class VersionDetail(VersionLine):
    """A version with its text and what it changed.

    Of a quarantined version only an operator's key gets the text, the card, what matters now and the summaries: they
    may hold a secret, or instructions to whoever reads them. Other keys get them empty.
    """

    text = serializers.CharField(
        allow_blank=True, help_text="Empty for a quarantined version, but for an operator's key."
    )
    card = serializers.ListField(child=serializers.CharField())
    now = serializers.CharField(allow_blank=True)
    summary = Summary()
    added = StandingConclusion(many=True)  # type: ignore[assignment]
    retired = RetiredConclusion(many=True)  # type: ignore[assignment]


class OneOfTwo(Body):
    """One of the two versions that are compared."""

    version = serializers.IntegerField(allow_null=True, help_text="Null where nothing was known yet.")
    at = serializers.DateTimeField(help_text="The moment meant, or when the version was made.")
    as_of = serializers.DateTimeField(allow_null=True)
    made_by = _metadata(allow_null=True, help_text=MADE_BY)


class GoneConclusion(RetiredConclusion):
    """A statement that stands no longer."""

    about = serializers.CharField(allow_null=True, help_text="Name of the user that it is about.")
    until_version = serializers.IntegerField(allow_null=True, help_text="The first version in which it does not stand.")


class RewordedConclusion(Body):
    """A statement that another took the place of."""

    replaced = serializers.BooleanField(help_text="True where a pass said so; false where the words are alike.")
    similarity = serializers.FloatField(help_text="How alike the words are, from 0 to 1.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {"from": GoneConclusion(), "to": StandingConclusion(), **super().get_fields()}


class TextChange(Body):
    """A text as it was and as it is."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {name: serializers.CharField(allow_blank=True) for name in ("from", "to")}


class CardChange(Body):
    """The lines of the card that changed."""

    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())


class SummaryChange(Body):
    """The summaries, null where one did not change."""

    short = TextChange(allow_null=True)
    long = TextChange(allow_null=True)


class Diff(Body):
    """What changed between two versions. Each statement is in one of `added`, `retired`, `reworded` and `kept`."""

    subject = AboutWhat()
    text = serializers.CharField(allow_blank=True, help_text="The change as one paragraph, within `tokens`.")
    covers = Covers(help_text="What the later has read and the earlier had not.")
    added = StandingConclusion(many=True)
    retired = GoneConclusion(many=True)
    reworded = RewordedConclusion(many=True)
    kept_count = serializers.IntegerField()
    kept = StandingConclusion(many=True, required=False, help_text="With `include=kept`.")
    card = CardChange()
    now = TextChange(allow_null=True)
    summary = SummaryChange()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; one has a name that Python keeps for itself."""
        return {"from": OneOfTwo(), "to": OneOfTwo(), **super().get_fields()}


class SourceEvent(Body):
    """An event under a statement, and the version that found so."""

    id = _id()
    version = serializers.IntegerField(help_text="The version that brought it as evidence.")
    kind = serializers.CharField()
    author = serializers.CharField(allow_null=True, help_text="The author's name.")
    origin = serializers.ChoiceField(Event.Origin.choices)
    content = serializers.CharField(allow_blank=True)
    data = _DataField()  # type: ignore[assignment]
    session_id = _id(allow_null=True)
    session = serializers.CharField(allow_null=True, help_text="The session's name.")
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()


class ArchivedSource(Body):
    """An event under a statement that was taken out of the log."""

    id = _id()
    version = serializers.IntegerField(help_text="The version that brought it as evidence.")
    archived_at = serializers.DateTimeField(allow_null=True, help_text="Null where another store did it.")


class Replacement(Body):
    """What stands in a statement's place."""

    id = _id()
    content = serializers.CharField()


class StandingSpan(Body):
    """In which versions of one line a statement stands: from `since` up to and without `until`."""

    line = _id("The line's id.")
    recipe = serializers.CharField(help_text="What the line is made by: the id of a prompt version, in the loop.")
    serving = serializers.BooleanField(help_text="Whether readers get this line now.")
    since = serializers.IntegerField()
    until = serializers.IntegerField(allow_null=True, help_text="Null where it stands in the line's newest version.")
    reason = serializers.CharField(allow_blank=True, help_text="Why it ended.")
    replaced_by = Replacement(allow_null=True)


class Introduced(Body):
    """The version that first said a statement."""

    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    as_of = serializers.DateTimeField(allow_null=True)
    covers = Covers()
    made_by = _metadata(help_text=MADE_BY)
    reason = serializers.CharField(allow_blank=True)


class PremiseConclusion(PlainConclusion):
    """A statement that another one rests on, or the other way round."""

    version = serializers.IntegerField(help_text="The version that found so.")


class Explanation(Body):
    """Why memory says a sentence."""

    subject = AboutWhat()
    conclusion = PlainConclusion()
    found_by = serializers.ChoiceField(
        ["id", "line", "beginning", "likeness"], help_text="`likeness`: none begins so, and this is the most alike."
    )
    stands = serializers.BooleanField(help_text="Whether it stands in what readers get now.")
    introduced = Introduced(allow_null=True)
    sources = SourceEvent(many=True, help_text="The events under it: those that were found first, up to 200.")
    archived_sources = ArchivedSource(many=True)
    sources_count = serializers.IntegerField(help_text="How many there are in all.")
    spans = StandingSpan(many=True)
    premises = PremiseConclusion(many=True, help_text="The statements that it rests on; their events are its own too.")
    premise_of = PremiseConclusion(many=True, help_text="The statements that rest on it, up to 200.")


class RestingConclusion(PlainConclusion):
    """A statement that rests on an event, and where it stands."""

    subject = AboutWhat()
    version = serializers.IntegerField(help_text="The version that found that it rests on the event.")
    stands = serializers.BooleanField(help_text="Whether it stands in what readers get now.")
    spans = StandingSpan(many=True)


class EventStatements(Body):
    """What rests on an event."""

    event = ReadEvent()
    items = RestingConclusion(many=True, help_text="At most 200, the oldest.")


class KeepVersion(Body):
    """Why the version shall be kept."""

    reason = serializers.CharField(min_length=1, max_length=2_000)


THEN = ("stay", "reason_again")


class Rollback(Body):
    """Which version shall stand again, and why."""

    to = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(min_length=1, max_length=2_000)
    then = serializers.ChoiceField(
        THEN, default=THEN[0], help_text="What becomes of the events since: they stay read, or are read again."
    )


class Imported(Body):
    """What an import did."""

    app_id = _id("The app that holds it now.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; how many lines of each type there were, by type."""
        counts = {
            "imported": "How many lines of each type were stored.",
            "skipped": "How many were there already.",
        }
        return super().get_fields() | {
            name: serializers.DictField(child=serializers.IntegerField(), help_text=text)
            for name, text in counts.items()
        }


def page_of(item: type[Body]) -> type[Body]:
    """Return the page of a list by number."""
    fields = {"items": item(many=True)} | {
        name: serializers.IntegerField() for name in ("total", "page", "size", "pages")
    }
    return type(f"{item.__name__}Page", (serializers.Serializer,), {**fields, "__doc__": "A page of a list."})


def cursor_page_of(item: type[Body]) -> type[Body]:
    """Return the page of a list by cursor."""
    fields = {
        "items": item(many=True),
        "next_cursor": serializers.CharField(allow_null=True, help_text="Null on the last page."),
    }
    return type(f"{item.__name__}CursorPage", (serializers.Serializer,), {**fields, "__doc__": "A page of a list."})


AppPage = page_of(App)
UserPage = page_of(User)
SessionPage = page_of(Session)
MessagePage = page_of(Message)
EventCursorPage = cursor_page_of(ReadEvent)
VersionCursorPage = cursor_page_of(VersionLine)
ConclusionCursorPage = cursor_page_of(KnownConclusion)
