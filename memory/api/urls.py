"""The addresses of the API under ``/v1``. None ends with a slash, and nothing redirects."""

from __future__ import annotations

from django.urls import path

from memory.api.apps_era import urls as apps_era
from memory.api.views import (
    conclusions,
    context,
    erasure,
    events,
    explanations,
    feedback,
    keys,
    representations,
    search,
    transfer,
    webhooks,
)

_APP = "v1/apps/<str:app>"
_USER = f"{_APP}/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_PROJECT = f"{_APP}/projects/<str:project>"

# In the order of how often agents ask: each address that is tried in vain takes a request's time.
urlpatterns = [
    *apps_era.by_name,
    path(f"{_SESSION}/context", context.Context.as_view()),
    path(f"{_USER}/context", context.Context.as_view()),
]
for _place in (_SESSION, _USER, _PROJECT):
    urlpatterns += [
        path(f"{_place}/events", events.Events.as_view()),
        path(f"{_place}/representation", representations.Representation.as_view()),
    ]
urlpatterns += [
    *apps_era.urlpatterns,
    path("v1/keys", keys.Keys.as_view()),
    path("v1/keys/self", keys.OwnKey.as_view()),
    path("v1/keys/<str:key>", keys.OneKey.as_view()),
    path(f"{_APP}/webhooks", webhooks.Webhooks.as_view()),
    path(f"{_APP}/webhooks/<str:webhook>", webhooks.Webhook.as_view()),
    path(f"{_APP}/webhooks/<str:webhook>/rotate", webhooks.Rotation.as_view()),
    path(f"{_APP}/webhooks/<str:webhook>/test", webhooks.Test.as_view()),
    path(f"{_APP}/webhooks/<str:webhook>/deliveries", webhooks.Deliveries.as_view()),
    path(f"{_APP}/webhooks/<str:webhook>/deliveries/<str:delivery>/replay", webhooks.Replay.as_view()),
    path(_PROJECT, erasure.OneProject.as_view()),
    path(f"{_APP}/erasures", erasure.Erasures.as_view()),
    path(f"{_APP}/erasures/<str:erasure>", erasure.OneErasure.as_view()),
    path(f"{_APP}/import", transfer.Import.as_view()),
]
urlpatterns += [path(f"{_place}/export", transfer.Export.as_view()) for _place in (_APP, _USER, _PROJECT)]
urlpatterns += [path(f"{_place}/search", search.Search.as_view()) for _place in (_APP, _SESSION, _USER, _PROJECT)]

for _place in (_SESSION, _USER, _PROJECT):
    urlpatterns += [
        path(f"{_place}/events/<str:event>", erasure.OneEvent.as_view()),
        path(f"{_place}/events/<str:event>/statements", explanations.EventStatements.as_view()),
        path(f"{_place}/conclusions", conclusions.Conclusions.as_view()),
        path(f"{_place}/conclusions/<str:conclusion>", conclusions.Conclusion.as_view()),
        path(f"{_place}/representation/versions", representations.Versions.as_view()),
        path(f"{_place}/representation/versions/<str:number>", representations.Version.as_view()),
        path(f"{_place}/representation/versions/<str:number>/kept", representations.Kept.as_view()),
        path(f"{_place}/representation/diff", explanations.Diff.as_view()),
        path(f"{_place}/representation/explain", explanations.Explain.as_view()),
        path(f"{_place}/representation/rollback", representations.Rollback.as_view()),
        path(f"{_place}/representation/feedback", feedback.Feedback.as_view()),
    ]
