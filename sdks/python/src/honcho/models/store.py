"""What is stored: apps, users, sessions, and the log. (Types are written as Python 3.9 can read them at run time.)"""

from datetime import datetime
from typing import Any, Optional, Union

from typing_extensions import Required, TypedDict

from honcho.models.base import Model


class App(Model):
    """A tenant."""

    id: str
    name: str
    metadata: dict[str, Any]
    created_at: datetime


class User(Model):
    """Someone who is remembered."""

    id: str
    name: str
    app_id: str
    metadata: dict[str, Any]
    created_at: datetime


class Session(Model):
    """A conversation."""

    id: str
    name: Optional[str]
    is_active: bool
    user_id: str
    app_id: str
    metadata: dict[str, Any]
    created_at: datetime


class Deleted(Model):
    """What a deletion says."""

    message: str


class Message(Model):
    """An event of the kind ``message``."""

    id: str
    client_id: Optional[str]
    content: str
    is_user: bool
    session_id: str
    metadata: dict[str, Any]
    created_at: datetime
    app_id: str
    user_id: str
    token_count: int


class NewMessage(TypedDict, total=False):
    """A message to append. ``id`` is your own: sent again with the same content, the message is stored once."""

    content: Required[str]
    is_user: Required[bool]
    metadata: dict[str, Any]
    id: str
    occurred_at: Union[datetime, str]


class Event(Model):
    """One immutable row of the log."""

    id: str
    client_id: Optional[str]
    kind: str
    content: str
    data: Any
    metadata: dict[str, Any]
    author: Optional[str]
    origin: str
    app_id: str
    session_id: Optional[str]
    user_id: Optional[str]
    project_id: Optional[str]
    occurred_at: datetime
    recorded_at: datetime
    token_count: int


class WrittenEvent(Event):
    """An event as it was stored; ``created`` is False where an earlier write with its ``id`` had stored it."""

    created: bool


class NewEvent(TypedDict, total=False):
    """An event to append. ``id`` is your own: sent again with the same content, the event is stored once."""

    kind: str
    content: str
    data: Any
    metadata: dict[str, Any]
    author: str
    origin: str
    is_user: bool
    id: str
    occurred_at: Union[datetime, str]
    project: str


class Metamessage(Model):
    """A note on a user, a session or a message."""

    id: str
    label: str
    metamessage_type: str
    content: str
    user_id: str
    app_id: str
    session_id: Optional[str]
    message_id: Optional[str]
    metadata: dict[str, Any]
    created_at: datetime


class Collection(Model):
    """Documents that belong together."""

    id: str
    name: str
    user_id: str
    app_id: str
    metadata: dict[str, Any]
    created_at: datetime


class Document(Model):
    """A text that can be searched."""

    id: str
    content: str
    metadata: dict[str, Any]
    created_at: datetime
    collection_id: str
    app_id: str
    user_id: str
