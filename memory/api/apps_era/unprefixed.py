"""What 0.0.8 to 0.0.14 send: addresses without ``/v1``, and each list a GET on what it lists, its filter in the query.

A site that has no addresses of its own under ``apps/`` includes these too; they are no part of the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.functional import cached_property
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from memory.api.apps_era import apps, collections, documents, messages, metamessages, sessions, users
from memory.api.apps_era.queries import body_from_query
from memory.api.endpoint import Endpoint, Reading

_FILTERS = ("filter", "is_active", "message_id", "metamessage_type")


def either(lists: type[Reading], makes: type[Endpoint]) -> Callable[..., Any]:
    """Return a view that lists on GET, where newer clients POST to ``…/list``, and makes on POST."""

    class Listed(lists):  # type: ignore[valid-type, misc]
        @cached_property
        def body(self) -> Any:
            return body_from_query(self.http, _FILTERS)

        def get(self, request: Request, **refs: str) -> HttpResponse:
            answer: HttpResponse = self.post(request, **refs)
            return answer

    listing, making = Listed.as_view(), makes.as_view()

    @csrf_exempt
    @transaction.non_atomic_requests
    def view(request: HttpRequest, **refs: str) -> Any:
        return (making if request.method == "POST" else listing)(request, **refs)

    return view


def only(one: type[Endpoint]) -> Callable[..., Any]:
    """Return a view that answers as it does under ``/v1``, and is not told of in the schema."""
    view: Callable[..., Any] = one.as_view(schema=None)
    return view


_APP = "apps/<str:app>"
_USER = f"{_APP}/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_COLLECTION = f"{_USER}/collections/<str:collection>"

urlpatterns = [
    path("apps", only(apps.Apps)),
    path("apps/name/<str:app>", only(apps.AppByName)),
    path("apps/get_or_create/<str:app>", only(apps.AppGetOrCreate)),
    path(_APP, only(apps.OneApp)),
    path(f"{_APP}/users", either(users.UserList, users.Users)),
    path(f"{_APP}/users/name/<str:user>", only(users.UserByName)),
    path(f"{_APP}/users/get_or_create/<str:user>", only(users.UserGetOrCreate)),
    path(_USER, only(users.OneUser)),
    path(f"{_USER}/sessions", either(sessions.SessionList, sessions.Sessions)),
    path(_SESSION, only(sessions.OneSession)),
    path(f"{_SESSION}/messages", either(messages.MessageList, messages.Messages)),
    path(f"{_SESSION}/messages/<str:message>", only(messages.Message)),
    path(f"{_SESSION}/metamessages", either(metamessages.MetamessageList, metamessages.Metamessages)),
    path(f"{_SESSION}/metamessages/<str:metamessage>", only(metamessages.Metamessage)),
    path(f"{_USER}/collections", either(collections.CollectionList, collections.Collections)),
    path(f"{_USER}/collections/name/<str:collection>", only(collections.CollectionByName)),
    path(_COLLECTION, only(collections.OneCollection)),
    path(f"{_COLLECTION}/query", only(documents.DocumentQuery)),
    path(f"{_COLLECTION}/documents", either(documents.DocumentList, documents.Documents)),
    path(f"{_COLLECTION}/documents/<str:document>", only(documents.Document)),
]
