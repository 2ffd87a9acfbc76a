"""Indexing for search now, for sites without the worker, which does so by itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from memory.search import index


class Command(BaseCommand):
    """Indexes all that is not indexed yet."""

    help = "Index for search what was written. The worker does so by itself; run this every minute where there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        """Index until nothing is left."""
        total = 0
        while indexed := index.work():
            total += indexed
        self.stdout.write(f"{total:,} indexed.")
