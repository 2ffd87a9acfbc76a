"""What the loop shows to the outside: metrics, health, and an app's queue."""

from __future__ import annotations

import os
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework import serializers
from rest_framework.request import Request

from memory import clock, tenants
from memory.api import schemas, shapes
from memory.api.endpoint import Endpoint
from memory.search import backlog as search_backlog
from reasoning import backlog, health, metrics


@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics for Prometheus. It asks for no key: keep the address inside, or let the proxy guard it."""
    try:
        shown = metrics.render(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    except DatabaseError:
        return HttpResponse("# The database cannot be reached.\n", status=503, content_type="text/plain")
    return HttpResponse(shown, content_type=CONTENT_TYPE_LATEST)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; nothing else is looked at."""
    return shapes.json_response({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests and events can be served, or what is wrong."""
    wrong = health.problems()
    if wrong:
        return shapes.json_response({"status": "unavailable", "problems": wrong}, 503, {"Retry-After": "5"})
    return shapes.json_response({"status": "ok"})


class QueueCounts(serializers.Serializer[Any]):
    """How much waits, of one kind of subject or of all."""

    waiting = serializers.IntegerField(help_text="Lines of reasoning that wait for a worker.")
    leased = serializers.IntegerField(help_text="Lines that a worker is at.")
    held = serializers.IntegerField(help_text="Lines that a budget, or the price of a model, is missing for.")
    parked = serializers.IntegerField(help_text="Lines that failed again and again: an operator must act.")
    events = serializers.IntegerField(help_text="Events that these lines have not read; one event may join several.")


class QueueSchema(QueueCounts):
    """What waits to be reasoned over."""

    not_taken_in = serializers.IntegerField(help_text="Events that no worker has looked at yet.")
    not_indexed = serializers.IntegerField(
        help_text="Events, statements and indexes of places that search does not have whole yet."
    )
    not_embedded = serializers.IntegerField(
        help_text="Those that wait for a vector: they are found by their words. 0 where no embeddings are configured."
    )
    oldest_seconds = serializers.FloatField(allow_null=True, help_text="Age of the oldest event that waits.")
    by_kind = serializers.DictField(child=QueueCounts())


class Queue(Endpoint):
    """What waits to be reasoned over in an app."""

    @schemas.describe("get", "What waits to be reasoned over", QueueSchema)
    def get(self, request: Request, app: str) -> HttpResponse:
        """Return how much waits, is being worked on, is held or is parked, in all and by kind of subject.

        Where `waiting`, `leased`, `not_taken_in`, `not_indexed` and `not_embedded` are 0, everything that was written
        has been reasoned over and is found, by words and by meaning.
        """
        app_id = tenants.find_app(app).pk
        found, search = backlog.of_app(app_id), search_backlog.of_app(app_id)
        kinds = sorted({group.kind for group in found.groups})
        oldest = found.oldest
        return shapes.json_response(
            {
                **_counted(found, kinds),
                "not_taken_in": found.new_events,
                "not_indexed": search.not_indexed,
                "not_embedded": search.not_embedded,
                "oldest_seconds": oldest and round((clock.now() - oldest).total_seconds(), 3),
                "by_kind": {kind: _counted(found, [kind]) for kind in kinds},
            }
        )


def _counted(found: backlog.Backlog, kinds: list[str]) -> dict[str, int]:
    """Return lines by state, and events, of some kinds of subject."""
    counted = {"waiting": 0, "leased": 0, "held": 0, "parked": 0, "events": 0}
    for group in found.groups:
        if group.kind in kinds:
            counted[group.state] += group.lines
            counted["events"] += group.events
    return counted
