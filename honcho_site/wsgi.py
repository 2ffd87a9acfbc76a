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


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request in a slot, which it leaves while it waits, and at last when its answer is whole or a stream."""
    with slots.work():
        return _django(environ, start_response)
