"""The site as a WSGI application."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")

_django = get_wsgi_application()

from honcho_site.processes import SLOTS  # noqa: E402 - Django must be set up before
from memory import slots  # noqa: E402

slots.limit(SLOTS)


class Body:
    """The body of a request, for what Django asks of it. Who sends it slowly keeps no slot from others."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as soon as they are there."""
        with slots.rest():
            return bytes(self._body.read(size))

    def readline(self, size: int = -1) -> bytes:
        """Return the next line, as soon as it is there."""
        with slots.rest():
            return bytes(self._body.readline(size))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request in a slot, which it leaves while it waits, and at last when its answer is whole or a stream."""
    environ["wsgi.input"] = Body(environ["wsgi.input"])
    with slots.work():
        return _django(environ, start_response)
