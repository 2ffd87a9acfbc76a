"""Vectors for search: how far they are, and making them now instead of in the background."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory.search import embeddings
from memory.search.embedders import CannotEmbed

BATCHES = 50


class Command(BaseCommand):
    """Makes the vectors that wait, until none does."""

    help = "Make the vectors that search waits for. The worker does so by itself; this is for now, and for bulk."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what is to be done instead."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--status", action="store_true", help="say how far each model is, and do nothing")
        which.add_argument(
            "--remake", action="store_true", help="make all anew; those that are there serve until they are complete"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if not options["status"]:
            try:
                if options["remake"]:
                    embeddings.remake()
                while embeddings.work(BATCHES):
                    self._tell()
                if embeddings.build_index():
                    self.stdout.write("The index has been built.")
            except CannotEmbed as error:
                raise CommandError(f"{error} What was made until now is kept; begin again, and it goes on.") from None
        self._tell()

    def _tell(self) -> None:
        known = embeddings.status()
        for item in known:
            state = "serves" if item.model.serving_since else "is made beside" if item.model.wanted else "goes"
            self.stdout.write(
                f"{item.model.name} ({item.model.dimensions} dimensions) {state}:"
                f" {item.made:,} made, {item.waiting:,} waiting, {item.failed:,} refused"
            )
        if not known:
            self.stdout.write("There are none. HONCHO['EMBEDDER'] names who makes them.")
