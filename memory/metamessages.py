"""Metamessages: notes of a client about a user, a session or a message. They lie beside the log and may change."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from memory import ids, validation
from memory.conf import MemorySettings
from memory.errors import Invalid, NotFound
from memory.models import Event, Metamessage, Session, User
from memory.models.log import CONTENT_LENGTH
from memory.models.metamessages import LABEL_LENGTH


def of(
    user: User, *, session: Session | None = None, message: str | None = None, label: str | None = None
) -> QuerySet[Metamessage]:
    """Return the metamessages of a user, or only those of a session, of a message's id, under a label."""
    rows = Metamessage.objects.filter(user=user)
    if session is not None:
        rows = rows.filter(session=session)
    if message is not None:
        by_id = ids.decode(message)
        rows = rows.none() if by_id is None else rows.filter(message=by_id)
    if label is not None:
        rows = rows.filter(label=label)
    return rows


def find(rows: QuerySet[Metamessage], ref: str) -> Metamessage:
    """Return the one of ``rows`` that has this id, or raise :class:`NotFound`."""
    by_id = ids.decode(ref)
    found = None if by_id is None else rows.filter(pk=by_id).first()
    if found is None:
        raise NotFound("Metamessage not found")
    return found


def make(
    user: User,
    label: str,
    content: str,
    *,
    session: Session | None = None,
    message: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Metamessage:
    """Make a metamessage about a user, a session of theirs, or a message of it by its id.

    Raises :class:`Invalid` for what cannot be stored and for a message without a session, :class:`NotFound` for a
    message that the session does not have.
    """
    return Metamessage.objects.create(
        app_id=user.app_id,
        user=user,
        session=session,
        message=None if message is None else _message(session, message),
        label=_label(label),
        content=validation.text(content, ("content",), most=CONTENT_LENGTH),
        metadata=_metadata(metadata or {}),
    )


def change(
    row: Metamessage,
    *,
    label: str | None = None,
    session: Session | None = None,
    message: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Metamessage:
    """Put a metamessage under another label, session or message, or replace its metadata wholly; None leaves each.

    Raises what :func:`make` raises.
    """
    if label is not None:
        row.label = _label(label)
    if session is not None and session.pk != row.session_id:
        if row.message_id is not None and message is None:
            raise Invalid("It is about a message of another session; give message_id too.", ("message_id",))
        row.session = session
    if message is not None:
        row.message = _message(row.session, message)
    if metadata is not None:
        row.metadata = _metadata(metadata)
    row.save(update_fields=["label", "session", "message", "metadata"])
    return row


def _message(session: Session | None, ref: str) -> Event:
    if session is None:
        raise Invalid("Give session_id too: a message is one of a session.", ("message_id",), "missing")
    message_id = ids.decode(ref)
    found = Event.objects.filter(session=session, kind="message", pk=message_id).first() if message_id else None
    if found is None:
        raise NotFound(f"Message '{ref}' not found in this session")
    return found


def _label(value: str) -> str:
    return validation.text(value, ("metamessage_type",), most=LABEL_LENGTH, least=1)


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    validation.metadata(value, ("metadata",), most=MemorySettings.load().data_bytes)
    return value
