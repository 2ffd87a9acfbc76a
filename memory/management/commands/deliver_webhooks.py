"""Send what webhooks are to be told, for sites that do not run the reasoning loop."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from memory.webhooks import delivery

log = structlog.get_logger("honcho.webhooks")


class Command(BaseCommand):
    """``deliver_webhooks``: sends until it is stopped; any number of them may run, beside workers too."""

    help = "Send webhook deliveries as they become due. The worker does that too; use this where none runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--once", action="store_true", help="Send what is due now, then end.")
        parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="How often to look.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send what is due."""
        if options["once"]:
            made = delivery.deliver_due()
            self.stdout.write(f"{made:,} attempt{'' if made == 1 else 's'} made.")
            return
        stopped = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.set()

        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, stop)
        courier = delivery.Courier()
        while not stopped.is_set():
            close_old_connections()
            try:
                begun = courier.start()
            except DatabaseError as error:
                log.warning("database_unavailable", error=type(error).__name__)
                begun = 0
            if begun:
                courier.wait(options["interval"])
            else:
                stopped.wait(options["interval"])
        courier.close()
