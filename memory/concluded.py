"""What was concluded of a user, seen as a collection of documents. Nothing of it is stored twice.

It is the collection with the reserved name, and its id is the id of the user's subject. A document is a statement that
stands; to add, change or delete one is a correction (``memory.corrections``).
"""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from memory.models import Collection, Conclusion, Document, Span, Subject, User
from memory.models.collections import RESERVED


def collection_of(user: User, subject: Subject) -> Collection:
    """Return the collection that shows a user's subject; it is no row."""
    return Collection(id=subject.pk, app_id=user.app_id, user=user, name=RESERVED, created_at=subject.created_at)


def statements(subject: Subject) -> QuerySet[Conclusion]:
    """Return what stands in what readers get, each with the ``metadata`` that it has as a document."""
    stands = Span.objects.filter(line=subject.line_id, conclusion=OuterRef("pk"), until=None)
    told = JSONObject(level=F("level"), importance=F("importance"), pinned=F("pinned"))
    return Conclusion.objects.filter(Exists(stands), subject=subject).annotate(metadata=told)


def document(row: Conclusion, collection: Collection) -> Document:
    """Return a statement as a document, which is no row."""
    metadata = {"level": row.level, "importance": row.importance, "pinned": row.pinned}
    return Document(
        id=row.pk,
        app_id=collection.app_id,
        collection=collection,
        content=row.content,
        metadata=metadata,
        created_at=row.created_at,
    )
