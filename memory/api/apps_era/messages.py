"""Messages: events of the kind ``message``, in the shape of the apps era."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from memory import ids, log, places
from memory.api import pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint, Reading
from memory.errors import Invalid, NotFound
from memory.models import Event

_FIELDS = ("content", "is_user", "metadata", "id", "occurred_at", "created_at")
_MOST = 100


class Messages(Endpoint):
    """The messages of a session."""

    @schemas.describe(
        "create",
        "Append a message",
        schemas.Message,
        body=schemas.NewMessage,
        writes=True,
        sends={"content": "I want to automate my invoicing workflow", "is_user": True},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Append a message."""
        try:
            return shapes.json_response(self.append([self.body], ())[0])
        except Invalid as error:
            error.where = error.where[1:]
            raise

    def append(self, given: Sequence[Any], where: tuple[str, ...]) -> list[shapes.Shape]:
        """Append messages, all or none, and return them in their shape."""
        new = [_message(item, (*where, i)) for i, item in enumerate(given)]
        logged = log.append(**self.refs, events=new, may_create_app=self.may_create_app, where=where)
        return [shapes.message(event) for event in logged]


class MessageBatch(Messages):
    """Many messages at once."""

    @schemas.describe(
        "batch",
        "Append up to 100 messages, all or none",
        schemas.Message(many=True),
        body=schemas.MessageBatch,
        writes=True,
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Append up to 100 messages, all or none, in the order given."""
        given = parameters.required(self.fields(), "messages")
        if not isinstance(given, list):
            raise Invalid("Give a list.", ("messages",), "list_type")
        if len(given) > _MOST:
            raise Invalid(f"Give at most {_MOST} messages; these are {len(given):,}.", ("messages",), "too_long")
        if not given:
            places.open_place(**refs, may_create_app=self.may_create_app)
            return shapes.json_response([])
        return shapes.json_response(self.append(given, ("messages",)))


class MessageList(Reading):
    """The messages of a session, page by page."""

    @schemas.describe("list", "List messages", schemas.MessagePage, body=schemas.MetadataFilter, query=schemas.PAGE)
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Return a page of messages, oldest first."""
        return pagination.page(self.http, self.fields(), _messages(refs), shapes.message)


class Message(Endpoint):
    """One message."""

    @schemas.describe("get", "Get a message", schemas.Message)
    def get(self, request: Request, message: str, **refs: str) -> HttpResponse:
        """Return a message by its id."""
        return shapes.json_response(shapes.message(_find(message, refs)))

    @schemas.describe(
        "update", "Replace a message's metadata", schemas.Message, body=schemas.MetadataChange, writes=True
    )
    def put(self, request: Request, message: str, **refs: str) -> HttpResponse:
        """Replace a message's metadata; nothing else of it can change."""
        metadata = parameters.metadata(self.fields())
        found = _find(message, refs)
        if metadata is not None:
            log.set_metadata(found, metadata)
        return shapes.json_response(shapes.message(found))


def _message(item: Any, where: tuple[str | int, ...]) -> log.NewEvent:
    fields = parameters.an_object({} if item is None else item, where)
    parameters.no_typos(fields, _FIELDS, where)
    content = parameters.required(fields, "content", where)
    is_user = parameters.boolean(parameters.required(fields, "is_user", where), (*where, "is_user"))
    metadata, occurred_at = fields.get("metadata"), fields.get("occurred_at")
    return log.NewEvent(
        content=content,
        origin=Event.Origin.USER if is_user else Event.Origin.AGENT,
        metadata=parameters.an_object({} if metadata is None else metadata, (*where, "metadata")),
        occurred_at=fields.get("created_at") if occurred_at is None else occurred_at,
        client_id=fields.get("id"),
    )


def _messages(refs: dict[str, str]) -> QuerySet[Event]:
    place = places.find(**refs)
    if place is None:
        raise NotFound("Session not found or does not belong to user")
    return Event.objects.filter(session=place.session_id, kind="message")


def _find(ref: str, refs: dict[str, str]) -> Event:
    message_id = ids.decode(ref)
    found = None if message_id is None else _messages(refs).filter(pk=message_id).first()
    if found is None:
        raise NotFound("Message not found")
    return found
