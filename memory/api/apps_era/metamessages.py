"""Metamessages: notes about a user, a session or a message; by user, and by session as older clients ask for them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from memory import metamessages, tenants, validation
from memory.api import pagination, parameters
from memory.api import schemas as common
from memory.api.apps_era import ready_made, schemas, shapes, users
from memory.api.endpoint import Endpoint, Reading
from memory.api.shapes import json_response
from memory.errors import Invalid
from memory.models import Metamessage as Row
from memory.models import Session, User

_FIELDS = ("metamessage_type", "label", "content", "session_id", "message_id", "metadata")


class Metamessages(Endpoint):
    """The metamessages of a user or, with a session in the path, of that."""

    @common.describe(
        "create",
        "Make a metamessage",
        schemas.Metamessage,
        body=schemas.NewMetamessage,
        writes=True,
        sends={"metamessage_type": "mood", "content": "calm"},
    )
    def post(self, request: Request, app: str, user: str, session: str | None = None) -> HttpResponse:
        """Make a metamessage about the user, a session of theirs or a message of it."""
        fields = self.fields()
        parameters.no_typos(fields, _FIELDS)
        label = _label(fields)
        if label is None:
            raise Invalid("This field is required.", ("metamessage_type",), "missing")
        content = parameters.required(fields, "content")
        metadata = parameters.metadata(fields)
        owner = users.find(app, user)
        row = metamessages.make(
            owner, label, content, session=_session(owner, session, fields), message=_message(fields), metadata=metadata
        )
        return json_response(shapes.metamessage(row))


class MetamessageList(Reading):
    """The metamessages of a user or a session, page by page."""

    @common.describe(
        "list", "List metamessages", schemas.MetamessagePage, body=schemas.MetamessageFilter, query=common.PAGE
    )
    def post(self, request: Request, app: str, user: str, session: str | None = None) -> HttpResponse:
        """Return a page of metamessages, oldest first: all, or those of a type, a session or a message.

        Of the type `honcho_user_representation` the first is what is known of the user now.
        """
        fields = self.fields()
        owner = users.find(app, user)
        within = _session(owner, session, fields)
        label, message = _label(fields), _message(fields)
        rows = metamessages.of(owner, session=within, message=message, label=label)
        first = ready_made.of(owner, within) if label == ready_made.LABEL and message is None else []
        return pagination.page(self.http, fields, rows, shapes.metamessage, first=first)


class Metamessage(Endpoint):
    """One metamessage."""

    @common.describe("get", "Get a metamessage", schemas.Metamessage)
    def get(self, request: Request, metamessage: str, **refs: str) -> HttpResponse:
        """Return a metamessage by its id."""
        owner, within = _whose(**refs)
        row = ready_made.find(owner, within, metamessage)
        return json_response(shapes.metamessage(row or metamessages.find(_rows(owner, within), metamessage)))

    @common.describe("update", "Change a metamessage", schemas.Metamessage, body=schemas.MetamessageChange, writes=True)
    def put(self, request: Request, metamessage: str, **refs: str) -> HttpResponse:
        """Put a metamessage under another type, session or message, or replace its metadata wholly.

        What is absent or null stays. The content does not change.
        """
        fields = self.fields()
        parameters.no_typos(fields, _FIELDS)
        row = metamessages.find(_rows(*_whose(**refs)), metamessage)
        changed = metamessages.change(
            row,
            label=_label(fields),
            session=_session(row.user, None, fields),
            message=_message(fields),
            metadata=parameters.metadata(fields),
        )
        return json_response(shapes.metamessage(changed))


def _whose(app: str, user: str, session: str | None = None) -> tuple[User, Session | None]:
    """Return the user of a path, and its session where it has one."""
    owner = users.find(app, user)
    return owner, None if session is None else tenants.find_session(owner, session)


def _rows(owner: User, within: Session | None) -> QuerySet[Row]:
    return metamessages.of(owner, session=within).select_related("user", "session")


def _session(owner: User, session: str | None, fields: dict[str, Any]) -> Session | None:
    """Return the session of the path or of the body, None where there is neither."""
    ref = session or _ref(fields, "session_id")
    return None if ref is None else tenants.find_session(owner, ref)


def _message(fields: dict[str, Any]) -> str | None:
    return _ref(fields, "message_id")


def _ref(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else validation.name(value, (name,))


def _label(fields: dict[str, Any]) -> str | None:
    """Return the label, by either of its names."""
    value = fields.get("metamessage_type", fields.get("label"))
    return None if value is None else validation.text(value, ("metamessage_type",), most=50, least=1)
