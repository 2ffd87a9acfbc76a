"""``manage.py consolidate``: have what is known gone over now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import reading, tenants
from memory.errors import Refusal
from reasoning import consolidation


class Command(BaseCommand):
    """``consolidate [APP [--user USER [--observer USER]] [--session SESSION] [--project PROJECT]]``."""

    help = (
        "Mark what is known to be gone over by the workers: of one user, session or project, of a whole app, or, "
        "without an app, of all that is due. Each is a call of the model."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("app", nargs="?", help="Name or id of the app.")
        parser.add_argument("--user", help="Name or id of the user.")
        parser.add_argument("--observer", help="Name or id of the user as whom to look at the user.")
        parser.add_argument("--session", help="Name or id of the user's session.")
        parser.add_argument("--project", help="Name or id of the project.")

    def handle(self, *args: Any, app: str | None, **options: Any) -> None:
        """Mark the work; workers do it."""
        named = {part: options[part] for part in ("user", "observer", "session", "project") if options[part]}
        if app is None and named:
            raise CommandError("Name the app as well.")
        if "project" in named and len(named) > 1:
            raise CommandError("Give --project by itself.")
        if named and named.keys().isdisjoint({"user", "project"}):
            raise CommandError("Give --user as well.")
        try:
            marked = self._mark(app, named)
        except Refusal as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Subjects that are gone over next: {marked:,}.")

    def _mark(self, app: str | None, named: dict[str, Any]) -> int:
        if app is None:
            return consolidation.mark_due()
        if not named:
            return consolidation.ask_for_all(tenants.find_app(app))
        consolidation.ask_for(reading.subject(app, **named), by="manage.py")
        return 1
