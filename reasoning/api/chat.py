"""Chat as clients of the apps era know it: questions to memory about a session's user, answered by bare text."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from memory import validation
from memory.api import parameters, schemas, shapes
from memory.api.endpoint import Reading
from memory.errors import Invalid
from reasoning.answering.answers import Question
from reasoning.answering.evidence import About
from reasoning.answering.levels import DEFAULT, LEVELS
from reasoning.api import answering

LONGEST = 10_000
MOST_QUERIES = 25

_TEXTS = {
    "oneOf": [
        {"type": "string", "minLength": 1, "maxLength": LONGEST},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_QUERIES,
            "items": {"type": "string", "minLength": 1, "maxLength": LONGEST},
        },
    ]
}


@extend_schema_field(_TEXTS)
class _QueriesField(serializers.JSONField):
    """One question, or several."""


class ChatBody(schemas.Body):
    """What is asked."""

    queries = _QueriesField()
    stream = serializers.BooleanField(default=False, help_text="Answer with the bare text, as it is written.")


class ChatAnswer(schemas.Body):
    """What memory says."""

    content = serializers.CharField()


_BARE = "The answer's text as it is written, bare: no events, no frame."
_SENDS = {"queries": "What does the user want to automate?"}


class Chat(Reading):
    """Questions in a session."""

    @schemas.describe(
        "chat", "Ask memory, as clients of the apps era do", ChatAnswer, body=ChatBody,
        refuses=answering.REFUSES, sends=_SENDS, streams=_BARE,
    )  # fmt: skip
    def post(self, request: Request, app: str, user: str, session: str) -> HttpResponse | StreamingHttpResponse:
        """Answer from what is known of the user and the session; with `stream`, as bare text without any frame."""
        fields = self.fields()
        stream = parameters.boolean(fields.get("stream") or False, ("stream",))
        return _answer(About(app, user, session), _asked(fields), stream=stream)


class ChatStream(Reading):
    """Questions in a session, answered as they are written."""

    @schemas.describe(
        "stream", "Ask memory, as the oldest clients of the apps era do", None,
        body=ChatBody, refuses=answering.REFUSES, sends=_SENDS, streams=_BARE,
    )  # fmt: skip
    def post(self, request: Request, app: str, user: str, session: str) -> StreamingHttpResponse | HttpResponse:
        """Answer with the bare text as it is written, without any frame."""
        return _answer(About(app, user, session), _asked(self.fields()), stream=True)


def _asked(fields: dict[str, Any]) -> str:
    """Return what is asked; several questions are one text, a line each."""
    given = parameters.required(fields, "queries")
    queries = given if isinstance(given, list) else [given]
    if not 1 <= len(queries) <= MOST_QUERIES:
        raise Invalid(f"Give 1 to {MOST_QUERIES} questions.", ("queries",), "too_long")
    wheres: list[tuple[str | int, ...]] = (
        [("queries", place) for place in range(len(queries))] if isinstance(given, list) else [("queries",)]
    )
    return "\n".join(
        validation.text(query, where, most=LONGEST, least=1) for query, where in zip(queries, wheres, strict=True)
    )


def _answer(about: About, text: str, *, stream: bool) -> HttpResponse | StreamingHttpResponse:
    question = Question(about, text, LEVELS[DEFAULT], stream)
    if stream:
        return answering.raw(question)
    return shapes.json_response({"content": answering.whole(question).text})
