"""Have what is known gone over now, not when it is due by itself."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from memory.api import auth, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.views.representations import by_of, named_subject
from reasoning import consolidation

_NOTHING = {"application/json": {"type": "object", "maxProperties": 0}}


class ConsolidationSchema(schemas.Body):
    """What becomes of it."""

    subject = schemas.AboutWhat()
    state = serializers.CharField(help_text="`waiting`, `leased` by a worker, or `held` where a budget is missing.")
    events = serializers.IntegerField(help_text="How many events are to be read before.")


class Consolidate(Endpoint):
    """Going over what is known of a user, a session or a project."""

    @schemas.describe(
        "consolidate",
        "Have what is known gone over",
        ConsolidationSchema,
        body=_NOTHING,
        query=[schemas.OBSERVER],
        writes=True,
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Have statements merged, patterns and contradictions found, in the background; takes an app's key.

        Events that wait are read first. Where something changes, a new version says so; otherwise there is none.
        """
        auth.admit_beyond_user(self.grant)
        parameters.only(self.fields(), ())
        subject = named_subject(self, refs)
        work = consolidation.ask_for(subject, by=by_of(self))
        shown = {"subject": shapes.subject(subject), "state": work.state, "events": work.waiting_events}
        return shapes.json_response(shown)
