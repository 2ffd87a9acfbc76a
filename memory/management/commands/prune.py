"""Delete what is kept for a stated time only."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from memory import idempotency, rate_limits, retention
from memory.webhooks import delivery


class Command(BaseCommand):
    """``prune``: nothing depends on when it runs, or how often; what has expired counts no longer anyway."""

    help = (
        "Delete answers that were kept for an Idempotency-Key and have expired (HONCHO['IDEMPOTENCY_HOURS']), what"
        " became of webhook deliveries a month ago, and the texts of versions older than HONCHO['HISTORY_DAYS']."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete them and say how many they were."""
        pruned = idempotency.prune()
        self.stdout.write(f"{pruned:,} expired answer{'' if pruned == 1 else 's'} deleted.")
        rate_limits.prune()
        forgotten = delivery.prune()
        self.stdout.write(f"{forgotten:,} old webhook deliver{'y' if forgotten == 1 else 'ies'} deleted.")
        thinned = retention.prune()
        self.stdout.write(f"{thinned:,} old version{'' if thinned == 1 else 's'} thinned.")
