"""Collections, documents and metamessages as OpenAPI tells of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from memory.api.schemas import Body, MetadataFilter, NewApp, page_of
from memory.models.collections import DOCUMENT_LENGTH
from memory.models.log import CONTENT_LENGTH
from memory.models.metamessages import LABEL_LENGTH
from memory.models.tenants import NAME_LENGTH

QUERY_LENGTH = 1_000


def _id(**more: Any) -> serializers.CharField:
    return serializers.CharField(help_text="22 URL-safe characters", **more)


def _metadata(**more: Any) -> serializers.DictField:
    return serializers.DictField(child=serializers.JSONField(), **more)


class Collection(Body):
    """Documents that belong together."""

    id = _id()
    name = serializers.CharField()
    user_id = _id()
    app_id = _id()
    metadata = _metadata()
    created_at = serializers.DateTimeField()


class NewCollection(NewApp):
    """A new collection; the name `honcho` is reserved."""


class CollectionChange(Body):
    """What of a collection shall change."""

    name = serializers.CharField(min_length=1, max_length=NAME_LENGTH, required=False, allow_null=True)
    metadata = _metadata(required=False, allow_null=True, help_text="Replaces all metadata.")


class Document(Body):
    """A text of a collection."""

    id = _id()
    content = serializers.CharField()
    metadata = _metadata(help_text="In `honcho`: `level`, `importance` and `pinned` of the statement.")
    created_at = serializers.DateTimeField()
    collection_id = _id()
    app_id = _id()
    user_id = _id()


class NewDocument(Body):
    """A new document. In `honcho` it is one sentence of at most 1,000 characters, without metadata."""

    content = serializers.CharField(min_length=1, max_length=DOCUMENT_LENGTH)
    metadata = _metadata(required=False, allow_null=True)


class DocumentChange(Body):
    """What of a document shall change."""

    content = serializers.CharField(min_length=1, max_length=DOCUMENT_LENGTH, required=False, allow_null=True)
    metadata = _metadata(required=False, allow_null=True, help_text="Replaces all metadata.")


class DocumentQuery(MetadataFilter):
    """What documents shall be like."""

    query = serializers.CharField(min_length=1, max_length=QUERY_LENGTH)
    top_k = serializers.IntegerField(min_value=1, max_value=50, required=False, allow_null=True, help_text="Default 5.")


class Metamessage(Body):
    """A note about a user, a session or a message."""

    id = _id()
    label = serializers.CharField(help_text="The same as `metamessage_type`.")  # type: ignore[assignment]
    metamessage_type = serializers.CharField()
    content = serializers.CharField(allow_blank=True)
    user_id = _id()
    app_id = _id()
    session_id = _id(allow_null=True)
    message_id = _id(allow_null=True)
    metadata = _metadata()
    created_at = serializers.DateTimeField()


class MetamessageChange(Body):
    """What of a metamessage shall change."""

    session_id = serializers.CharField(required=False, allow_null=True, help_text="Id or name of a session.")
    message_id = serializers.CharField(required=False, allow_null=True, help_text="Id of a message of the session.")
    metamessage_type = serializers.CharField(min_length=1, max_length=LABEL_LENGTH, required=False, allow_null=True)
    metadata = _metadata(required=False, allow_null=True, help_text="Replaces all metadata.")


class NewMetamessage(MetamessageChange):
    """A new metamessage; a message needs its session."""

    metamessage_type = serializers.CharField(min_length=1, max_length=LABEL_LENGTH)
    content = serializers.CharField(allow_blank=True, max_length=CONTENT_LENGTH)


class MetamessageFilter(MetadataFilter):
    """Which metamessages are wanted."""

    session_id = serializers.CharField(required=False, allow_null=True)
    message_id = serializers.CharField(required=False, allow_null=True)
    metamessage_type = serializers.CharField(required=False, allow_null=True)


CollectionPage = page_of(Collection)
DocumentPage = page_of(Document)
MetamessagePage = page_of(Metamessage)
