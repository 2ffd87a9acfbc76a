"""Feedback: how well a version served."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from memory import feedback, ids
from memory.api import parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.parameters import MOST_VERSION
from memory.api.views.representations import named_subject


class Feedback(Endpoint):
    """What those say of a version who were served it."""

    @schemas.describe(
        "feedback",
        "Say how well a version served",
        schemas.Feedback,
        body=schemas.NewFeedback,
        query=[schemas.OBSERVER],
        writes=True,
        sends={"version": 3, "score": 1, "comment": "It knew about the invoices"},
    )
    def post(self, request: Request, **refs: str) -> HttpResponse:
        """Keep a score for a version; it counts for the prompt version that made it."""
        fields = self.fields()
        parameters.only(fields, ("version", "score", "comment"))
        version = parameters.whole_number(
            parameters.required(fields, "version"), ("version",), least=1, most=MOST_VERSION
        )
        score = parameters.required(fields, "score")
        by = "" if self.grant.key_id is None else f"key {ids.encode(self.grant.key_id)}"
        comment = fields.get("comment") or ""
        return shapes.json_response(
            shapes.feedback(feedback.add(named_subject(self, refs), version, score, comment=comment, by=by), version)
        )
