"""The Python client of Honcho for Django::

from honcho import Honcho

honcho = Honcho(base_url="http://localhost:8000", api_key="hk_...")
place = {"app_id": "my-app", "user_id": "user-123", "session_id": "session-456"}
honcho.apps.users.sessions.messages.create(**place, content="I prefer Python", is_user=True)
print(honcho.apps.users.sessions.get_context(**place))
"""

from honcho import models
from honcho._call import When
from honcho._version import __version__
from honcho.buffer import AsyncBuffer, Buffer, FailedEvents
from honcho.client import AsyncHoncho, Honcho
from honcho.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BufferFullError,
    ConflictError,
    HonchoError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    UnsentEventsError,
)
from honcho.pages import AsyncPage, AsyncPages, Page
from honcho.streams import AsyncStream, Stream

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBuffer",
    "AsyncHoncho",
    "AsyncPage",
    "AsyncPages",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "Buffer",
    "BufferFullError",
    "ConflictError",
    "FailedEvents",
    "Honcho",
    "HonchoError",
    "InternalServerError",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "RateLimitError",
    "Stream",
    "UnprocessableEntityError",
    "UnsentEventsError",
    "When",
    "__version__",
    "models",
]
