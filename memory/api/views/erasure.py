"""Erasing for good, with a dry run and a receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.request import Request

from memory import ids, places, tenants
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.erasure import act, scope
from memory.errors import Invalid, NotFound
from memory.keys import Grant
from memory.models import App, Erasure, Event, Project, Session, User

F = TypeVar("F", bound=Callable[..., Any])

_QUERY = (
    schemas.parameter("dry_run", bool, "Count what would go, and change nothing.", default=False),
    schemas.parameter(
        "reason",
        {"type": "string", "maxLength": act.REASON_LENGTH},
        "Why. It is kept with the receipt: leave out names.",
    ),
)


class Subjects(serializers.Serializer[Any]):
    """What became of what was known."""

    unreadable = serializers.IntegerField(help_text="Subjects that lost what was known of them, at once.")
    rebuilding = serializers.IntegerField(help_text="Subjects that stay and are reasoned over again.")


class Receipt(serializers.Serializer[Any]):
    """What an erasure took, or would take. It holds no content and no name."""

    id = serializers.CharField(allow_null=True, help_text="Null for a dry run.")
    dry_run = serializers.BooleanField()
    what = serializers.ChoiceField(choices=Erasure.What.choices)
    target = serializers.CharField(help_text="The id of what was erased.")
    erased = serializers.DictField(child=serializers.IntegerField(), help_text="How many rows went, by what they are.")
    subjects = Subjects()
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    vacuumed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the dead rows had left tables and indexes too."
    )


ReceiptCursorPage = schemas.cursor_page_of(Receipt)

ENDED_OR_ERASED = PolymorphicProxySerializer(
    component_name="EndedOrErased",
    serializers=[schemas.Ended, Receipt],
    resource_type_field_name=None,
    many=False,
)
SESSION_QUERY = (
    schemas.parameter(
        "erase", bool, "Erase the session and all that was made of it; else it only ends.", default=False
    ),
    *_QUERY,
)


def _describe(summary: str) -> Callable[[F], F]:
    return schemas.describe("erase", summary, Receipt, query=_QUERY, writes=True)


class OneEvent(Endpoint):
    """One event of the log, which can be erased."""

    @_describe("Erase an event, and all that was made of it")
    def delete(self, request: Request, event: str, **refs: str) -> HttpResponse:
        """Erase an event. What may know of it cannot be read from now on, and is made again without it.

        A key of a user or session erases what is in its own sessions, and what its user said elsewhere.
        """
        place = places.find(**refs)
        if place is None:
            raise NotFound("There is no such user, session or project in this app")
        found = scope.find_event(place, event)
        if not _owns(self.grant, found):
            raise auth.out_of_scope()
        return answer(self, found)


class OneProject(Endpoint):
    """One project, which can be erased."""

    @_describe("Erase a project, its sessions and events, and all that was made of them")
    def delete(self, request: Request, app: str, project: str) -> HttpResponse:
        """Erase a project with its sessions and all that was said in it; takes an app's or an operator's key."""
        auth.admit_beyond_user(self.grant)
        return answer(self, tenants.find_project(tenants.find_app(app).pk, project))


class ErasesUser(Endpoint):
    """A user that can be erased."""

    @_describe("Erase a user, what they said and all that was made of it")
    def delete(self, request: Request, app: str, user: str) -> HttpResponse:
        """Erase a person: their sessions, what they said anywhere, what was concluded of them, and the user.

        What others said in sessions of others stays.
        """
        return answer(self, tenants.find_user(tenants.find_app(app).pk, user))


class ErasesApp(Endpoint):
    """An app that can be erased."""

    @_describe("Erase an app with everything in it")
    def delete(self, request: Request, app: str) -> HttpResponse:
        """Erase an app with everything in it, prompts and spending included; takes an operator's key."""
        auth.admit_operator(self.grant)
        return answer(self, tenants.find_app(app))


class Erasures(Endpoint):
    """The receipts of an app."""

    @schemas.describe("list", "Receipts of what was erased, newest first", ReceiptCursorPage, query=schemas.CURSORS)
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return a page of receipts, newest first; takes an app's or an operator's key.

        An operator's key gets those of an app that is gone too, by the app's id.
        """
        size = pagination.limit(self.http)
        before = pagination.id_cursor(self.http)
        found = act.receipts(self._app_id(app), before=before, limit=size + 1)
        return shapes.json_response(pagination.cursor_page(found, size, shape, lambda row: row.public_id))

    def _app_id(self, app: str) -> Any:
        auth.admit_beyond_user(self.grant)
        try:
            return tenants.find_app(app).pk
        except NotFound:
            app_id = ids.decode(app)
            if app_id is None or not auth.is_operator(self.grant) or not act.receipts(app_id, limit=1):
                raise
            return app_id


class OneErasure(Erasures):
    """One receipt."""

    @schemas.describe("get", "One receipt", Receipt)
    def get(self, request: Request, app: str, erasure: str = "") -> HttpResponse:
        """Return a receipt; takes an app's or an operator's key."""
        return shapes.json_response(shape(act.receipt(self._app_id(app), ids.decode(erasure))))


def erase_session(view: Endpoint, session: Session) -> HttpResponse:
    """Erase a session for a key that owns it, and answer with the receipt."""
    if not auth.opens_app(view.grant) and session.owner_id != view.grant.user_id:
        raise auth.out_of_scope()
    return answer(view, session)


def answer(view: Endpoint, thing: Event | Session | User | Project | App) -> HttpResponse:
    """Erase it, or count what would go where that is asked, and answer with the receipt."""
    dry_run = parameters.query_boolean(view.http, "dry_run")
    reason = parameters.query_text(view.http, "reason", most=act.REASON_LENGTH) or ""
    if dry_run:
        return shapes.json_response(planned(act.plan(thing), reason))
    by = "" if view.grant.key_id is None else f"key {ids.encode(view.grant.key_id)}"
    try:
        return shapes.json_response(shape(act.erase(thing, reason=reason, by=by)))
    except Invalid as error:
        raise InvalidParameter("query", "reason", error.message, error.kind) from None


def shape(row: Erasure) -> shapes.Shape:
    """Return a receipt as the API shows it."""
    return {
        "id": row.public_id,
        "dry_run": False,
        "what": row.what,
        "target": ids.encode(row.target),
        "erased": row.counts,
        "subjects": {"unreadable": row.unreadable, "rebuilding": row.rebuilding},
        "by": row.by,
        "reason": row.reason,
        "created_at": shapes.moment(row.created_at),
        "vacuumed_at": shapes.moment(row.vacuumed_at),
    }


def planned(plan: act.Plan, reason: str) -> shapes.Shape:
    """Return what an erasure would take as the API shows it."""
    return {
        "id": None,
        "dry_run": True,
        "what": plan.scope.what,
        "target": ids.encode(plan.scope.target),
        "erased": plan.counts,
        "subjects": {"unreadable": plan.unreadable, "rebuilding": plan.rebuilding},
        "by": "",
        "reason": reason,
        "created_at": None,
        "vacuumed_at": None,
    }


def _owns(grant: Grant, event: Event) -> bool:
    if auth.opens_app(grant) or event.author_id == grant.user_id:
        return True
    return (event.session.owner_id if event.session else event.user_id) == grant.user_id
