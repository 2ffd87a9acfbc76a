"""Identifiers: UUIDv7 inside, 22 URL-safe characters outside."""

from __future__ import annotations

import uuid

import shortuuid
from uuid_utils.compat import uuid7

__all__ = ["decode", "encode", "uuid7"]

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
