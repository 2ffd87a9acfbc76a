"""Sessions: conversations of a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

from honcho import models
from honcho._call import JSON, Call, When, given
from honcho._operation import M, Resource, operation, paged, streamed
from honcho.resources import _at_places, _places
from honcho.resources.conclusions import SessionConclusions
from honcho.resources.events import SessionEvents
from honcho.resources.messages import Messages
from honcho.resources.representations import SessionRepresentation
from honcho.streams import Decoder, PlainText

_CHAT_PATIENCE = 60.0


class Sessions(Resource[M]):
    """The sessions of a user."""

    messages: Messages[M]
    events: SessionEvents[M]
    representation: SessionRepresentation[M]
    conclusions: SessionConclusions[M]

    def __init__(self, transport: M) -> None:
        super().__init__(transport)
        self.messages = Messages(transport)
        self.events = SessionEvents(transport)
        self.representation = SessionRepresentation(transport)
        self.conclusions = SessionConclusions(transport)

    @operation
    def create(
        self, *, app_id: str, user_id: str, name: Optional[str] = None, metadata: Optional[dict[str, Any]] = None
    ) -> Call[models.Session]:
        """Begin a session, with a name if one is given; a name that the user's sessions have already is refused."""
        address = _places.user(app_id, user_id, "sessions")
        return Call("POST", address, models.Session, body=given(name=name, metadata=metadata), writes=True)

    @operation
    def get(self, *, app_id: str, user_id: str, session_id: Optional[str] = None) -> Call[models.Session]:
        """Return a session by its id or name, or the key's own."""
        address = _places.user(app_id, user_id, "sessions")
        return Call("GET", address, models.Session, query={"session_id": session_id})

    @operation
    def get_by_name(self, name: str, *, app_id: str, user_id: str) -> Call[models.Session]:
        """Return a session by its name."""
        return Call("GET", _places.user(app_id, user_id, "sessions", "name", name), models.Session)

    @operation
    def get_or_create(self, name: str, *, app_id: str, user_id: str) -> Call[models.Session]:
        """Return a session by its name; begin it if it is missing."""
        return Call("GET", _places.user(app_id, user_id, "sessions", "get_or_create", name), models.Session)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        filter: Optional[JSON] = None,
        is_active: Optional[bool] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Session]:
        """Return the user's sessions, oldest first; ``is_active=True`` leaves out those that have ended."""
        address = _places.user(app_id, user_id, "sessions", "list")
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", address, models.Session, query=query, body=given(filter=filter, is_active=is_active))

    @operation
    def update(self, *, app_id: str, user_id: str, session_id: str, metadata: JSON) -> Call[models.Session]:
        """Replace a session's metadata."""
        address = _places.session(app_id, user_id, session_id)
        return Call("PUT", address, models.Session, body={"metadata": metadata}, writes=True)

    @operation
    def delete(self, *, app_id: str, user_id: str, session_id: str) -> Call[models.Deleted]:
        """End a session; nothing of it is erased."""
        return Call("DELETE", _places.session(app_id, user_id, session_id), models.Deleted, writes=True)

    @operation
    def erase(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        dry_run: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.Erasure]:
        """Erase a session with all that was said in it and what rests on that; with ``dry_run`` only count."""
        address = _places.session(app_id, user_id, session_id)
        return _at_places.erase(address, dry_run=dry_run, reason=reason, erase=True)

    @operation
    def clone(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        message_id: Optional[str] = None,
        deep_copy: Optional[bool] = None,
    ) -> Call[models.Session]:
        """Make a session with the same messages, up to and with ``message_id`` if that is given."""
        address = _places.session(app_id, user_id, session_id, "clone")
        query = {"message_id": message_id, "deep_copy": deep_copy}
        # A GET that writes takes no Idempotency-Key: sent twice, it would clone twice.
        return Call("GET", address, models.Session, query=query, repeatable=False)

    @operation
    def get_context(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        tokens: Optional[int] = None,
        at: Optional[When] = None,
        version: Optional[int] = None,
        observer: Optional[str] = None,
        include: Optional[Sequence[str]] = None,
        wait: Optional[float] = None,
    ) -> Call[models.Context]:
        """Return what an agent should know now: ``str()`` of it is the text.

        ``tokens`` bounds the whole text. ``include`` adds ``conclusions``, ``summary``, ``card``, ``pending``.
        ``wait``: up to so many seconds for everything written until now to be read.
        """
        return _at_places.context(
            _places.session(app_id, user_id, session_id),
            tokens=tokens, at=at, version=version, observer=observer, include=include, wait=wait,
        )  # fmt: skip

    @operation
    def chat(
        self, *, app_id: str, user_id: str, session_id: str, queries: Union[str, Sequence[str]]
    ) -> Call[models.ChatAnswer]:
        """Return an answer to a question, or to several together, in natural language."""
        return Call(
            "POST",
            _places.session(app_id, user_id, session_id, "chat"),
            models.ChatAnswer,
            body={"queries": queries},
            repeatable=False,
            patience=_CHAT_PATIENCE,
        )

    @streamed
    def chat_stream(
        self, *, app_id: str, user_id: str, session_id: str, queries: Union[str, Sequence[str]]
    ) -> Call[Decoder[str, models.ChatAnswer]]:
        """Return an answer to a question piece by piece."""
        return Call(
            "POST",
            _places.session(app_id, user_id, session_id, "chat"),
            lambda _: PlainText(models.ChatAnswer),
            body={"queries": queries, "stream": True},
            repeatable=False,
            patience=_CHAT_PATIENCE,
        )

    @operation
    def query(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        query: str,
        mode: Optional[str] = None,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
        asked_at: Optional[When] = None,
    ) -> Call[models.Answer]:
        """Ask what is known. ``mode`` ``recall`` quotes memory, without a model; ``reason`` answers from it."""
        place = _places.session(app_id, user_id, session_id)
        return _at_places.ask(
            place, query, session=None, mode=mode, tokens=tokens, level=level, wait=wait, asked_at=asked_at
        )

    @streamed
    def query_stream(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        query: str,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
    ) -> Call[Decoder[str, models.Answer]]:
        """Ask what is known, and get the model's answer piece by piece."""
        place = _places.session(app_id, user_id, session_id)
        return _at_places.ask_for_stream(place, query, session=None, tokens=tokens, level=level, wait=wait)

    @operation
    def search(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        query: str,
        limit: Optional[int] = None,
        in_: Optional[Sequence[str]] = None,
        mode: Optional[str] = None,
        filters: Optional[JSON] = None,
    ) -> Call[models.SearchResult]:
        """Search the session's events and conclusions."""
        place = _places.session(app_id, user_id, session_id)
        return _at_places.find(place, query, limit=limit, in_=in_, mode=mode, filters=filters)
