"""Collections of documents, and what else of the older API there is to a user."""

from __future__ import annotations

import builtins
from typing import Any, Optional

from honcho import models
from honcho._call import JSON, Call, given
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _places


class Documents(Resource[M]):
    """The documents of a collection."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        collection_id: str,
        content: str,
        metadata: Optional[dict[str, Any]] = None,
    ) -> Call[models.Document]:
        """Store a document."""
        address = _documents(app_id, user_id, collection_id)
        return Call("POST", address, models.Document, body=given(content=content, metadata=metadata), writes=True)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        collection_id: str,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Document]:
        """Return the documents, oldest first; ``filter`` is metadata that they must contain."""
        address = _documents(app_id, user_id, collection_id, "list")
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", address, models.Document, query=query, body=given(filter=filter))

    @operation
    def get(self, *, app_id: str, user_id: str, collection_id: str, document_id: str) -> Call[models.Document]:
        """Return a document."""
        return Call("GET", _documents(app_id, user_id, collection_id, document_id), models.Document)

    @operation
    def update(
        self,
        *,
        app_id: str,
        user_id: str,
        collection_id: str,
        document_id: str,
        content: Optional[str] = None,
        metadata: Optional[JSON] = None,
    ) -> Call[models.Document]:
        """Replace a document's text or metadata; what is not given stays."""
        address = _documents(app_id, user_id, collection_id, document_id)
        return Call("PUT", address, models.Document, body=given(content=content, metadata=metadata), writes=True)

    @operation
    def delete(self, *, app_id: str, user_id: str, collection_id: str, document_id: str) -> Call[models.Deleted]:
        """Delete a document."""
        address = _documents(app_id, user_id, collection_id, document_id)
        return Call("DELETE", address, models.Deleted, writes=True)

    @operation
    def query(
        self,
        *,
        app_id: str,
        user_id: str,
        collection_id: str,
        query: str,
        top_k: Optional[int] = None,
        filter: Optional[JSON] = None,
    ) -> Call[builtins.list[models.Document]]:
        """Return the documents that are nearest to a question, best first."""
        address = _documents(app_id, user_id, collection_id, "query")
        return Call("POST", address, _all_documents, body=given(query=query, top_k=top_k, filter=filter))


class Collections(Resource[M]):
    """The collections of a user."""

    documents: Documents[M]

    def __init__(self, transport: M) -> None:
        super().__init__(transport)
        self.documents = Documents(transport)

    @operation
    def create(
        self, *, app_id: str, user_id: str, name: str, metadata: Optional[dict[str, Any]] = None
    ) -> Call[models.Collection]:
        """Make a collection; a name that the user's collections have already is refused."""
        address = _places.user(app_id, user_id, "collections")
        return Call("POST", address, models.Collection, body=given(name=name, metadata=metadata), writes=True)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Collection]:
        """Return the user's collections, oldest first; ``filter`` is metadata that they must contain."""
        address = _places.user(app_id, user_id, "collections", "list")
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", address, models.Collection, query=query, body=given(filter=filter))

    @operation
    def get(self, *, app_id: str, user_id: str, collection_id: Optional[str] = None) -> Call[models.Collection]:
        """Return a collection, or the key's own."""
        address = _places.user(app_id, user_id, "collections")
        return Call("GET", address, models.Collection, query={"collection_id": collection_id})

    @operation
    def get_by_name(self, name: str, *, app_id: str, user_id: str) -> Call[models.Collection]:
        """Return a collection by its name."""
        return Call("GET", _places.user(app_id, user_id, "collections", "name", name), models.Collection)

    @operation
    def update(
        self,
        *,
        app_id: str,
        user_id: str,
        collection_id: str,
        name: Optional[str] = None,
        metadata: Optional[JSON] = None,
    ) -> Call[models.Collection]:
        """Rename a collection or replace its metadata; what is not given stays."""
        address = _places.user(app_id, user_id, "collections", collection_id)
        return Call("PUT", address, models.Collection, body=given(name=name, metadata=metadata), writes=True)

    @operation
    def delete(self, *, app_id: str, user_id: str, collection_id: str) -> Call[models.Deleted]:
        """Delete a collection with its documents."""
        address = _places.user(app_id, user_id, "collections", collection_id)
        return Call("DELETE", address, models.Deleted, writes=True)


class Metamessages(Resource[M]):
    """Notes on a user, a session or a message."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        metamessage_type: str,
        content: str,
        session_id: Optional[str] = None,
        message_id: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
    ) -> Call[models.Metamessage]:
        """Store a note; one on a message names its session too."""
        body = given(
            metamessage_type=metamessage_type, content=content, session_id=session_id, message_id=message_id,
            metadata=metadata,
        )  # fmt: skip
        return Call("POST", _places.user(app_id, user_id, "metamessages"), models.Metamessage, body=body, writes=True)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        metamessage_type: Optional[str] = None,
        session_id: Optional[str] = None,
        message_id: Optional[str] = None,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Metamessage]:
        """Return notes, oldest first."""
        body = given(metamessage_type=metamessage_type, session_id=session_id, message_id=message_id, filter=filter)
        address = _places.user(app_id, user_id, "metamessages", "list")
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", address, models.Metamessage, query=query, body=body)

    @operation
    def get(self, *, app_id: str, user_id: str, metamessage_id: str) -> Call[models.Metamessage]:
        """Return a note."""
        return Call("GET", _places.user(app_id, user_id, "metamessages", metamessage_id), models.Metamessage)

    @operation
    def update(
        self,
        *,
        app_id: str,
        user_id: str,
        metamessage_id: str,
        metamessage_type: Optional[str] = None,
        session_id: Optional[str] = None,
        message_id: Optional[str] = None,
        metadata: Optional[JSON] = None,
    ) -> Call[models.Metamessage]:
        """Change what a note is about, its type or its metadata; what is not given stays."""
        address = _places.user(app_id, user_id, "metamessages", metamessage_id)
        body = given(metamessage_type=metamessage_type, session_id=session_id, message_id=message_id, metadata=metadata)
        return Call("PUT", address, models.Metamessage, body=body, writes=True)


def _documents(app_id: str, user_id: str, collection_id: str, *more: str) -> str:
    return _places.user(app_id, user_id, "collections", collection_id, "documents", *more)


def _all_documents(data: Any) -> list[models.Document]:
    return [models.Document(item) for item in data]
