"""The addresses of the API under ``/v1``. None ends with a slash, and nothing redirects."""

from __future__ import annotations

from django.urls import path

from memory.api.views import (
    apps,
    conclusions,
    context,
    events,
    explanations,
    feedback,
    messages,
    representations,
    sessions,
    users,
)

_APP = "v1/apps/<str:app>"
_USER = f"{_APP}/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_PROJECT = f"{_APP}/projects/<str:project>"

urlpatterns = [
    path("v1/apps", apps.Apps.as_view()),
    path("v1/apps/list", apps.AppList.as_view()),
    path("v1/apps/name/<str:app>", apps.AppByName.as_view()),
    path("v1/apps/get_or_create/<str:app>", apps.AppGetOrCreate.as_view()),
    path(_APP, apps.OneApp.as_view()),
    path(f"{_APP}/users", users.Users.as_view()),
    path(f"{_APP}/users/list", users.UserList.as_view()),
    path(f"{_APP}/users/name/<str:user>", users.UserByName.as_view()),
    path(f"{_APP}/users/get_or_create/<str:user>", users.UserGetOrCreate.as_view()),
    path(_USER, users.OneUser.as_view()),
    path(f"{_USER}/sessions", sessions.Sessions.as_view()),
    path(f"{_USER}/sessions/list", sessions.SessionList.as_view()),
    path(f"{_USER}/sessions/name/<str:session>", sessions.SessionByName.as_view()),
    path(f"{_USER}/sessions/get_or_create/<str:session>", sessions.SessionGetOrCreate.as_view()),
    path(_SESSION, sessions.OneSession.as_view()),
    path(f"{_SESSION}/messages", messages.Messages.as_view()),
    path(f"{_SESSION}/messages/batch", messages.MessageBatch.as_view()),
    path(f"{_SESSION}/messages/list", messages.MessageList.as_view()),
    path(f"{_SESSION}/messages/<str:message>", messages.Message.as_view()),
    path(f"{_SESSION}/context", context.Context.as_view()),
    path(f"{_USER}/context", context.Context.as_view()),
]

for _place in (_SESSION, _USER, _PROJECT):
    urlpatterns += [
        path(f"{_place}/events", events.Events.as_view()),
        path(f"{_place}/events/<str:event>/statements", explanations.EventStatements.as_view()),
        path(f"{_place}/conclusions", conclusions.Conclusions.as_view()),
        path(f"{_place}/conclusions/<str:conclusion>", conclusions.Conclusion.as_view()),
        path(f"{_place}/representation", representations.Representation.as_view()),
        path(f"{_place}/representation/versions", representations.Versions.as_view()),
        path(f"{_place}/representation/versions/<str:number>", representations.Version.as_view()),
        path(f"{_place}/representation/versions/<str:number>/kept", representations.Kept.as_view()),
        path(f"{_place}/representation/diff", explanations.Diff.as_view()),
        path(f"{_place}/representation/explain", explanations.Explain.as_view()),
        path(f"{_place}/representation/rollback", representations.Rollback.as_view()),
        path(f"{_place}/representation/feedback", feedback.Feedback.as_view()),
    ]
