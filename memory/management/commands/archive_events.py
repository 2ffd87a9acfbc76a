"""Take old events out of the log."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import archiving
from memory.errors import Refusal
from memory.models import Archive


class Command(BaseCommand):
    """``archive_events --before 2026-01-01 --to FOLDER``; ended at any moment and run again, it goes on."""

    help = (
        "Write the events before a day to files and take them out of the log: partitions that are older as a whole, and"
        " what is older in the default one. What was made of them stays. With --drop no file is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--before", required=True, type=_day, metavar="DAY", help="The first day that stays, UTC.")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--to", type=Path, metavar="FOLDER", help="The folder for the files.")
        where.add_argument("--drop", action="store_true", help="Keep no file. There is no way back.")
        where.add_argument("--dry-run", action="store_true", help="Only count, and say what stands in the way.")
        parser.add_argument("--by", default="", help="Who asked for it; it is kept.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked."""
        try:
            if options["dry_run"]:
                self._plan(options["before"])
                return
            found = False
            for one in archiving.archive(options["before"], options["to"], by=options["by"]):
                found = True
                self._tell(one)
        except Refusal as error:
            raise CommandError(error.message) from error
        if not found:
            self.stdout.write("There is nothing so old.")

    def _plan(self, before: datetime) -> None:
        for part in archiving.plan(before):
            self.stdout.write(f"{part.events:>12,} events in {part.partition.name}")
            for sentence in part.refusals:
                self.stdout.write(f"{'':>12} {sentence}")
        self.stdout.write("Nothing was changed.")

    def _tell(self, one: Archive) -> None:
        where = f"are in {one.file}" if one.file else "are gone"
        self.stdout.write(f"{one.events:>12,} events of {one.partition} {where}")
        if erased := archiving.erased_since(one):
            self.stderr.write(f"{erased} erasures came after the file was written: erase in the file too.")


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
