"""Questions to memory about a user, a session or a project: recalled without a model, or answered by one."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from memory import ids, search, validation, waiting
from memory.api import parameters, schemas, shapes
from memory.api.endpoint import Reading
from memory.errors import Invalid
from reasoning import metrics
from reasoning.answering import evidence
from reasoning.answering.answers import Answer, Question
from reasoning.answering.evidence import About, Standing
from reasoning.answering.levels import DEFAULT, LEVELS
from reasoning.api import answering

LONGEST = 10_000
MOST_TOKENS = 100_000
_TOKENS = 1_000
_FIELDS = ("query", "session", "mode", "tokens", "asked_at", "level", "stream")
MODES = (RECALL, REASON) = ("recall", "reason")
_TYPES = (evidence.EVENT, evidence.CONCLUSION)


class QueryBody(schemas.Body):
    """What is asked."""

    query = serializers.CharField(min_length=1, max_length=LONGEST)
    session = serializers.CharField(
        required=False, allow_null=True, help_text="Id or name of a session of the user, to look there too."
    )
    mode = serializers.ChoiceField(
        MODES, default=RECALL, help_text="`recall` gives what bears on the question, `reason` an answer."
    )
    tokens = serializers.IntegerField(
        min_value=1, max_value=MOST_TOKENS, default=_TOKENS, help_text="The most tokens of `context` (`recall`)."
    )
    asked_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When it was asked, for words like `yesterday` (`recall`). Default: now.",
    )
    level = serializers.ChoiceField(list(LEVELS), default=DEFAULT, help_text="How deep an answer goes (`reason`).")
    stream = serializers.BooleanField(default=False, help_text="Send the answer as it is written (`reason`).")


@extend_schema_field({"type": "string", "const": RECALL})
class _RecallField(serializers.CharField):
    """The mode of what is recalled."""


@extend_schema_field({"type": "string", "const": REASON})
class _ReasonField(serializers.CharField):
    """The mode of an answer."""


class RecalledItem(schemas.Body):
    """Something that bears on the question."""

    type = serializers.ChoiceField(_TYPES)
    id = serializers.CharField()
    text = serializers.CharField()
    score = serializers.FloatField()
    at = serializers.DateTimeField(allow_null=True, help_text="When it happened, or was last said.")
    line = serializers.CharField(help_text="As it stands in `context`.")
    sources = serializers.ListField(
        child=serializers.CharField(),
        help_text=f"Ids of the events that a statement rests on, the newest {search.MOST_SOURCES}; an event's own id.",
    )


class _Fresh(schemas.Body):
    version = serializers.IntegerField(allow_null=True, help_text="The version that readers get; null: none yet.")
    as_of = serializers.DateTimeField(allow_null=True)
    behind = schemas.Behind()


class RecallAnswer(_Fresh):
    """What bears on the question, best first."""

    mode = _RecallField()
    context = serializers.CharField(allow_blank=True, help_text="For an agent to read: at most `tokens` tokens.")  # type: ignore[assignment]
    tokens = serializers.IntegerField(help_text="How many tokens that is.")
    items = RecalledItem(many=True)
    search = serializers.ChoiceField(["hybrid", "lexical"])
    note = serializers.CharField(allow_null=True, help_text="Why the search was by words alone.")


class Citation(schemas.Body):
    """Something that the answer rests on."""

    type = serializers.ChoiceField(_TYPES)
    id = serializers.CharField()
    text = serializers.CharField()


class AnswerUsage(schemas.Body):
    """What the answer took."""

    calls = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    cost = serializers.CharField(allow_null=True, help_text="In the currency of the prices; null: nobody knows one.")


class ReasonAnswer(_Fresh):
    """An answer, and what it rests on."""

    mode = _ReasonField()
    answer = serializers.CharField(help_text="`Not known.` where memory does not hold it.")
    known = serializers.BooleanField()
    citations = Citation(many=True, help_text="Each of them was shown to the model; in the order of their mention.")
    level = serializers.ChoiceField(list(LEVELS))
    model = serializers.CharField()
    usage = AnswerUsage()


_ANSWER = PolymorphicProxySerializer(
    component_name="QueryAnswer", serializers=[RecallAnswer, ReasonAnswer], resource_type_field_name=None, many=False
)
_STREAM = (
    'With `stream`, server-sent events: `delta` with `{"text"}` for each piece, `done` with the whole answer, `error` '
    "with the form of all errors where it breaks off. Lines that begin with a colon are to be ignored."
)
_SENDS = {"query": "What are the user's current goals?", "mode": "reason", "level": "low"}


class Query(Reading):
    """A question about a user, a session or a project."""

    @schemas.describe(
        "query", "Ask memory a question", _ANSWER, body=QueryBody, query=[schemas.WAIT], refuses=answering.REFUSES,
        sends=_SENDS, streams=_STREAM,
    )  # fmt: skip
    def post(self, request: Request, **refs: str) -> HttpResponse | StreamingHttpResponse:
        """Give what bears on a question in a budget of tokens (`recall`), or an answer with its sources (`reason`)."""
        fields = self.fields()
        parameters.only(fields, _FIELDS)
        text = validation.text(parameters.required(fields, "query"), ("query",), most=LONGEST, least=1)
        mode = _one_of(fields, "mode", MODES, RECALL)
        level = LEVELS[_one_of(fields, "level", tuple(LEVELS), DEFAULT)]
        stream = parameters.boolean(fields.get("stream", False), ("stream",))
        if stream and mode == RECALL:
            raise Invalid("Only an answer is streamed: ask with mode reason.", ("stream",))
        tokens = parameters.whole_number(fields.get("tokens", _TOKENS), ("tokens",), least=1, most=MOST_TOKENS)
        asked_at = fields.get("asked_at")
        moment = None if asked_at is None else validation.moment(asked_at, ("asked_at",))
        seconds = parameters.query_seconds(self.http, "wait", most=waiting.LONGEST)
        about = _about(fields, refs)
        known = evidence.standing(about)
        if seconds and known.behind_events:
            waiting.until_read(known.subjects, seconds)
            known = evidence.standing(about)
        if mode == RECALL:
            return shapes.json_response(_recalled(known, text, tokens, moment))
        question = Question(about, text, level, stream)
        if stream:
            return answering.events(question, _shape)
        return shapes.json_response(_shape(answering.whole(question)))


def _one_of(fields: dict[str, Any], field: str, known: tuple[str, ...], default: str) -> str:
    value = fields.get(field, default)
    if value not in known:
        raise Invalid(f"Use one of {', '.join(known)}.", (field,), "literal_error")
    return str(value)


def _about(fields: dict[str, Any], refs: dict[str, str]) -> About:
    """Return what is asked about: the path's place, and the session in the body."""
    session = fields.get("session")
    if session is None:
        return About(**refs)
    if "user" not in refs or "session" in refs:
        raise Invalid("A session is given where the path names a user and no session.", ("session",))
    return About(**refs, beside=validation.name(session, ("session",)))


def _recalled(known: Standing, query: str, tokens: int, asked_at: datetime | None) -> shapes.Shape:
    began = time.monotonic()
    vector = search.embed_question(known.where, query)
    found = search.recall(known.where, query, tokens=tokens, vector=vector, asked_at=asked_at)
    metrics.QUERIES.labels(RECALL, "", "known" if found.items else "unknown").inc()
    metrics.QUERY_DURATION.labels(RECALL, "").observe(time.monotonic() - began)
    return {
        "mode": RECALL,
        "context": found.text,
        "tokens": found.tokens,
        "items": [_told(item) for item in found.items],
        "search": found.mode.value,
        "note": found.note,
        **answering.freshness(known),
    }


def _told(item: search.Told) -> shapes.Shape:
    return {
        "type": item.type,
        "id": ids.encode(item.id),
        "text": item.text,
        "score": round(item.score, 6),
        "at": shapes.moment(item.at),
        "line": item.line,
        "sources": [ids.encode(event) for event in item.sources],
    }


def _shape(found: Answer) -> shapes.Shape:
    bill = found.bill
    return {
        "mode": REASON,
        "answer": found.text,
        "known": found.known,
        "citations": [{"type": item.type, "id": item.id, "text": item.text} for item in found.citations],
        "level": found.level.name,
        "model": bill.model,
        "usage": {
            "calls": bill.calls,
            "prompt_tokens": bill.usage.input_tokens,
            "completion_tokens": bill.usage.output_tokens,
            "cost": None if bill.cost is None else f"{bill.cost.normalize():f}",
        },
        **answering.freshness(found.standing),
    }
