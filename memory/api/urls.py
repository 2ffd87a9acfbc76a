"""The addresses of the API under ``/v1``. None ends with a slash, and nothing redirects."""

from __future__ import annotations

from django.urls import path

from memory.api.views import context, events, messages

_APP = "v1/apps/<str:app>"
_USER = f"{_APP}/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_PROJECT = f"{_APP}/projects/<str:project>"

urlpatterns = [
    path(f"{_SESSION}/messages", messages.Messages.as_view()),
    path(f"{_SESSION}/messages/batch", messages.MessageBatch.as_view()),
    path(f"{_SESSION}/messages/list", messages.MessageList.as_view()),
    path(f"{_SESSION}/messages/<str:message>", messages.Message.as_view()),
    path(f"{_SESSION}/events", events.Events.as_view()),
    path(f"{_USER}/events", events.Events.as_view()),
    path(f"{_PROJECT}/events", events.Events.as_view()),
    path(f"{_SESSION}/context", context.Context.as_view()),
    path(f"{_USER}/context", context.Context.as_view()),
]
