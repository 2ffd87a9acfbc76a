"""Single statements: of a user, a session, a project."""

from __future__ import annotations

from typing import Optional

from honcho import models
from honcho._call import Call
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _at_places, _places


class UserConclusions(Resource[M]):
    """The statements about a user."""

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        standing: Optional[bool] = None,
        pinned: Optional[bool] = None,
        retracted: Optional[bool] = None,
        observer: Optional[str] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[models.KnownConclusion]:
        """Return what was ever concluded, newest first."""
        return _at_places.conclusions(
            _places.user(app_id, user_id),
            standing=standing,
            pinned=pinned,
            retracted=retracted,
            observer=observer,
            cursor=cursor,
            limit=limit,
        )

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        content: str,
        about: Optional[str] = None,
        importance: Optional[int] = None,
        reason: Optional[str] = None,
        id: Optional[str] = None,
        observer: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Add a statement that stands whatever a model says. ``importance`` is 1 to 5."""
        return _at_places.conclude(
            _places.user(app_id, user_id),
            content,
            about=about,
            importance=importance,
            reason=reason,
            id=id,
            observer=observer,
        )

    @operation
    def get(
        self,
        *,
        app_id: str,
        user_id: str,
        conclusion_id: str,
        observer: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Return a statement, whether it stands or not."""
        return _at_places.conclusion(_places.user(app_id, user_id), conclusion_id, observer=observer)

    @operation
    def update(
        self,
        *,
        app_id: str,
        user_id: str,
        conclusion_id: str,
        content: Optional[str] = None,
        importance: Optional[int] = None,
        pinned: Optional[bool] = None,
        reason: Optional[str] = None,
        observer: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Put other words in its place, say how much it matters, pin or unpin it; return what stands now."""
        return _at_places.correct(
            _places.user(app_id, user_id),
            conclusion_id,
            content=content,
            importance=importance,
            pinned=pinned,
            reason=reason,
            observer=observer,
        )

    @operation
    def delete(
        self,
        *,
        app_id: str,
        user_id: str,
        conclusion_id: str,
        reason: Optional[str] = None,
        observer: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Retract a statement: it stays out, whoever says it again."""
        return _at_places.retract(_places.user(app_id, user_id), conclusion_id, reason=reason, observer=observer)


class SessionConclusions(Resource[M]):
    """The statements about a session."""

    @paged
    def list(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        standing: Optional[bool] = None,
        pinned: Optional[bool] = None,
        retracted: Optional[bool] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[models.KnownConclusion]:
        """Return what was ever concluded, newest first."""
        return _at_places.conclusions(
            _places.session(app_id, user_id, session_id),
            standing=standing,
            pinned=pinned,
            retracted=retracted,
            observer=None,
            cursor=cursor,
            limit=limit,
        )

    @operation
    def create(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        content: str,
        about: Optional[str] = None,
        importance: Optional[int] = None,
        reason: Optional[str] = None,
        id: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Add a statement that stands whatever a model says. ``importance`` is 1 to 5."""
        return _at_places.conclude(
            _places.session(app_id, user_id, session_id),
            content,
            about=about,
            importance=importance,
            reason=reason,
            id=id,
            observer=None,
        )

    @operation
    def get(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        conclusion_id: str,
    ) -> Call[models.KnownConclusion]:
        """Return a statement, whether it stands or not."""
        return _at_places.conclusion(_places.session(app_id, user_id, session_id), conclusion_id, observer=None)

    @operation
    def update(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        conclusion_id: str,
        content: Optional[str] = None,
        importance: Optional[int] = None,
        pinned: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Put other words in its place, say how much it matters, pin or unpin it; return what stands now."""
        return _at_places.correct(
            _places.session(app_id, user_id, session_id),
            conclusion_id,
            content=content,
            importance=importance,
            pinned=pinned,
            reason=reason,
            observer=None,
        )

    @operation
    def delete(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        conclusion_id: str,
        reason: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Retract a statement: it stays out, whoever says it again."""
        return _at_places.retract(
            _places.session(app_id, user_id, session_id), conclusion_id, reason=reason, observer=None
        )


class ProjectConclusions(Resource[M]):
    """The statements about a project."""

    @paged
    def list(
        self,
        *,
        app_id: str,
        project_id: str,
        standing: Optional[bool] = None,
        pinned: Optional[bool] = None,
        retracted: Optional[bool] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[models.KnownConclusion]:
        """Return what was ever concluded, newest first."""
        return _at_places.conclusions(
            _places.project(app_id, project_id),
            standing=standing,
            pinned=pinned,
            retracted=retracted,
            observer=None,
            cursor=cursor,
            limit=limit,
        )

    @operation
    def create(
        self,
        *,
        app_id: str,
        project_id: str,
        content: str,
        about: Optional[str] = None,
        importance: Optional[int] = None,
        reason: Optional[str] = None,
        id: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Add a statement that stands whatever a model says. ``importance`` is 1 to 5."""
        return _at_places.conclude(
            _places.project(app_id, project_id),
            content,
            about=about,
            importance=importance,
            reason=reason,
            id=id,
            observer=None,
        )

    @operation
    def get(
        self,
        *,
        app_id: str,
        project_id: str,
        conclusion_id: str,
    ) -> Call[models.KnownConclusion]:
        """Return a statement, whether it stands or not."""
        return _at_places.conclusion(_places.project(app_id, project_id), conclusion_id, observer=None)

    @operation
    def update(
        self,
        *,
        app_id: str,
        project_id: str,
        conclusion_id: str,
        content: Optional[str] = None,
        importance: Optional[int] = None,
        pinned: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Put other words in its place, say how much it matters, pin or unpin it; return what stands now."""
        return _at_places.correct(
            _places.project(app_id, project_id),
            conclusion_id,
            content=content,
            importance=importance,
            pinned=pinned,
            reason=reason,
            observer=None,
        )

    @operation
    def delete(
        self,
        *,
        app_id: str,
        project_id: str,
        conclusion_id: str,
        reason: Optional[str] = None,
    ) -> Call[models.KnownConclusion]:
        """Retract a statement: it stays out, whoever says it again."""
        return _at_places.retract(_places.project(app_id, project_id), conclusion_id, reason=reason, observer=None)
