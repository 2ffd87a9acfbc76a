"""Keys over the API: made and shown once, listed, revoked. Operators make every key, an app's key those of its app.

The clients of the apps era make a key with parameters in the query and no body; they read ``key`` alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from memory import ids, keys, tenants, validation
from memory.api import auth, pagination, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.errors import Invalid, NotFound
from memory.models import ApiKey

_PARTS = ("app", "user", "session", "project", "collection")
_FIELDS = ("name", "scope", *_PARTS, "access", "expires_at", "rate_per_minute")
_ACCESS = ("write", "read")


class NewKeySchema(serializers.Serializer[Any]):
    """A key to make: what it opens, and how."""

    name = serializers.CharField(required=False, max_length=keys.NAME_LENGTH, help_text="What it is for.")
    scope = serializers.ChoiceField(ApiKey.Scope.values)
    app = serializers.CharField(required=False, help_text="Id or name; default: the app of the key that asks.")
    user = serializers.CharField(required=False, help_text="Id or name, for scope user, session or collection.")
    session = serializers.CharField(required=False, help_text="Id or name of a session of the user's.")
    project = serializers.CharField(required=False, help_text="Id or name.")
    collection = serializers.CharField(required=False, help_text="Id or name of a collection of the user's.")
    access = serializers.ChoiceField(_ACCESS, default="write")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    rate_per_minute = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=keys.MOST_A_MINUTE,
        help_text="How many requests it may make a minute; null: what the server says of keys that say nothing.",
    )


class KeySchema(serializers.Serializer[Any]):
    """A key, without the key itself."""

    id = serializers.CharField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(ApiKey.Scope.values)
    app_id = serializers.CharField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    project_id = serializers.CharField(allow_null=True)
    collection_id = serializers.CharField(allow_null=True)
    access = serializers.ChoiceField(_ACCESS)
    prefix = serializers.CharField(help_text="How the key begins.")
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    rate_per_minute = serializers.IntegerField(allow_null=True)
    created_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class MadeKeySchema(KeySchema):
    """A key that was just made."""

    key = serializers.CharField(help_text="The key itself. It is shown this once; only its hash is kept.")


_OF_THE_APPS_ERA = tuple(
    schemas.parameter(name, kind, text)
    for name, kind, text in (
        ("app_id", str, "Without a body: the app that the key opens, or in which what it opens lies."),
        ("user_id", str, "Without a body: the user that it opens."),
        ("session_id", str, "Without a body: the session of the user that it opens."),
        ("collection_id", str, "Without a body: the collection of the user that it opens."),
        ("expires_at", {"type": "string", "format": "date-time"}, "Without a body: until when it holds."),
    )
)


class Keys(Endpoint):
    """The keys that one may know of; and new ones."""

    shown_once = "key"

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return the things that the new key shall open, or of what keys are listed."""
        if not auth.opens_app(self.grant):
            raise auth.out_of_scope()
        if self.http.method == "POST":
            named = self._asked
        else:
            app = parameters.query_name(self.http, "app")
            named = {} if app is None else {"app": app}
        if "app" not in named and not auth.is_operator(self.grant):
            named["app"] = auth.claim(self.grant, "app")
        return named

    @property
    def _asked(self) -> dict[str, str]:
        """Return what the new key shall name, by name or id."""
        if self._in_query:
            asked = {part: parameters.query_name(self.http, f"{part}_id") for part in _PARTS}
        else:
            fields = self.fields()
            asked = {part: _name(fields, part) for part in _PARTS}
        return {part: ref for part, ref in asked.items() if ref is not None}

    @property
    def _in_query(self) -> bool:
        return self.body is None

    @schemas.describe(
        "create",
        "Make a key",
        MadeKeySchema,
        body=NewKeySchema,
        query=_OF_THE_APPS_ERA,
        writes=True,
        sends={"name": "invoice bot", "scope": "user", "app": "my-app", "user": "user-123", "rate_per_minute": 600},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Make a key and show it, this once.

        An operator's key makes all keys, an app's key those of its app and of what lies beneath; a key made by another
        holds no longer and may do no more than that. What the new key names is made if it is missing.
        """
        fields = self.fields()
        if self._in_query:
            scope = _narrowest(refs)
            fields = {"expires_at": parameters.query_moment(self.http, "expires_at")}
        else:
            parameters.only(fields, _FIELDS)
            scope = parameters.required(fields, "scope")
        if not isinstance(scope, str) or scope not in keys.PATHS:
            raise Invalid(f"Use one of {', '.join(ApiKey.Scope.values)}.", ("scope",), "enum")
        if scope == ApiKey.Scope.OPERATOR:
            auth.admit_operator(self.grant)
        expires_at, rate = keys.within(self.grant, _until(fields), _rate(fields))
        with transaction.atomic():
            row, key = keys.create(
                fields.get("name") or f"{scope} key",
                scope,
                **self._things(scope, refs),
                read_only=_access(fields) == "read",
                expires_at=expires_at,
                rate_per_minute=rate,
                created_by=auth.author_of(self.grant),
            )
        return shapes.json_response(_shape(row) | {"key": key}, headers={"Cache-Control": "no-store"})

    def _things(self, scope: str, refs: dict[str, str]) -> dict[str, Any]:
        """Return the rows that the new key names; what is wrong with them is told of where they were named."""
        try:
            return keys.things(scope, refs, may_create_app=self.may_create_app)
        except Invalid as error:
            if self._in_query and error.where:
                raise InvalidParameter("query", f"{error.where[0]}_id", error.message, error.kind) from None
            raise

    @schemas.describe(
        "list",
        "The keys, newest first",
        schemas.cursor_page_of(KeySchema),
        query=(
            schemas.parameter("app", str, "Only keys of this app, by id or name; an app's key sees its own alone."),
            schemas.CURSOR,
            schemas.parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "How many.", default=50),
        ),
    )
    def get(self, request: Request, app: str | None = None) -> HttpResponse:
        """Return a page of keys, without what opens anything; revoked and expired ones too."""
        size = pagination.limit(self.http)
        rows = keys.seen_by(self.grant).order_by("-pk")
        if app is not None:
            rows = rows.filter(app=tenants.find_app(app))
        if cursor := pagination.id_cursor(self.http):
            rows = rows.filter(pk__lt=cursor)
        page = pagination.cursor_page(list(rows[: size + 1]), size, _shape, lambda row: row.public_id)
        return shapes.json_response(page)


class OneKey(Endpoint):
    """One key."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return what the path names, and the app of an app's key."""
        if not auth.opens_app(self.grant):
            raise auth.out_of_scope()
        return kwargs if auth.is_operator(self.grant) else kwargs | {"app": auth.claim(self.grant, "app")}

    @schemas.describe("get", "One key", KeySchema)
    def get(self, request: Request, key: str, app: str | None = None) -> HttpResponse:
        """Return a key, without what opens anything."""
        return shapes.json_response(_shape(keys.find(self.grant, key)))

    @schemas.describe("revoke", "End a key", KeySchema, writes=True)
    def delete(self, request: Request, key: str, app: str | None = None) -> HttpResponse:
        """End a key for good: nothing is opened with it any more, a few seconds from now at the latest."""
        keys.revoke(keys.find(self.grant, key), by=auth.author_of(self.grant))
        return shapes.json_response(_shape(keys.find(self.grant, key)))


class OwnKey(Endpoint):
    """The key that asks."""

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return what the key itself is for: every key may know of itself."""
        return auth.own_path(self.grant)

    @schemas.describe("self", "The key that asks", KeySchema)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return the key with which the request comes: what it opens, and until when."""
        if self.grant.key_id is None:
            raise NotFound("This server asks for no keys")
        return shapes.json_response(_shape(ApiKey.objects.get(pk=self.grant.key_id)))


def _name(fields: dict[str, Any], part: str) -> str | None:
    value = fields.get(part)
    return None if value is None else validation.name(value, (part,))


def _narrowest(refs: dict[str, str]) -> str:
    """Return the scope of a key of the apps era: the narrowest thing that it names."""
    for scope in ("session", "collection", "user", "app"):
        if scope in refs:
            return scope
    raise Invalid(
        "Say what the key shall open: send a body with a scope, or app_id in the query.", ("scope",), "missing"
    )


def _access(fields: dict[str, Any]) -> str:
    access = fields.get("access") or "write"
    if access not in _ACCESS:
        raise Invalid(f"Use {' or '.join(_ACCESS)}.", ("access",), "enum")
    return str(access)


def _until(fields: dict[str, Any]) -> datetime | None:
    value = fields.get("expires_at")
    if value is None:
        return None
    until = validation.moment(value, ("expires_at",))
    if until <= timezone.now():
        raise Invalid("This lies in the past.", ("expires_at",), "datetime_past")
    return until


def _rate(fields: dict[str, Any]) -> int | None:
    value = fields.get("rate_per_minute")
    where = ("rate_per_minute",)
    return None if value is None else parameters.whole_number(value, where, least=1, most=keys.MOST_A_MINUTE)


def _public(value: UUID | None) -> str | None:
    return None if value is None else ids.encode(value)


def _shape(row: ApiKey) -> shapes.Shape:
    """Return a key, without the key itself."""
    return {
        "id": row.public_id,
        "name": row.name,
        "scope": row.scope,
        **{f"{part}_id": _public(getattr(row, f"{part}_id")) for part in _PARTS},
        "access": "read" if row.read_only else "write",
        "prefix": row.prefix,
        "expires_at": shapes.moment(row.expires_at),
        "last_used_at": shapes.moment(row.last_used_at),
        "revoked_at": shapes.moment(row.revoked_at),
        "rate_per_minute": row.rate_per_minute,
        "created_by": row.created_by,
        "created_at": shapes.moment(row.created_at),
    }
