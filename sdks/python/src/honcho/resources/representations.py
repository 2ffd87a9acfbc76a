"""What is concluded: about a user, a session, a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Union

from honcho import models
from honcho._call import Call, When
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _at_places, _places


class UserRepresentation(Resource[M]):
    """What is concluded about a user."""

    @operation
    def get(
        self,
        *,
        app_id: str,
        user_id: str,
        at: Optional[When] = None,
        version: Optional[int] = None,
        observer: Optional[str] = None,
        tokens: Optional[int] = None,
        wait: Optional[float] = None,
    ) -> Call[models.Representation]:
        """Return what is served now, at a moment (or age, ``7d``), or in a version, with its statements.

        ``wait``: up to so many seconds for everything written until now to be read.
        """
        return _at_places.representation(
            _places.user(app_id, user_id), at=at, version=version, observer=observer, tokens=tokens, wait=wait
        )

    @paged
    def versions(
        self,
        *,
        app_id: str,
        user_id: str,
        observer: Optional[str] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[models.Version]:
        """Return the history, newest first."""
        return _at_places.versions(_places.user(app_id, user_id), observer=observer, cursor=cursor, limit=limit)

    @operation
    def version(
        self,
        *,
        app_id: str,
        user_id: str,
        number: int,
        observer: Optional[str] = None,
    ) -> Call[models.VersionDetail]:
        """Return one version: its text, and what it added and retired."""
        return _at_places.version(_places.user(app_id, user_id), number, observer=observer)

    @operation
    def keep(
        self,
        *,
        app_id: str,
        user_id: str,
        number: int,
        reason: str,
        observer: Optional[str] = None,
    ) -> Call[models.VersionDetail]:
        """Keep a version whole, however old it gets."""
        return _at_places.keep(_places.user(app_id, user_id), number, reason=reason, observer=observer)

    @operation
    def release(
        self,
        *,
        app_id: str,
        user_id: str,
        number: int,
        observer: Optional[str] = None,
    ) -> Call[models.VersionDetail]:
        """Let a version be thinned like any other when it is old."""
        return _at_places.release(_places.user(app_id, user_id), number, observer=observer)

    @operation
    def diff(
        self,
        *,
        app_id: str,
        user_id: str,
        from_: Optional[Union[int, When]] = None,
        to: Optional[Union[int, When]] = None,
        tokens: Optional[int] = None,
        include: Optional[Sequence[str]] = None,
        observer: Optional[str] = None,
    ) -> Call[models.Diff]:
        """Return what changed between two versions, moments or ages: ``from_="7d"`` is the last week."""
        return _at_places.diff(
            _places.user(app_id, user_id), from_=from_, to=to, tokens=tokens, include=include, observer=observer
        )

    @operation
    def explain(
        self,
        *,
        app_id: str,
        user_id: str,
        conclusion: str,
        observer: Optional[str] = None,
    ) -> Call[models.Explanation]:
        """Return why a sentence is there. ``conclusion`` is its id, its text, or how that begins."""
        return _at_places.explain(_places.user(app_id, user_id), conclusion, observer=observer)

    @operation
    def rollback(
        self,
        *,
        app_id: str,
        user_id: str,
        to: int,
        reason: str,
        then: Optional[str] = None,
        observer: Optional[str] = None,
    ) -> Call[models.Representation]:
        """Make a new version that equals version ``to``. ``then``: what was read since stays so (``stay``), or is
        read again (``reason_again``)."""
        return _at_places.roll_back(_places.user(app_id, user_id), to=to, reason=reason, then=then, observer=observer)

    @operation
    def feedback(
        self,
        *,
        app_id: str,
        user_id: str,
        version: int,
        score: float,
        comment: Optional[str] = None,
        observer: Optional[str] = None,
    ) -> Call[models.Feedback]:
        """Say how well a version served, from -1 (harmful) to 1 (just right)."""
        return _at_places.give_feedback(
            _places.user(app_id, user_id), version=version, score=score, comment=comment, observer=observer
        )

    @operation
    def consolidate(
        self,
        *,
        app_id: str,
        user_id: str,
        observer: Optional[str] = None,
    ) -> Call[models.Consolidation]:
        """Have what is known gone over in the background: merged, patterns and contradictions found."""
        return _at_places.consolidate(_places.user(app_id, user_id), observer=observer)


class SessionRepresentation(Resource[M]):
    """What is concluded about a session."""

    @operation
    def get(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        at: Optional[When] = None,
        version: Optional[int] = None,
        tokens: Optional[int] = None,
        wait: Optional[float] = None,
    ) -> Call[models.Representation]:
        """Return what is served now, at a moment (or age, ``7d``), or in a version, with its statements.

        ``wait``: up to so many seconds for everything written until now to be read.
        """
        return _at_places.representation(
            _places.session(app_id, user_id, session_id),
            at=at,
            version=version,
            observer=None,
            tokens=tokens,
            wait=wait,
        )

    @paged
    def versions(
        self, *, app_id: str, user_id: str, session_id: str, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[models.Version]:
        """Return the history, newest first."""
        return _at_places.versions(
            _places.session(app_id, user_id, session_id), observer=None, cursor=cursor, limit=limit
        )

    @operation
    def version(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        number: int,
    ) -> Call[models.VersionDetail]:
        """Return one version: its text, and what it added and retired."""
        return _at_places.version(_places.session(app_id, user_id, session_id), number, observer=None)

    @operation
    def keep(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        number: int,
        reason: str,
    ) -> Call[models.VersionDetail]:
        """Keep a version whole, however old it gets."""
        return _at_places.keep(_places.session(app_id, user_id, session_id), number, reason=reason, observer=None)

    @operation
    def release(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        number: int,
    ) -> Call[models.VersionDetail]:
        """Let a version be thinned like any other when it is old."""
        return _at_places.release(_places.session(app_id, user_id, session_id), number, observer=None)

    @operation
    def diff(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        from_: Optional[Union[int, When]] = None,
        to: Optional[Union[int, When]] = None,
        tokens: Optional[int] = None,
        include: Optional[Sequence[str]] = None,
    ) -> Call[models.Diff]:
        """Return what changed between two versions, moments or ages: ``from_="7d"`` is the last week."""
        return _at_places.diff(
            _places.session(app_id, user_id, session_id),
            from_=from_,
            to=to,
            tokens=tokens,
            include=include,
            observer=None,
        )

    @operation
    def explain(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        conclusion: str,
    ) -> Call[models.Explanation]:
        """Return why a sentence is there. ``conclusion`` is its id, its text, or how that begins."""
        return _at_places.explain(_places.session(app_id, user_id, session_id), conclusion, observer=None)

    @operation
    def rollback(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        to: int,
        reason: str,
        then: Optional[str] = None,
    ) -> Call[models.Representation]:
        """Make a new version that equals version ``to``. ``then``: what was read since stays so (``stay``), or is
        read again (``reason_again``)."""
        return _at_places.roll_back(
            _places.session(app_id, user_id, session_id), to=to, reason=reason, then=then, observer=None
        )

    @operation
    def feedback(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
        version: int,
        score: float,
        comment: Optional[str] = None,
    ) -> Call[models.Feedback]:
        """Say how well a version served, from -1 (harmful) to 1 (just right)."""
        return _at_places.give_feedback(
            _places.session(app_id, user_id, session_id), version=version, score=score, comment=comment, observer=None
        )

    @operation
    def consolidate(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str,
    ) -> Call[models.Consolidation]:
        """Have what is known gone over in the background: merged, patterns and contradictions found."""
        return _at_places.consolidate(_places.session(app_id, user_id, session_id), observer=None)


class ProjectRepresentation(Resource[M]):
    """What is concluded about a project."""

    @operation
    def get(
        self,
        *,
        app_id: str,
        project_id: str,
        at: Optional[When] = None,
        version: Optional[int] = None,
        tokens: Optional[int] = None,
        wait: Optional[float] = None,
    ) -> Call[models.Representation]:
        """Return what is served now, at a moment (or age, ``7d``), or in a version, with its statements.

        ``wait``: up to so many seconds for everything written until now to be read.
        """
        return _at_places.representation(
            _places.project(app_id, project_id), at=at, version=version, observer=None, tokens=tokens, wait=wait
        )

    @paged
    def versions(
        self, *, app_id: str, project_id: str, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[models.Version]:
        """Return the history, newest first."""
        return _at_places.versions(_places.project(app_id, project_id), observer=None, cursor=cursor, limit=limit)

    @operation
    def version(
        self,
        *,
        app_id: str,
        project_id: str,
        number: int,
    ) -> Call[models.VersionDetail]:
        """Return one version: its text, and what it added and retired."""
        return _at_places.version(_places.project(app_id, project_id), number, observer=None)

    @operation
    def keep(
        self,
        *,
        app_id: str,
        project_id: str,
        number: int,
        reason: str,
    ) -> Call[models.VersionDetail]:
        """Keep a version whole, however old it gets."""
        return _at_places.keep(_places.project(app_id, project_id), number, reason=reason, observer=None)

    @operation
    def release(
        self,
        *,
        app_id: str,
        project_id: str,
        number: int,
    ) -> Call[models.VersionDetail]:
        """Let a version be thinned like any other when it is old."""
        return _at_places.release(_places.project(app_id, project_id), number, observer=None)

    @operation
    def diff(
        self,
        *,
        app_id: str,
        project_id: str,
        from_: Optional[Union[int, When]] = None,
        to: Optional[Union[int, When]] = None,
        tokens: Optional[int] = None,
        include: Optional[Sequence[str]] = None,
    ) -> Call[models.Diff]:
        """Return what changed between two versions, moments or ages: ``from_="7d"`` is the last week."""
        return _at_places.diff(
            _places.project(app_id, project_id), from_=from_, to=to, tokens=tokens, include=include, observer=None
        )

    @operation
    def explain(
        self,
        *,
        app_id: str,
        project_id: str,
        conclusion: str,
    ) -> Call[models.Explanation]:
        """Return why a sentence is there. ``conclusion`` is its id, its text, or how that begins."""
        return _at_places.explain(_places.project(app_id, project_id), conclusion, observer=None)

    @operation
    def rollback(
        self,
        *,
        app_id: str,
        project_id: str,
        to: int,
        reason: str,
        then: Optional[str] = None,
    ) -> Call[models.Representation]:
        """Make a new version that equals version ``to``. ``then``: what was read since stays so (``stay``), or is
        read again (``reason_again``)."""
        return _at_places.roll_back(_places.project(app_id, project_id), to=to, reason=reason, then=then, observer=None)

    @operation
    def feedback(
        self,
        *,
        app_id: str,
        project_id: str,
        version: int,
        score: float,
        comment: Optional[str] = None,
    ) -> Call[models.Feedback]:
        """Say how well a version served, from -1 (harmful) to 1 (just right)."""
        return _at_places.give_feedback(
            _places.project(app_id, project_id), version=version, score=score, comment=comment, observer=None
        )

    @operation
    def consolidate(
        self,
        *,
        app_id: str,
        project_id: str,
    ) -> Call[models.Consolidation]:
        """Have what is known gone over in the background: merged, patterns and contradictions found."""
        return _at_places.consolidate(_places.project(app_id, project_id), observer=None)
