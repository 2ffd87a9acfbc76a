"""What the schema says of searching. Like all of ``memory.api.schemas`` it only describes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from memory.api.schemas import WHEN, AboutWhat, Body, PlainConclusion, ReadEvent
from memory.models import Event
from memory.search import Mode
from memory.search.scopes import TYPES

MOST_QUERY = 10_000
MOST_ITEMS = 100


@extend_schema_field(WHEN)
class _WhenField(serializers.CharField):
    """A moment, or how long ago it was."""


def _one_or_several(most: int, text: str, words: list[str] | None = None) -> serializers.JSONField:
    one: dict[str, Any] = {"type": "string", "enum": words} if words else {"type": "string", "maxLength": most}

    @extend_schema_field({"oneOf": [one, {"type": "array", "items": one}]})
    class _Field(serializers.JSONField):
        """A word, or a list of them."""

    return _Field(required=False, allow_null=True, help_text=text)


class SearchFilters(Body):
    """What a search is narrowed to. Statements have no kind, author, origin or metadata: asked for those, only events
    are found."""

    kind = _one_or_several(100, "Only events of this kind, or of one of these.")
    author = serializers.CharField(required=False, allow_null=True, help_text="Id or name of the user who wrote it.")
    origin = _one_or_several(16, "Only what stems from this, or one of these.", list(Event.Origin.values))
    session = serializers.CharField(required=False, allow_null=True, help_text="Id or name of the session it is of.")
    project = serializers.CharField(required=False, allow_null=True, help_text="Id or name of the project it is of.")
    since = _WhenField(required=False, allow_null=True, help_text="Only what happened then or later.")
    until = _WhenField(required=False, allow_null=True, help_text="Only what happened before.")
    metadata = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        allow_null=True,
        help_text="Only events whose metadata hold this.",
    )


class SearchQuery(Body):
    """What to look for, and where."""

    query = serializers.CharField(max_length=MOST_QUERY, help_text="Words or a question; any of the words is enough.")
    limit = serializers.IntegerField(min_value=1, max_value=MOST_ITEMS, required=False, default=10)
    locals()["in"] = serializers.ListField(
        child=serializers.ChoiceField([f"{name}s" for name in TYPES]), required=False, help_text="Default: both."
    )
    mode = serializers.ChoiceField(
        Mode.choices, required=False, default=Mode.HYBRID.value, help_text="By words, by meaning, or by both."
    )
    filters = SearchFilters(required=False, allow_null=True)


class SearchRanks(Body):
    """Which place each of the two searches gave it, counted from 1; null where it did not find it."""

    lexical = serializers.IntegerField(allow_null=True)
    semantic = serializers.IntegerField(allow_null=True)


class SearchHighlight(Body):
    """A fragment of the text that has words of the query."""

    text = serializers.CharField()
    marks = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Where in it the words are: first character and the one after the last, in Unicode code points.",
    )


class FoundConclusion(PlainConclusion):
    """A statement that stands now, and what it is a statement about."""

    subject = AboutWhat()


class FoundItem(Body):
    """An event or a statement that was found."""

    type = serializers.ChoiceField(list(TYPES))
    score = serializers.FloatField(help_text="Comparable within one answer.")
    ranks = SearchRanks()
    highlights = SearchHighlight(many=True)
    event = ReadEvent(required=False)
    conclusion = FoundConclusion(required=False)


class SearchEmbedding(Body):
    """How much of the app search by meaning knows."""

    model = serializers.CharField()
    indexed = serializers.IntegerField(help_text="Events and statements that it knows, counted up to 10,000.")
    waiting = serializers.IntegerField(help_text="Those that it does not know yet; they are found by words.")


class Found(Body):
    """What was found, the best first."""

    items = FoundItem(many=True)
    mode = serializers.ChoiceField(Mode.choices, help_text="How it was looked for.")
    embedding = SearchEmbedding(allow_null=True)
    note = serializers.CharField(allow_null=True, help_text="Why it was not looked for as asked.")
