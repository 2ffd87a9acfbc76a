"""Make an API key and show it, this once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from memory import keys, places
from memory.errors import Invalid, Refusal
from memory.models import ApiKey


class Command(BaseCommand):
    """``create_api_key NAME --scope app --app my-app``: the key is the last line of the output."""

    help = "Make a key for the agent API. It is printed once, on the last line; only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="What the key is for; shown in the admin.")
        parser.add_argument("--scope", required=True, choices=ApiKey.Scope.values, help="What it opens.")
        parser.add_argument("--app", help="Name or id of the app; made if it is missing.")
        parser.add_argument("--user", help="Name or id of the user; made if it is missing.")
        parser.add_argument("--session", help="Name or id of the user's session; made if it is missing.")
        parser.add_argument("--project", help="Name or id of the project; made if it is missing.")
        parser.add_argument("--collection", help="Name or id of a collection of the user's; it must be there.")
        parser.add_argument("--read-only", action="store_true", help="Refuse every write with this key.")
        parser.add_argument("--rate-per-minute", type=int, metavar="N", help="How many requests it may make a minute.")
        parser.add_argument("--expires-days", type=float, metavar="N", help="The key ends after so many days.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key."""
        scope = options["scope"]
        given = {part: options[part] for part in ("app", "user", "session", "project", "collection")}
        for part, value in given.items():
            if part in keys.PATHS[scope] and not value:
                raise CommandError(f"A key of scope {scope} needs --{part}.")
            if part not in keys.PATHS[scope] and value:
                raise CommandError(f"A key of scope {scope} takes no --{part}.")
        expires_at = None
        if options["expires_days"] is not None:
            if not 0 < options["expires_days"] <= 36_500:
                raise CommandError("--expires-days takes a number of days above 0.")
            expires_at = timezone.now() + timedelta(days=options["expires_days"])
        if not 1 <= len(options["name"]) <= 200 or "\x00" in options["name"]:
            raise CommandError("A key's name has 1 to 200 characters.")
        try:
            key = self._make(
                scope,
                given,
                name=options["name"],
                read_only=options["read_only"],
                expires_at=expires_at,
                rate_per_minute=options["rate_per_minute"],
                created_by="create_api_key",
            )
        except Invalid as error:
            raise CommandError(f"{'.'.join(map(str, error.where))}: {error.message}") from error
        except Refusal as error:
            raise CommandError(error.message) from error
        self.stdout.write(key)

    @transaction.atomic
    def _make(self, scope: str, given: dict[str, str | None], **how: Any) -> str:
        refs = {part: ref for part, ref in given.items() if ref is not None}
        path = {part: ref for part, ref in refs.items() if part != "collection"}
        if path and places.find(**path) is None:
            self.stderr.write(f"Making what was missing of {'/'.join(path.values())}.")
        return keys.create(scope=scope, **keys.things(scope, refs), **how)[1]
