"""Users: who is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from honcho import models
from honcho._call import JSON, Call, When, given
from honcho._operation import M, Resource, operation, paged, streamed
from honcho.resources import _at_places, _places
from honcho.resources.collections import Collections, Metamessages
from honcho.resources.conclusions import UserConclusions
from honcho.resources.events import UserEvents
from honcho.resources.representations import UserRepresentation
from honcho.resources.sessions import Sessions
from honcho.streams import Decoder, ExportLines


class Users(Resource[M]):
    """The users of an app."""

    sessions: Sessions[M]
    metamessages: Metamessages[M]
    collections: Collections[M]
    events: UserEvents[M]
    representation: UserRepresentation[M]
    conclusions: UserConclusions[M]

    def __init__(self, transport: M) -> None:
        super().__init__(transport)
        self.sessions = Sessions(transport)
        self.metamessages = Metamessages(transport)
        self.collections = Collections(transport)
        self.events = UserEvents(transport)
        self.representation = UserRepresentation(transport)
        self.conclusions = UserConclusions(transport)

    @operation
    def create(self, *, app_id: str, name: str, metadata: Optional[dict[str, Any]] = None) -> Call[models.User]:
        """Make a user; a name that is taken is refused."""
        body = given(name=name, metadata=metadata)
        return Call("POST", _places.app(app_id, "users"), models.User, body=body, writes=True)

    @operation
    def get(self, *, app_id: str, user_id: Optional[str] = None) -> Call[models.User]:
        """Return a user by their id or name, or the key's own."""
        return Call("GET", _places.app(app_id, "users"), models.User, query={"user_id": user_id})

    @operation
    def get_by_name(self, name: str, *, app_id: str) -> Call[models.User]:
        """Return a user by their name."""
        return Call("GET", _places.app(app_id, "users", "name", name), models.User)

    @operation
    def get_or_create(self, name: str, *, app_id: str) -> Call[models.User]:
        """Return a user by their name; make it if it is missing."""
        return Call("GET", _places.app(app_id, "users", "get_or_create", name), models.User)

    @paged
    def list(
        self,
        *,
        app_id: str,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.User]:
        """Return the app's users, oldest first; ``filter`` is metadata that they must contain."""
        query = {"page": page, "size": size, "reverse": reverse}
        address = _places.app(app_id, "users", "list")
        return Call("POST", address, models.User, query=query, body=given(filter=filter))

    @operation
    def update(
        self, *, app_id: str, user_id: str, name: Optional[str] = None, metadata: Optional[JSON] = None
    ) -> Call[models.User]:
        """Rename a user or replace their metadata; what is not given stays."""
        body = given(name=name, metadata=metadata)
        return Call("PUT", _places.user(app_id, user_id), models.User, body=body, writes=True)

    @operation
    def erase(
        self, *, app_id: str, user_id: str, dry_run: Optional[bool] = None, reason: Optional[str] = None
    ) -> Call[models.Erasure]:
        """Erase a person: all that they said and all that is known of them; with ``dry_run`` only count."""
        return _at_places.erase(_places.user(app_id, user_id), dry_run=dry_run, reason=reason)

    @operation
    def get_context(
        self,
        *,
        app_id: str,
        user_id: str,
        tokens: Optional[int] = None,
        at: Optional[When] = None,
        version: Optional[int] = None,
        observer: Optional[str] = None,
        include: Optional[Sequence[str]] = None,
        wait: Optional[float] = None,
    ) -> Call[models.Context]:
        """Return what an agent should know of a user now: ``str()`` of it is the text.

        ``tokens`` bounds the whole text. ``include`` adds ``conclusions``, ``summary``, ``card``, ``pending``.
        ``wait``: up to so many seconds for everything written until now to be read.
        """
        return _at_places.context(
            _places.user(app_id, user_id),
            tokens=tokens, at=at, version=version, observer=observer, include=include, wait=wait,
        )  # fmt: skip

    @operation
    def query(
        self,
        *,
        app_id: str,
        user_id: str,
        query: str,
        session_id: Optional[str] = None,
        mode: Optional[str] = None,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
        asked_at: Optional[When] = None,
    ) -> Call[models.Answer]:
        """Ask what is known. ``mode`` ``recall`` quotes memory, without a model; ``reason`` answers from it.

        ``level`` (``minimal`` to ``max``) trades time for depth where a model answers.
        "Yesterday" in a query that is recalled counts from ``asked_at``, or else from now.
        """
        place = _places.user(app_id, user_id)
        return _at_places.ask(
            place, query, session=session_id, mode=mode, tokens=tokens, level=level, wait=wait, asked_at=asked_at
        )

    @streamed
    def query_stream(
        self,
        *,
        app_id: str,
        user_id: str,
        query: str,
        session_id: Optional[str] = None,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
    ) -> Call[Decoder[str, models.Answer]]:
        """Ask what is known, and get the model's answer piece by piece."""
        place = _places.user(app_id, user_id)
        return _at_places.ask_for_stream(place, query, session=session_id, tokens=tokens, level=level, wait=wait)

    @operation
    def search(
        self,
        *,
        app_id: str,
        user_id: str,
        query: str,
        limit: Optional[int] = None,
        in_: Optional[Sequence[str]] = None,
        mode: Optional[str] = None,
        filters: Optional[JSON] = None,
    ) -> Call[models.SearchResult]:
        """Search the user's events and conclusions. ``in_``: ``events``, ``conclusions`` or both."""
        place = _places.user(app_id, user_id)
        return _at_places.find(place, query, limit=limit, in_=in_, mode=mode, filters=filters)

    @streamed
    def export(self, *, app_id: str, user_id: str) -> Call[Decoder[bytes, models.Export]]:
        """Return all that is stored of a user as lines of JSON; write them to a file as they come."""
        return Call("GET", _places.user(app_id, user_id, "export"), lambda _: ExportLines(models.Export))
