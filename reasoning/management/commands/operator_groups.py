"""Make the groups that operators are put into."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from reasoning import groups


class Command(BaseCommand):
    """``operator_groups``: make the groups, or give them what they lack, and say what changed."""

    help = (
        "Make the groups memory viewer, memory prompt engineer, memory experimenter, memory operator, memory privacy"
        " officer and memory administrator, or give them what they lack. It can be run again after every upgrade;"
        " nothing is taken from a group."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and tell of each group."""
        for change in groups.ensure():
            if change.made:
                self.stdout.write(f"{change.name}: made, with {len(change.given)} permissions")
            elif change.given:
                self.stdout.write(f"{change.name}: given {', '.join(change.given)}")
            else:
                self.stdout.write(f"{change.name}: as it should be")
            if change.besides:
                self.stdout.write(f"{change.name}: keeps {', '.join(change.besides)}, which this command does not give")
