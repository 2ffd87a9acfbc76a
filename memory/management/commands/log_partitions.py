"""Make the next partitions of the log; for sites without workers, which do it by themselves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import ids, partitions
from memory.errors import Refusal


class Command(BaseCommand):
    """``log_partitions``: run it as often as you like, once a day will do."""

    help = "Make the next partitions of the log that HONCHO['LOG_PARTITIONS'] asks for, and renew its statistics."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--list", action="store_true", help="Only list the partitions that there are.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say what there is."""
        if not options["list"]:
            try:
                for name in partitions.make_ahead():
                    self.stdout.write(f"Made {name}")
            except Refusal as error:
                raise CommandError(error.message) from error
            partitions.analyze_log()
        for one in partitions.partitions():
            self.stdout.write(f"{one.name}: {_span(one)}")


def _span(one: partitions.Partition) -> str:
    if one.first is None or one.before is None:
        return "all else"
    return f"from {ids.moment_of(one.first):%Y-%m-%d} until {ids.moment_of(one.before):%Y-%m-%d}"
