"""Indexing for search now, for sites without the worker, which does so by itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from memory.search import index


class Command(BaseCommand):
    """Indexes all that is not indexed yet."""

    help = "Index for search what was written. The worker does so by itself; run this every minute where there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--anew``."""
        parser.add_argument(
            "--anew", action="store_true", help="Index all anew, as after a change of HONCHO['SEARCH_LANGUAGES']."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Index until nothing is left."""
        if options["anew"]:
            index.begin_anew()
            last: int | None = 0
            while last is not None:
                last = index.anew(last)
        total = 0
        while indexed := index.work():
            total += indexed
        self.stdout.write(f"{total:,} indexed.")
