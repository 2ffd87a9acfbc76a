"""Read an export from a file, or from the standard input."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from memory.errors import Refusal
from memory.transfer import importing

CHUNK_BYTES = 1024 * 1024


class Command(BaseCommand):
    """``import my-app my-app.ndjson``: all that an export holds, or nothing of it."""

    help = "Store what an export holds in an app, which is made if it is missing. All of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("app", help="Name or id of the app.")
        parser.add_argument("file", help="The file to read; - for the standard input.")
        parser.add_argument("--new-ids", action="store_true", help="Give everything in the file new ids.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file and say what that was."""
        with ExitStack() as stack:
            file: IO[bytes] = sys.stdin.buffer
            if options["file"] != "-":
                try:
                    file = stack.enter_context(open(options["file"], "rb"))
                except OSError as error:
                    raise CommandError(f"{options['file']}: {error.strerror}") from error
            lines = importing.split(iter(lambda: file.read(CHUNK_BYTES), b""))
            try:
                done = importing.load(options["app"], lines, new_ids=options["new_ids"])
            except Refusal as error:
                raise CommandError(error.message) from error
        for what, counts in (("imported", done.stored), ("skipped", done.skipped)):
            for kind, count in counts.items():
                self.stdout.write(f"{kind}: {count:,} {what}")
