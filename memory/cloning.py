"""Copies of sessions: a conversation that goes on from the same words in two ways.

A clone's events are appended to the log like any others, with ids of their own and the times of the first. They join
the feed of the new session alone, so that it can be summed up. For whoever takes part, and for the project, what was
said was said once: those have read the first, and would count the copies as evidence a second time. A copy names what
it repeats, so that it is erased with it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from memory import ids, log, tenants
from memory.conf import MemorySettings
from memory.errors import NotFound
from memory.models import App, Event, Metamessage, Session, User
from memory.places import Place, open_place


@transaction.atomic
def clone(user: User, session: Session, *, upto: str | None = None, deep: bool = False) -> Session:
    """Return a new session of ``user`` with the metadata, the participants and the events of one they take part in.

    ``upto`` is the id of the last message to copy; ``deep`` copies the user's metamessages as well, but those of
    messages that are not copied. What humans said of statements (``correction``) is not copied: it was said of the
    first session. Raises :class:`NotFound` for a message that the session does not have.
    """
    events = Event.objects.filter(session=session).exclude(kind="correction")
    if upto is not None:
        events = events.filter(pk__lte=_message_id(session, upto))
    copy, _ = tenants.make_session(App(id=session.app_id), user, metadata=session.metadata, project=session.project)
    for one in session.participations.select_related("user"):
        tenants.join(copy, one.user, observed=one.observed, observes_others=one.observes_others)
    twins = _copy_events(events, copy)
    if deep:
        _copy_metamessages(Metamessage.objects.filter(user=user, session=session), copy, twins)
    return copy


def _message_id(session: Session, ref: str) -> UUID:
    message_id = ids.decode(ref)
    if message_id is None or not Event.objects.filter(session=session, kind="message", pk=message_id).exists():
        raise NotFound(f"Message '{ref}' not found in this session")
    return message_id


def _copy_events(events: QuerySet[Event], copy: Session) -> dict[UUID, UUID]:
    """Append copies in the same order; return their ids by those of the first."""
    place = _place(copy)
    most = MemorySettings.load().batch_events
    twins: dict[UUID, UUID] = {}
    rest = events.order_by("pk").iterator(chunk_size=most)
    while part := list(islice(rest, most)):
        logged = log.append_at(place, [_copied(event) for event in part])
        twins |= {event.pk: twin.id for event, twin in zip(part, logged, strict=True)}
    return twins


def _place(copy: Session) -> Place:
    """Return where the copies go: into the feed of their session and no other, and not even there if none is wanted."""
    own = tenants.subject_of(copy).pk
    place = open_place(ids.encode(copy.app_id), ids.encode(copy.owner_id) if copy.owner_id else None, copy.public_id)
    return replace(place, subject_ids=tuple(pk for pk in place.subject_ids if pk == own))


def _copied(event: Event) -> log.NewEvent:
    return log.NewEvent(
        content=event.content,
        kind=event.kind,
        data=event.data,
        metadata=event.metadata,
        author=None if event.author_id is None else ids.encode(event.author_id),
        origin=event.origin,
        occurred_at=event.occurred_at,
        client_id=event.client_id,
        copied_from=event.pk,
    )


def _copy_metamessages(rows: QuerySet[Metamessage], copy: Session, twins: dict[UUID, UUID]) -> None:
    Metamessage.objects.bulk_create(
        Metamessage(
            app_id=row.app_id,
            user_id=row.user_id,
            session=copy,
            message_id=None if row.message_id is None else twins[row.message_id],
            label=row.label,
            content=row.content,
            metadata=row.metadata,
        )
        for row in rows.order_by("pk")
        if row.message_id is None or row.message_id in twins
    )
