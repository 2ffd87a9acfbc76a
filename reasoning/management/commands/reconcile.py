"""``manage.py reconcile``: where every event is, and that none is lost or covered twice."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reasoning import reconcile


class Command(BaseCommand):
    """Account for every event."""

    help = "Count events by state (an event counts once for each subject that it concerns); fails if any is lost."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the account; end with an error where it has faults."""
        found = reconcile.account()
        for name, count in reconcile.rows(found):
            self.stdout.write(f"{name:<14}{count:>12,}")
        if found.faults:
            raise CommandError(f"{found.faults:,} entries are not in exactly one state. Please report this.")
