"""A collection as its documents are asked for: one that a client keeps, or the reserved one, which shows the store."""

from __future__ import annotations

from typing import Any, Protocol

from django.db.models import QuerySet

from memory import collections, concluded, corrections, ids, tenants
from memory.errors import Invalid, NotFound
from memory.models import Collection, Conclusion, Document, Subject, User
from memory.models.collections import RESERVED


class Shelf(Protocol):
    """What can be done with a collection. ``word`` says who asks, as ``memory.corrections`` wants it."""

    collection: Collection
    rows: QuerySet[Any]
    """What its documents are made of, with ``metadata`` and ``content``."""

    def document(self, row: Any) -> Document:
        """Return one of ``rows`` as a document."""

    def add(self, content: str, metadata: dict[str, Any] | None, word: dict[str, Any]) -> Document:
        """Put a document into it."""

    def edit(
        self, document: Document, content: str | None, metadata: dict[str, Any] | None, word: dict[str, Any]
    ) -> Document:
        """Change a document; return what is there instead."""

    def take_out(self, document: Document, word: dict[str, Any]) -> None:
        """Take a document out of it."""

    def rename(self, name: str | None, metadata: dict[str, Any] | None) -> Collection:
        """Change the collection itself."""

    def remove(self) -> None:
        """Delete the collection itself."""


class Kept:
    """Documents that a client keeps."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.rows: QuerySet[Document] = Document.objects.filter(collection=collection)

    def document(self, row: Document) -> Document:
        """Return the row."""
        row.collection = self.collection
        return row

    def add(self, content: str, metadata: dict[str, Any] | None, word: dict[str, Any]) -> Document:
        """Put a document into it."""
        return collections.add(self.collection, content, metadata)

    def edit(
        self, document: Document, content: str | None, metadata: dict[str, Any] | None, word: dict[str, Any]
    ) -> Document:
        """Change a document."""
        return collections.edit(document, content=content, metadata=metadata)

    def take_out(self, document: Document, word: dict[str, Any]) -> None:
        """Delete a document."""
        document.delete()

    def rename(self, name: str | None, metadata: dict[str, Any] | None) -> Collection:
        """Change the collection itself."""
        return collections.change(self.collection, name=name, metadata=metadata)

    def remove(self) -> None:
        """Delete the collection and its documents."""
        collections.remove(self.collection)


class Concluded:
    """What was concluded of a user. A document is a statement that stands; to change it is to correct it."""

    def __init__(self, user: User, subject: Subject) -> None:
        self.collection = concluded.collection_of(user, subject)
        self.subject = subject
        self.rows: QuerySet[Conclusion] = concluded.statements(subject)

    def document(self, row: Conclusion) -> Document:
        """Return a statement as a document."""
        return concluded.document(row, self.collection)

    def add(self, content: str, metadata: dict[str, Any] | None, word: dict[str, Any]) -> Document:
        """Let a statement stand, pinned."""
        _refuse_metadata(metadata)
        return self.document(corrections.add(self.subject, content, **word))

    def edit(
        self, document: Document, content: str | None, metadata: dict[str, Any] | None, word: dict[str, Any]
    ) -> Document:
        """Put other words in a statement's place: they are a statement of their own, with another id."""
        _refuse_metadata(metadata)
        return self.document(corrections.edit(self.subject, document.pk, content, **word))

    def take_out(self, document: Document, word: dict[str, Any]) -> None:
        """Retract a statement."""
        corrections.retract(self.subject, document.pk, **word)

    def rename(self, name: str | None, metadata: dict[str, Any] | None) -> Collection:
        """Refuse it."""
        raise _reserved("It can be neither renamed nor described.")

    def remove(self) -> None:
        """Refuse it."""
        raise _reserved("Delete its documents one by one, or erase the user.")


def find(user: User, ref: str) -> Shelf:
    """Return the user's collection of that id or name, or raise :class:`NotFound`."""
    if ref == RESERVED:
        return Concluded(user, tenants.subject_of(user))
    try:
        return Kept(collections.find(user, ref))
    except NotFound:
        subject = tenants.subject_of(user)
        if ids.decode(ref) != subject.pk:
            raise
        return Concluded(user, subject)


def find_document(shelf: Shelf, ref: str) -> Document:
    """Return the document of that id, or raise :class:`NotFound`."""
    document_id = ids.decode(ref)
    row = None if document_id is None else shelf.rows.filter(pk=document_id).first()
    if row is None:
        raise NotFound("Document not found or does not belong to collection")
    return shelf.document(row)


def _refuse_metadata(metadata: dict[str, Any] | None) -> None:
    if metadata:
        raise Invalid(
            f"The metadata of documents in '{RESERVED}' say how each was concluded and cannot be set.", ("metadata",)
        )


def _reserved(advice: str) -> Invalid:
    return Invalid(f"The collection '{RESERVED}' shows what was concluded of the user. {advice}", (), "reserved")
