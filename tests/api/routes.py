"""Every route of the API, and something for each to name."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from memory.models import Collection, Document, Erasure, Metamessage, WebhookEndpoint
from memory.webhooks import endpoints as webhooks
from reasoning import prompt_versions
from reasoning.experiments import lifecycle
from reasoning.models import Rollback
from reasoning.reprocessing import lifecycle as reprocessing
from tests.api.conftest import publish
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory

NAMES = {
    "app": "tenant", "user": "ann", "session": "talk", "project": "work", "number": "1", "experiment": "tone",
    "prompt": "user-1", "kind": "user", "label": "candidate", "collection": "papers",
}  # fmt: skip

Route = tuple[str, str]


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern)
        else:
            yield pattern


def _routes() -> Iterator[Route]:
    """Return (method, pattern) of every route under ``/v1``, so that a new one is tested as soon as it is there."""
    for pattern in _patterns(get_resolver()):
        route = str(pattern.pattern)
        view = getattr(pattern.callback, "view_class", None)
        if route.startswith("v1/") and view is not None:
            for method in ("get", "post", "put", "patch", "delete"):
                if hasattr(view, method) and method in view.http_method_names:
                    yield method.upper(), re.sub(r"<str:(\w+)>", r"{\1}", f"/{route}")


ROUTES = sorted(set(_routes()))
WITH_BODY = [
    route
    for route in ROUTES
    if route[0] in ("POST", "PUT", "PATCH") and not route[1].endswith(("/import", "/rotate", "/test", "/replay"))
]
"""Those that take JSON: an import takes lines, and some take nothing."""


def parts_of(route: Route) -> list[str]:
    """What a route's path names."""
    return re.findall(r"{(\w+)}", route[1])


def named(route: Route) -> str:
    """Return a route for pytest to show."""
    return f"{route[0]} {route[1]}"


@pytest.fixture
def names(db: None) -> dict[str, str]:
    """Everything that a path can name, made."""
    app = AppFactory(name="tenant")
    session = SessionFactory(owner=UserFactory(app=app, name="ann"), name="talk")
    event = EventFactory(session=session, content="A secret.")
    things: list[Any] = [session, session.owner, ProjectFactory(app=app, name="work")]
    conclusions = {}
    for thing in things:
        version = publish(thing, ["Something stands."], now="Something.")
        [stands] = version.subject.conclusions.all()
        conclusions[f"{version.subject.kind}'s conclusion"] = stands.public_id
    candidate = prompt_versions.create("user", "Know {subject}.", message="Short", app=app)
    lifecycle.create("user", "tone", [lifecycle.Candidate(candidate)], app=app)
    webhook = WebhookEndpoint.objects.create(
        app=app, url="https://a.example/", events=["pass.parked"], secret="whsec_x"
    )
    delivery = webhooks.test(webhook)
    papers = Collection.objects.create(app=app, user=session.owner, name="papers")
    return {
        **NAMES,
        **conclusions,
        "message": event.public_id,
        "event": event.public_id,
        "reprocess": reprocessing.create(candidate, app=app, reason="To see").public_id,
        "rollback": Rollback.objects.create(app=app, prompt_version=candidate, reason="It was worse").public_id,
        "document": Document.objects.create(app=app, collection=papers, content="A paper.").public_id,
        "metamessage": Metamessage.objects.create(
            app=app, user=session.owner, session=session, label="mood", content="Glad."
        ).public_id,
        "key": ApiKeyFactory(app=app).public_id,
        "webhook": webhook.public_id,
        "delivery": delivery.public_id,
        "erasure": Erasure.objects.create(app=app.pk, what="event", target=app.pk).public_id,
    }


def path(route: Route, names: dict[str, str], **changed: str) -> str:
    """Return a route's path, with a query where the route needs one to name its thing."""
    place = next((part for part in ("session", "project") if f"{{{part}}}" in route[1]), "user")
    values = {"conclusion": names[f"{place}'s conclusion"], **names, **changed}
    filled = route[1].format(**{key: quote(value, safe="%") for key, value in values.items()})
    asked = WITH_QUERY.get(route[1])
    if route[0] == "GET" and asked is not None:
        filled += f"?{asked}_id={quote(values[asked], safe='%')}"
    if route[1].endswith("/explain"):
        filled += "?conclusion=Something"
    if route[0] == "GET" and route[1].endswith("/documents/query"):
        filled += "?query=x"
    if route[1].endswith("/prompts/{prompt}/diff"):
        filled += "?to=site-user-1"
    return filled


WITH_QUERY = {
    "/v1/apps": "app",
    "/v1/apps/{app}/users": "user",
    "/v1/apps/{app}/users/{user}/sessions": "session",
    "/v1/apps/{app}/users/{user}/collections": "collection",
}
"""Addresses whose GET names one thing in the query, or else the key's own."""
