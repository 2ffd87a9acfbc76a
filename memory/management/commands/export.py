"""Write an export to a file, or to the standard output."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import tenants
from memory.errors import Refusal
from memory.transfer.exporting import Export
from memory.transfer.extents import Extent


class Command(BaseCommand):
    """``export my-app > my-app.ndjson``: all of an app, or of one user or project, as JSON lines."""

    help = "Write all that belongs to an app, a user or a project as JSON lines, of one moment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("app", help="Name or id of the app.")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--user", help="Only what belongs to this user, by name or id.")
        which.add_argument("--project", help="Only what belongs to this project, by name or id.")
        parser.add_argument("--output", help="The file to write; without it, the standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the export."""
        try:
            app = tenants.find_app(options["app"])
            extent = Extent(
                app,
                user=tenants.find_user(app.pk, options["user"]) if options["user"] else None,
                project=tenants.find_project(app.pk, options["project"]) if options["project"] else None,
            )
        except Refusal as error:
            raise CommandError(error.message) from error
        with closing(Export(extent)) as chunks:
            if options["output"] is None:
                for chunk in chunks:
                    sys.stdout.buffer.write(chunk)
                return
            try:
                with open(options["output"], "wb") as file:
                    file.writelines(chunks)
            except OSError as error:
                raise CommandError(f"{options['output']}: {error.strerror}") from error
