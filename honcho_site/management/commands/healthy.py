"""``manage.py healthy``: does the web server, or the worker, do its work? For the health checks of containers."""

from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

TIMEOUT = 8.0
SILENCE_SECONDS = 180.0  # of a drainer: with django-q2 there may be a minute between two


class Command(BaseCommand):
    """Ends with 0 if all is well, and with 1 and the reason if not."""

    help = "Ask the web server on this machine whether it is ready, or see whether the worker gives signs of life."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which of the two."""
        parser.add_argument("--worker", action="store_true", help="look at the worker, not at the web server")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the web server")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask."""
        if options["worker"]:
            check_worker()
        else:
            check_web(options["port"])
        self.stdout.write("healthy")


def check_web(port: int) -> None:
    """Ask the web server as if by a name that it answers to."""
    names = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host not in ("*", ".")]
    headers = {"Host": names[0]} if names else {}
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", headers=headers, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise CommandError(f"The web server does not answer ({error or type(error).__name__}).") from error
    if answer.is_error:
        raise CommandError(f"The web server is not ready: {answer.status_code} {answer.text[:500]}")


def check_worker() -> None:
    """Look when a drainer last gave a sign of life."""
    from reasoning.models import Worker

    newest = Worker.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if newest is None:
        raise CommandError("No worker has begun yet.")
    silence = (timezone.now() - newest).total_seconds()
    if silence > SILENCE_SECONDS:
        raise CommandError(f"No worker has given a sign of life for {silence:.0f} s.")
