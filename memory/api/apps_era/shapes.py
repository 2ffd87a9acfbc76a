"""Collections, documents and metamessages as the clients of the apps era read them."""

from __future__ import annotations

from memory import ids
from memory.api.shapes import Shape, moment
from memory.models import Collection, Document, Metamessage


def collection(row: Collection) -> Shape:
    """Return a collection."""
    return {
        "id": row.public_id,
        "name": row.name,
        "user_id": ids.encode(row.user_id),
        "app_id": ids.encode(row.app_id),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def document(row: Document) -> Shape:
    """Return a document."""
    return {
        "id": row.public_id,
        "content": row.content,
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
        "collection_id": row.collection.public_id,
        "app_id": ids.encode(row.app_id),
        "user_id": ids.encode(row.collection.user_id),
    }


def metamessage(row: Metamessage) -> Shape:
    """Return a metamessage. Its label has two names: clients of different age ask for either."""
    return {
        "id": row.public_id,
        "label": row.label,
        "metamessage_type": row.label,
        "content": row.content,
        "user_id": ids.encode(row.user_id),
        "app_id": ids.encode(row.app_id),
        "session_id": None if row.session_id is None else ids.encode(row.session_id),
        "message_id": None if row.message_id is None else ids.encode(row.message_id),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }
