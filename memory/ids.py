"""Identifiers: UUIDv7 inside, 22 URL-safe characters outside."""

from __future__ import annotations

import uuid
from datetime import datetime

import shortuuid
from uuid_utils.compat import uuid7

__all__ = ["decode", "encode", "first_at", "uuid7"]

PUBLIC_ID_LENGTH = 22


def encode(value: uuid.UUID) -> str:
    """Return the public form of an id: 22 characters that sort as the ids do."""
    return shortuuid.encode(value)


def decode(text: str) -> uuid.UUID | None:
    """Return the id whose public form is ``text``, or ``None`` if no id has that form."""
    if len(text) != PUBLIC_ID_LENGTH:
        return None
    try:
        return shortuuid.decode(text)
    except ValueError:
        return None


def first_at(moment: datetime) -> uuid.UUID:
    """Return the lowest id that something made at a moment has: ids follow time, to the millisecond."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
