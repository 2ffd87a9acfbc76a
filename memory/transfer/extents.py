"""What belongs to an app, a user or a project, as an export holds it.

A user's holds the sessions that they own or take part in, and all that was said there: what is known of them rests on
it. A project's holds the project's own events and what is known of the project. Whom else these speak of is named in
it, as a reference, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, Exists, Model, OuterRef, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable

from memory.models import (
    App,
    Collection,
    Conclusion,
    Document,
    Event,
    Evidence,
    FeedEntry,
    Metamessage,
    Participant,
    Project,
    Representation,
    Session,
    Subject,
    User,
)
from memory.transfer.formats import REFERENCE_COLUMNS, Table

Rows = QuerySet[Any]

_WITHHELD: Mapping[str, Any] = {
    "text": "", "line_tokens": [], "card": [], "now": "", "short_summary": "", "long_summary": "", "draft": None,
}  # fmt: skip
"""What of a quarantined version only an operator gets: it may hold a secret, or orders to whoever reads it."""


@dataclass(frozen=True)
class Extent:
    """What an export holds: of an app, or of one user or project of it.

    ``views``: how users are seen by other users belongs to it. ``quarantined``: what quarantined versions say does.
    """

    app: App
    user: User | None = None
    project: Project | None = None
    views: bool = True
    quarantined: bool = True
    _memo: dict[str, Rows] = field(default_factory=dict, repr=False)

    @property
    def what(self) -> str:
        """``app``, ``user`` or ``project``."""
        return "user" if self.user else "project" if self.project else "app"

    @property
    def name(self) -> str:
        """The name of what is exported."""
        return (self.user or self.project or self.app).name

    @property
    def public_id(self) -> str:
        """The id of what is exported."""
        return (self.user or self.project or self.app).public_id

    def rows(self, table: Table) -> Rows:
        """Return the rows of a type of line, in order."""
        found: Rows
        if self.what == "app":
            own = "app" if table.subject is None else f"{table.subject}__app"
            found = table.model._default_manager.filter(**{own: self.app})
        elif table.subject is not None:
            found = table.model._default_manager.filter(**{f"{table.subject}__in": self._of(Subject)})
        else:
            found = self._of(table.model)
        if table.model is Evidence:  # it stays where its event is archived: who imports the file knows nothing of that
            found = found.filter(Exists(Event.objects.filter(pk=OuterRef("event_id"))))
        return found.order_by(*table.order)

    def columns(self, table: Table) -> list[str | Combinable]:
        """Return what to ask for of a type of line."""
        if self.quarantined or table.model is not Representation:
            return list(table.columns)
        return [_unless_quarantined(table, name) if name in _WITHHELD else name for name in table.columns]

    def references(self, kind: str) -> Rows | None:
        """Return the users, projects or sessions that its rows name without their being part; None where all are."""
        if self.what == "app":
            return None
        return self._references(kind).order_by("pk").values_list(*REFERENCE_COLUMNS[kind])

    def _references(self, kind: str) -> Rows:
        events = self._of(Event)
        sessions, subjects = self._of(Session), self._of(Subject)
        if kind == "session":
            named: list[Rows] = [events.values("session")]
            model: type[Model] = Session
        elif kind == "project":
            named = [events.values("project"), sessions.values("project")]
            model = Project
        else:
            about = Conclusion.objects.filter(subject__in=subjects).values("about")
            named = [
                *(events.values(column) for column in ("author", "user")),
                *(subjects.values(column) for column in ("user", "observer")),
                *(rows.values("owner") for rows in (sessions, self._references("session"))),
                self._of(Participant).values("user"),
                about,
            ]
            model = User
        own = self._of(model).values("pk")
        return model._default_manager.filter(pk__in=_any(named)).exclude(pk__in=own)

    def _of(self, model: type[Model]) -> Rows:
        """Return the rows of a table that has no subject, of a user's or a project's export."""
        if model.__name__ not in self._memo:
            self._memo[model.__name__] = self._of_user(model) if self.user else self._of_project(model)
        return self._memo[model.__name__]

    def _of_user(self, model: type[Model]) -> Rows:
        rows = model._default_manager.filter(app=self.app)
        if model is User:
            return rows.filter(pk=self.user.pk if self.user else None)
        if model is Session:
            own = [_ids(Session, owner=self.user), _ids(Session, participations__user=self.user)]
            return rows.filter(pk__in=_any(own))
        if model is Participant:
            return rows.filter(session__in=self._of(Session))
        if model is Subject:
            own = [_ids(Subject, kind="user", user=self.user), _ids(Subject, session__in=self._of(Session))]
            views = [_ids(Subject, kind="observed", user=self.user), _ids(Subject, observer=self.user)]
            return rows.filter(pk__in=_any([*own, *(views if self.views else [])]))
        if model is Event:
            said = [_ids(Event, session__in=self._of(Session)), _ids(Event, user=self.user, session=None)]
            return rows.filter(pk__in=_any([*said, self._fed()]))
        if model is Collection:
            return rows.filter(user=self.user)
        if model is Document:
            return rows.filter(collection__in=self._of(Collection))
        if model is Metamessage:
            return rows.filter(Q(session=None) | Q(session__in=self._of(Session)), user=self.user)
        return rows.none()

    def _of_project(self, model: type[Model]) -> Rows:
        rows = model._default_manager.filter(app=self.app)
        if model is Project:
            return rows.filter(pk=self.project.pk if self.project else None)
        if model is Subject:
            return rows.filter(project=self.project)
        if model is Event:
            return rows.filter(pk__in=_any([_ids(Event, project=self.project), self._fed()]))
        return rows.none()

    def _fed(self) -> Rows:
        return FeedEntry.objects.filter(subject__in=self._of(Subject)).values("event")


def _unless_quarantined(table: Table, name: str) -> Case:
    column = table.fields[name]
    nothing = Value(_WITHHELD[name], output_field=column)
    quarantined = Q(status=Representation.Status.QUARANTINED)
    return Case(When(quarantined, then=nothing), default=name, output_field=column)


def _ids(model: type[Model], **which: Any) -> Rows:
    return model._default_manager.filter(**which).values("pk")


def _any(named: Iterable[Rows]) -> Rows:
    """Return the ids that any of these queries gives: as a union each is found by its own index."""
    first, *rest = (rows.order_by() for rows in named)
    return first.union(*rest)
