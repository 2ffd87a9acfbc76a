"""What a client of the apps era can send, in 0.1.0 and 0.2.0 and as 0.0.15 to 0.0.19 did."""

from __future__ import annotations

from django.urls import path

from memory.api.apps_era import apps, collections, documents, messages, metamessages, sessions, users

_APP = "v1/apps/<str:app>"
_USER = f"{_APP}/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_COLLECTION = f"{_USER}/collections/<str:collection>"

# To be looked for before any address that would take "name" for somebody's name.
by_name = [
    path("v1/apps/name/<str:app>", apps.AppByName.as_view()),
    path("v1/apps/get_or_create/<str:app>", apps.AppGetOrCreate.as_view()),
    path(f"{_APP}/users/name/<str:user>", users.UserByName.as_view()),
    path(f"{_APP}/users/get_or_create/<str:user>", users.UserGetOrCreate.as_view()),
    path(f"{_USER}/sessions/name/<str:session>", sessions.SessionByName.as_view()),
    path(f"{_USER}/sessions/get_or_create/<str:session>", sessions.SessionGetOrCreate.as_view()),
    path(f"{_USER}/collections/name/<str:collection>", collections.CollectionByName.as_view()),
]
urlpatterns = [
    path(f"{_SESSION}/messages", messages.Messages.as_view()),
    path(f"{_SESSION}/messages/batch", messages.MessageBatch.as_view()),
    path(f"{_SESSION}/messages/list", messages.MessageList.as_view()),
    path(f"{_SESSION}/messages/<str:message>", messages.Message.as_view()),
    path("v1/apps", apps.Apps.as_view()),
    path("v1/apps/list", apps.AppList.as_view()),
    path(_APP, apps.OneApp.as_view()),
    path(f"{_APP}/users", users.Users.as_view()),
    path(f"{_APP}/users/list", users.UserList.as_view()),
    path(_USER, users.OneUser.as_view()),
    path(f"{_USER}/sessions", sessions.Sessions.as_view()),
    path(f"{_USER}/sessions/list", sessions.SessionList.as_view()),
    path(_SESSION, sessions.OneSession.as_view()),
    path(f"{_SESSION}/clone", sessions.Clone.as_view()),
    path(f"{_USER}/collections", collections.Collections.as_view()),
    path(f"{_USER}/collections/list", collections.CollectionList.as_view()),
    path(_COLLECTION, collections.OneCollection.as_view()),
    path(f"{_COLLECTION}/documents", documents.Documents.as_view()),
    path(f"{_COLLECTION}/documents/list", documents.DocumentList.as_view()),
    path(f"{_COLLECTION}/documents/query", documents.DocumentQuery.as_view()),
    path(f"{_COLLECTION}/documents/<str:document>", documents.Document.as_view()),
]

for _place in (_USER, _SESSION):  # of a session: as 0.0.15 to 0.0.19 ask for them
    urlpatterns += [
        path(f"{_place}/metamessages", metamessages.Metamessages.as_view()),
        path(f"{_place}/metamessages/list", metamessages.MetamessageList.as_view()),
        path(f"{_place}/metamessages/<str:metamessage>", metamessages.Metamessage.as_view()),
    ]
