"""``manage.py play FILE``: send a recorded conversation to a server, through its HTTP API."""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from honcho_site import conversations

MOST_PER_BATCH = 1_000


class Command(BaseCommand):
    """Plays a conversation; the ids in the file make it safe to play again."""

    help = "Send a conversation (JSONL: session, author, content, occurred_at, id) to a server over HTTP."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """What to play, as whom, and where."""
        parser.add_argument("file", type=Path, help="the conversation")
        parser.add_argument(
            "--url", default=f"http://127.0.0.1:{settings.PORT}", help="the server (default: %(default)s)"
        )
        parser.add_argument("--key", default=os.environ.get("HONCHO_API_KEY"), help="API key (default: HONCHO_API_KEY)")
        parser.add_argument("--app", default="demo", help="the app that it goes to (default: %(default)s)")
        parser.add_argument("--user", help="the user who is remembered (default: the author of the first line)")
        parser.add_argument("--batch", type=int, default=100, help="messages per request (default: %(default)s)")
        parser.add_argument(
            "--realtime-factor",
            type=float,
            default=0.0,
            help="keep the pauses of the conversation, so many times faster (default: send at once)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send batch after batch."""
        if not 1 <= options["batch"] <= MOST_PER_BATCH:
            raise CommandError(f"--batch must be from 1 to {MOST_PER_BATCH}.")
        if options["realtime_factor"] < 0:
            raise CommandError("--realtime-factor must be above 0: 60 plays an hour in a minute.")
        try:
            self.play(options)
        except conversations.Refused as error:
            raise CommandError(str(error)) from error

    def play(self, options: dict[str, Any]) -> None:
        """Send the file, and say how far it is."""
        lines = conversations.read(options["file"])
        user = options["user"] or lines[0].author
        size = 1 if options["realtime_factor"] else options["batch"]
        began, sent = time.monotonic(), 0
        with conversations.Server(options["url"], options["key"], options["app"]) as server:
            previous: str | None = None
            for batch in conversations.batches(lines, size):
                if options["realtime_factor"]:
                    time.sleep(_pause(previous, batch[0].occurred_at) / options["realtime_factor"])
                    previous = batch[0].occurred_at or previous
                sent += server.send(user, batch[0].session, batch)
                if options["verbosity"] > 0:
                    self.stdout.write(f"{sent}/{len(lines)} messages, {batch[0].session}")
                    self.stdout.flush()
        seconds = time.monotonic() - began
        self.stdout.write(f"{sent} messages of {user} are in app {options['app']} ({seconds:.1f} s).")


def _pause(before: str | None, after: str | None) -> float:
    """Seconds between two moments, where both are known."""
    if not before or not after:
        return 0.0
    return max((datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds(), 0.0)
