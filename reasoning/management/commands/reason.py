"""``manage.py reason``: the loop without django-q2."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from reasoning.drainer import Drainer


class Command(BaseCommand):
    """Reason over what waits."""

    help = "Reason over what waits: once, until nothing is left that is due, or for ever."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take one of the two modes."""
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--once", action="store_true", help="End when nothing waits any more.")
        mode.add_argument("--forever", action="store_true", help="Go on until SIGTERM or Ctrl-C.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        """Run one drainer in this process."""
        asyncio.run(_run(once))


async def _run(once: bool) -> None:
    drainer = Drainer()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drainer.stop)
    await drainer.run(until_idle=once)
