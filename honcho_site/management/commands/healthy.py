"""``manage.py healthy``: does the web server, or the worker, do its work? For the health checks of containers."""

from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

TIMEOUT = 8.0


class Command(BaseCommand):
    """Ends with 0 if all is well, and with 1 and the reason if not."""

    help = "Ask the web server on this machine whether it is ready, or see whether the worker gives signs of life."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which of the two."""
        parser.add_argument("--worker", action="store_true", help="look at the worker, not at the web server")
        parser.add_argument(
            "--alive", action="store_true", help="ask only whether the web server answers, not whether all is ready"
        )
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the web server")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask."""
        if options["worker"]:
            check_worker()
        else:
            check_web(options["port"], "/healthz" if options["alive"] else "/readyz")
        self.stdout.write("healthy")


def check_web(port: int, path: str) -> None:
    """Ask the web server as if by a name that it answers to."""
    names = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host not in ("*", ".")]
    headers = {"Host": names[0]} if names else {}
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise CommandError(f"The web server does not answer ({error or type(error).__name__}).") from error
    if answer.is_error:
        raise CommandError(f"The web server is not well: {answer.status_code} {answer.text[:500]}")


def check_worker() -> None:
    """See what is wrong from the worker's side: the database, its migrations, signs of life."""
    from reasoning import health

    wrong = health.problems()
    if wrong:
        raise CommandError(" ".join(wrong.values()))
