"""What can be erased: an event, a session, a user, a project, an app; each with all that refers to it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Model

from memory import history, ids
from memory.errors import NotFound
from memory.models import App, Erasure, Event, Project, Session, User
from memory.places import Place

What = Erasure.What

MODELS: dict[str, type[Model]] = {
    What.EVENT: Event,
    What.SESSION: Session,
    What.USER: User,
    What.PROJECT: Project,
    What.APP: App,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing to be erased, of an app."""

    what: str
    app_id: UUID
    target: UUID

    @property
    def model(self) -> type[Model]:
        """The model of what is meant."""
        return MODELS[self.what]


def of(thing: Event | Session | User | Project | App) -> Scope:
    """Return what is meant by a row."""
    what = next(what for what, model in MODELS.items() if isinstance(thing, model))
    return Scope(what, thing.pk if isinstance(thing, App) else thing.app_id, thing.pk)


def find_event(place: Place, ref: str) -> Event:
    """Return an event of a session, user or project by its id, or raise :class:`NotFound`."""
    event_id = ids.decode(ref)
    found = None if event_id is None else history.events_of(place).filter(pk=event_id).first()
    if found is None:
        raise NotFound("Event not found")
    return found
