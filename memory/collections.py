"""Collections of documents: what a client keeps for a user beside the log, and asks for by likeness."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Left

from memory import ids, tenants, validation
from memory.conf import MemorySettings
from memory.errors import Conflict, Invalid, NotFound
from memory.models import Collection, Document, User
from memory.models.collections import DOCUMENT_LENGTH, RESERVED

M = TypeVar("M", bound=Model)

_WORD = re.compile(r"\w+")
_MOST_WORDS = 100
_MOST_COMPARED = 200
_LENGTH_COMPARED = 2_000


def of(user: User) -> QuerySet[Collection]:
    """Return the collections that are kept for a user."""
    return Collection.objects.filter(user=user).select_related("user")


def find(user: User, ref: str) -> Collection:
    """Return the user's collection of that id or name, or raise :class:`NotFound`."""
    found = tenants.find_in(of(user), ref)
    if found is None:
        raise NotFound("Collection not found or does not belong to user")
    return found


@transaction.atomic
def make(user: User, name: str, metadata: dict[str, Any] | None = None) -> Collection:
    """Make a collection. Raises :class:`Invalid` for a name that none may have, :class:`Conflict` for one taken."""
    _check_name(name)
    _check_metadata(metadata)
    row, created = Collection.objects.get_or_create(
        app_id=user.app_id, user=user, name=name, defaults={"metadata": metadata or {}}
    )
    if not created:
        raise Conflict(f"Collection with name '{name}' already exists")
    return row


def change(row: Collection, *, name: str | None = None, metadata: dict[str, Any] | None = None) -> Collection:
    """Rename a collection or replace its metadata wholly; None leaves either. Raises what :func:`make` does."""
    if name is not None:
        _check_name(name)
    return tenants.change(row, name=name, metadata=metadata)


def remove(row: Collection) -> None:
    """Delete a collection and its documents."""
    row.delete()


def find_document(collection: Collection, ref: str) -> Document:
    """Return the collection's document of that id, or raise :class:`NotFound`."""
    document_id = ids.decode(ref)
    found = None if document_id is None else collection.documents.filter(pk=document_id).first()
    if found is None:
        raise NotFound("Document not found or does not belong to collection")
    return found


def add(collection: Collection, content: str, metadata: dict[str, Any] | None = None) -> Document:
    """Put a document into a collection. Raises :class:`Invalid` for what cannot be stored."""
    _check_metadata(metadata)
    return Document.objects.create(
        app_id=collection.app_id, collection=collection, content=_text(content), metadata=metadata or {}
    )


def edit(row: Document, *, content: str | None = None, metadata: dict[str, Any] | None = None) -> Document:
    """Replace a document's content or its metadata wholly; None leaves either. Raises what :func:`add` does."""
    _check_metadata(metadata)
    changed = {"content": None if content is None else _text(content), "metadata": metadata}
    for field, value in changed.items():
        if value is not None:
            setattr(row, field, value)
    row.save(update_fields=[field for field, value in changed.items() if value is not None])
    return row


def nearest(rows: QuerySet[M], query: str, limit: int) -> list[M]:
    """Return up to ``limit`` of ``rows`` by likeness of their ``content`` to ``query``, the most alike first.

    Those that hold words of the query come first, ranked by full text; then the newest others, by the letters that
    they share with it. Looks at no more than 200 of these, so that it costs the same in any collection.
    """
    found = list(_with_words(rows, query)[:limit])
    missing = limit - len(found)
    if not missing:
        return found
    others = rows.exclude(pk__in=[row.pk for row in found]).order_by("-pk")
    sample = others.values_list("pk", Left("content", _LENGTH_COMPARED))[:_MOST_COMPARED]
    asked = _trigrams(query)
    nearness = {pk: len(asked & _trigrams(content)) for pk, content in sample}
    chosen = sorted(nearness, key=lambda pk: nearness[pk], reverse=True)[:missing]
    there = {row.pk: row for row in rows.filter(pk__in=chosen)}
    return found + [there[pk] for pk in chosen if pk in there]


def _with_words(rows: QuerySet[M], query: str) -> QuerySet[M]:
    words = _distinct(word for word in _WORD.findall(query) if word.lower() != "or")
    if not words:
        return rows.none()
    asked = SearchQuery(" or ".join(words), config="simple", search_type="websearch")
    vector = SearchVector("content", config="simple")
    ranked: QuerySet[M] = rows.annotate(words=vector).filter(words=asked).annotate(rank=SearchRank(vector, asked))
    return ranked.order_by("-rank", "-pk")


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))[:_MOST_WORDS]


def _trigrams(text: str) -> set[str]:
    folded = f" {' '.join(text.casefold().split())} "
    return {folded[place : place + 3] for place in range(len(folded) - 2)}


def _check_name(name: str) -> None:
    if validation.name(name, ("name",)) == RESERVED:
        raise Invalid(
            f"The name '{RESERVED}' is kept for what was concluded of the user; take another.", ("name",), "reserved"
        )


def _check_metadata(metadata: dict[str, Any] | None) -> None:
    if metadata is not None:
        validation.metadata(metadata, ("metadata",), most=MemorySettings.load().data_bytes)


def _text(content: str) -> str:
    return validation.text(content, ("content",), most=DOCUMENT_LENGTH, least=1)
