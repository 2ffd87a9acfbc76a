"""Delete what is kept for a stated time only."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from memory import idempotency


class Command(BaseCommand):
    """``prune``: nothing depends on when it runs, or how often; what has expired counts no longer anyway."""

    help = "Delete answers that were kept for an Idempotency-Key and have expired (HONCHO['IDEMPOTENCY_HOURS'])."

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete them and say how many they were."""
        pruned = idempotency.prune()
        self.stdout.write(f"{pruned:,} expired answer{'' if pruned == 1 else 's'} deleted.")
