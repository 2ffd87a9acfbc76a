"""Finding and making apps, users, projects and sessions.

Whatever is made here gets its subject in the same transaction, so that an event of it always has a feed to join.
Everywhere a ``ref`` is a public id or a name; an id is tried first.
"""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from memory import ids, validation
from memory.conf import MemorySettings
from memory.errors import Conflict, Erased, NotFound
from memory.models import App, Collection, Erasure, Participant, Project, Session, Subject, User

M = TypeVar("M", bound=Model)
T = TypeVar("T", App, User, Project, Session, Collection)


def find_in(rows: QuerySet[M], ref: str) -> M | None:
    """Return the one of ``rows`` that has this id or, where none does, this name."""
    by_id = ids.decode(ref)
    if by_id is not None:
        found = rows.filter(pk=by_id).first()
        if found is not None:
            return found
    return rows.filter(name=ref).first()


def find_app(ref: str) -> App:
    """Return the app, or raise :class:`NotFound`."""
    found = find_in(App.objects.all(), ref)
    if found is None:
        raise NotFound("App not found")
    return found


def find_user(app_id: UUID, ref: str) -> User:
    """Return the app's user, or raise :class:`NotFound`."""
    found = find_in(User.objects.filter(app_id=app_id), ref)
    if found is None:
        raise NotFound("User not found")
    return found


def find_project(app_id: UUID, ref: str) -> Project:
    """Return the app's project, or raise :class:`NotFound`."""
    found = find_in(Project.objects.filter(app_id=app_id), ref)
    if found is None:
        raise NotFound("Project not found")
    return found


def find_session(user: User, ref: str) -> Session:
    """Return the user's session, or raise :class:`NotFound`.

    A name means a session that the user owns; an id, any session that the user owns or takes part in.
    """
    by_id = ids.decode(ref)
    if by_id is not None:
        sessions = Session.objects.filter(app_id=user.app_id, pk=by_id)
        found = sessions.filter(owner=user).first() or sessions.filter(participations__user=user).first()
        if found is not None:
            return found
    named = Session.objects.filter(owner=user, name=ref).first()
    if named is None:
        raise NotFound("Session not found or does not belong to user")
    return named


def _make(model: type[M], conflict: str, defaults: dict[str, Any] | None, **key: Any) -> tuple[M, bool]:
    """Get or create; where ``conflict`` is given and the row is there already, raise :class:`Conflict`."""
    _check_metadata((defaults or {}).get("metadata", {}))
    row, created = model._default_manager.get_or_create(**key, defaults=defaults or {})
    if conflict and not created:
        raise Conflict(conflict)
    if created:
        _check_not_erased(key["name"])
    return row, created


def _check_not_erased(name: str) -> None:
    """Refuse to name something new by the id of what was erased: whoever still has that id means the erased one."""
    by_id = ids.decode(name)
    if by_id is not None and Erasure.objects.filter(target=by_id).exists():
        raise Erased("What had this id was erased.")


def _check_metadata(metadata: Any) -> None:
    validation.metadata(metadata, ("metadata",), most=MemorySettings.load().data_bytes)


@transaction.atomic
def make_app(name: str, metadata: dict[str, Any] | None = None, *, fresh: bool = False) -> tuple[App, bool]:
    """Return the app of that name and whether it was made now; ``fresh`` makes an existing one a :class:`Conflict`."""
    validation.name(name, ("name",))
    taken = f"App with name '{name}' already exists" if fresh else ""
    return _make(App, taken, {"metadata": metadata or {}}, name=name)


@transaction.atomic
def make_user(app: App, name: str, metadata: dict[str, Any] | None = None, *, fresh: bool = False) -> tuple[User, bool]:
    """Return the app's user of that name and whether it was made now; see :func:`make_app` for ``fresh``."""
    validation.name(name, ("name",))
    taken = f"User with name '{name}' already exists" if fresh else ""
    user, created = _make(User, taken, {"metadata": metadata or {}}, app=app, name=name)
    if created:
        Subject.objects.create(app=app, kind=Subject.Kind.USER, user=user)
    return user, created


@transaction.atomic
def make_project(
    app: App, name: str, metadata: dict[str, Any] | None = None, *, fresh: bool = False
) -> tuple[Project, bool]:
    """Return the app's project of that name and whether it was made now; see :func:`make_app` for ``fresh``."""
    validation.name(name, ("name",))
    taken = f"Project with name '{name}' already exists" if fresh else ""
    project, created = _make(Project, taken, {"metadata": metadata or {}}, app=app, name=name)
    if created:
        Subject.objects.create(app=app, kind=Subject.Kind.PROJECT, project=project)
    return project, created


@transaction.atomic
def make_session(
    app: App,
    owner: User | None,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    project: Project | None = None,
    fresh: bool = False,
) -> tuple[Session, bool]:
    """Return the session and whether it was made now. Without a name it is always a new one.

    The owner takes part in it. ``fresh`` as in :func:`make_app`.
    """
    defaults = {"metadata": metadata or {}, "project": project}
    if name is None:
        _check_metadata(defaults["metadata"])
        session, created = Session.objects.create(app=app, owner=owner, **defaults), True
    else:
        validation.name(name, ("name",))
        taken = f"Session with name '{name}' already exists" if fresh else ""
        session, created = _make(Session, taken, defaults, app=app, owner=owner, name=name)
    if created:
        Subject.objects.create(app=app, kind=Subject.Kind.SESSION, session=session)
        if owner is not None:
            join(session, owner)
    return session, created


def change(row: T, *, name: str | None = None, metadata: dict[str, Any] | None = None) -> T:
    """Rename an app, user, project, session or collection, or replace its metadata wholly; None leaves either.

    Raises :class:`Conflict` for a name that is taken.
    """
    changed = []
    if name is not None:
        row.name = validation.name(name, ("name",))
        changed.append("name")
    if metadata is not None:
        _check_metadata(metadata)
        row.metadata = metadata
        changed.append("metadata")
    try:
        with transaction.atomic():
            if changed:
                row.save(update_fields=changed)
    except IntegrityError:
        raise Conflict(f"{type(row).__name__} with name '{name}' already exists") from None
    return row


def end_session(session: Session) -> None:
    """Mark a session as no longer active; what was said in it stays."""
    Session.objects.filter(pk=session.pk).update(is_active=False)


def sessions_of(user: User) -> QuerySet[Session]:
    """Return the sessions that a user takes part in."""
    return Session.objects.filter(app_id=user.app_id, participations__user=user)


@transaction.atomic
def join(
    session: Session, user: User, *, observed: bool | None = None, observes_others: bool | None = None
) -> Participant:
    """Let ``user`` take part in ``session``, or change how; ``None`` leaves a setting as it is.

    Makes the subjects of whom each observing participant sees from now on.
    """
    asked = {"observed": observed, "observes_others": observes_others}
    changes = {key: value for key, value in asked.items() if value is not None}
    participant, _ = Participant.objects.update_or_create(
        session=session, user=user, defaults=changes, create_defaults={"app_id": session.app_id, **changes}
    )
    others = Participant.objects.filter(session=session).exclude(user=user)
    seen_by = others.filter(observes_others=True) if participant.observed else others.none()
    sees = others.filter(observed=True) if participant.observes_others else others.none()
    pairs = [(other.user_id, user.pk) for other in seen_by] + [(user.pk, other.user_id) for other in sees]
    for observer_id, seen_id in pairs:
        Subject.objects.get_or_create(
            app_id=session.app_id, kind=Subject.Kind.OBSERVED, observer_id=observer_id, user_id=seen_id
        )
    return participant


def subject_of(thing: User | Session | Project, observer: User | None = None) -> Subject:
    """Return the subject of a user (as ``observer`` sees them, if given), session or project.

    Raises :class:`NotFound` where ``observer`` has never observed the user.
    """
    if isinstance(thing, User) and observer is not None:
        found = Subject.objects.filter(kind=Subject.Kind.OBSERVED, observer=observer, user=thing).first()
        if found is None:
            raise NotFound(f"{observer} does not observe {thing}")
        return found
    kind = {User: Subject.Kind.USER, Session: Subject.Kind.SESSION, Project: Subject.Kind.PROJECT}[type(thing)]
    return Subject.objects.get(kind=kind, **{kind.value: thing})
