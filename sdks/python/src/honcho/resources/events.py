"""The log: of a user, a session, a project."""

from __future__ import annotations

import builtins
from typing import Any, Optional

from honcho import models
from honcho._call import Call, When, given
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _at_places, _places
from honcho.resources._at_places import Events


class UserEvents(Resource[M]):
    """The log of a user."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        content: Optional[str] = None,
        kind: Optional[str] = None,
        data: Any = None,
        metadata: Optional[dict[str, Any]] = None,
        author: Optional[str] = None,
        origin: Optional[str] = None,
        is_user: Optional[bool] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
        project: Optional[str] = None,
    ) -> Call[models.WrittenEvent]:
        """Append an event. ``kind`` is ``message``, ``tool_call``, ``tool_result``, or your own with a dot.

        ``id`` is your own: sent again with the same content, the event is stored once.
        """
        event = given(
            content=content,
            kind=kind,
            data=data,
            metadata=metadata,
            author=author,
            origin=origin,
            is_user=is_user,
            id=id,
            occurred_at=occurred_at,
            project=project,
        )
        return _at_places.append_event(_places.user(app_id, user_id), event)

    @operation
    def create_many(self, *, app_id: str, user_id: str, events: Events) -> Call[builtins.list[models.WrittenEvent]]:
        """Append up to 1,000 events (5 MiB), all or none, in the order given."""
        return _at_places.append_events(_places.user(app_id, user_id), events)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        kind: Optional[str] = None,
        author: Optional[str] = None,
        since: Optional[When] = None,
        until: Optional[When] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Event]:
        """Read the log, in the order in which it was written."""
        return _at_places.log(
            _places.user(app_id, user_id),
            kind=kind,
            author=author,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
            reverse=reverse,
        )

    @operation
    def statements(self, *, app_id: str, user_id: str, event_id: str) -> Call[models.EventStatements]:
        """Return the statements that rest on an event."""
        return _at_places.statements_on(_places.user(app_id, user_id), event_id)

    @operation
    def erase(
        self, *, app_id: str, user_id: str, event_id: str, dry_run: Optional[bool] = None, reason: Optional[str] = None
    ) -> Call[models.Erasure]:
        """Erase an event and make what rests on it unreadable; with ``dry_run`` only count."""
        return _at_places.erase_event(_places.user(app_id, user_id), event_id, dry_run=dry_run, reason=reason)


class SessionEvents(Resource[M]):
    """The log of a session."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        content: Optional[str] = None,
        kind: Optional[str] = None,
        data: Any = None,
        metadata: Optional[dict[str, Any]] = None,
        author: Optional[str] = None,
        origin: Optional[str] = None,
        is_user: Optional[bool] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
        project: Optional[str] = None,
    ) -> Call[models.WrittenEvent]:
        """Append an event. ``kind`` is ``message``, ``tool_call``, ``tool_result``, or your own with a dot.

        ``id`` is your own: sent again with the same content, the event is stored once.
        """
        event = given(
            content=content,
            kind=kind,
            data=data,
            metadata=metadata,
            author=author,
            origin=origin,
            is_user=is_user,
            id=id,
            occurred_at=occurred_at,
            project=project,
        )
        return _at_places.append_event(_places.session(app_id, user_id, session_id), event)

    @operation
    def create_many(
        self, *, app_id: str, user_id: str, session_id: str, events: Events
    ) -> Call[builtins.list[models.WrittenEvent]]:
        """Append up to 1,000 events (5 MiB), all or none, in the order given."""
        return _at_places.append_events(_places.session(app_id, user_id, session_id), events)

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        kind: Optional[str] = None,
        author: Optional[str] = None,
        since: Optional[When] = None,
        until: Optional[When] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Event]:
        """Read the log, in the order in which it was written."""
        return _at_places.log(
            _places.session(app_id, user_id, session_id),
            kind=kind,
            author=author,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
            reverse=reverse,
        )

    @operation
    def statements(self, *, app_id: str, user_id: str, session_id: str, event_id: str) -> Call[models.EventStatements]:
        """Return the statements that rest on an event."""
        return _at_places.statements_on(_places.session(app_id, user_id, session_id), event_id)

    @operation
    def erase(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        event_id: str,
        dry_run: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.Erasure]:
        """Erase an event and make what rests on it unreadable; with ``dry_run`` only count."""
        return _at_places.erase_event(
            _places.session(app_id, user_id, session_id), event_id, dry_run=dry_run, reason=reason
        )


class ProjectEvents(Resource[M]):
    """The log of a project."""

    @operation
    def create(
        self,
        *,
        app_id: str,
        project_id: str,
        content: Optional[str] = None,
        kind: Optional[str] = None,
        data: Any = None,
        metadata: Optional[dict[str, Any]] = None,
        author: Optional[str] = None,
        origin: Optional[str] = None,
        is_user: Optional[bool] = None,
        id: Optional[str] = None,
        occurred_at: Optional[When] = None,
        project: Optional[str] = None,
    ) -> Call[models.WrittenEvent]:
        """Append an event. ``kind`` is ``message``, ``tool_call``, ``tool_result``, or your own with a dot.

        ``id`` is your own: sent again with the same content, the event is stored once.
        """
        event = given(
            content=content,
            kind=kind,
            data=data,
            metadata=metadata,
            author=author,
            origin=origin,
            is_user=is_user,
            id=id,
            occurred_at=occurred_at,
            project=project,
        )
        return _at_places.append_event(_places.project(app_id, project_id), event)

    @operation
    def create_many(self, *, app_id: str, project_id: str, events: Events) -> Call[builtins.list[models.WrittenEvent]]:
        """Append up to 1,000 events (5 MiB), all or none, in the order given."""
        return _at_places.append_events(_places.project(app_id, project_id), events)

    @paged
    def list(
        self,
        *,
        app_id: str,
        project_id: str,
        kind: Optional[str] = None,
        author: Optional[str] = None,
        since: Optional[When] = None,
        until: Optional[When] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.Event]:
        """Read the log, in the order in which it was written."""
        return _at_places.log(
            _places.project(app_id, project_id),
            kind=kind,
            author=author,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
            reverse=reverse,
        )

    @operation
    def statements(self, *, app_id: str, project_id: str, event_id: str) -> Call[models.EventStatements]:
        """Return the statements that rest on an event."""
        return _at_places.statements_on(_places.project(app_id, project_id), event_id)

    @operation
    def erase(
        self,
        *,
        app_id: str,
        project_id: str,
        event_id: str,
        dry_run: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.Erasure]:
        """Erase an event and make what rests on it unreadable; with ``dry_run`` only count."""
        return _at_places.erase_event(_places.project(app_id, project_id), event_id, dry_run=dry_run, reason=reason)
