"""What one operator proposes and another confirms, where four eyes are asked for."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from memory.models.base import PublicModel
from memory.models.tenants import App


class Proposal(PublicModel):
    """An act of the console on one object (``kind`` and ``object_id``), as it was filled in, until somebody decides.

    ``used_at`` is when the act was done that it was confirmed for: a confirmation is good for one.
    """

    class State(models.TextChoices):
        """Open, until another person confirms or declines it, or who made it withdraws it."""

        OPEN = "open"
        CONFIRMED = "confirmed"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    act = models.CharField(max_length=50)
    verb = models.CharField(max_length=100)
    kind = models.CharField(max_length=100)
    object_id = models.CharField(max_length=64)
    what = models.CharField(max_length=300)
    data = models.JSONField(default=dict, blank=True)
    reason = models.TextField()
    by = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_because = models.TextField(blank=True)
    decided_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    used_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["kind", "object_id"], name="proposal_object"),
            models.Index(fields=["created_at"], name="proposal_open", condition=Q(state="open")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", decided_at=None) | ~Q(state="open") & Q(decided_at__isnull=False),
                name="proposal_decided",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["confirmed", "declined"]) | ~Q(decided_by="") & ~Q(decided_by=F("by")),
                name="proposal_decided_by_another",
            ),
            models.CheckConstraint(condition=Q(used_at=None) | Q(state="confirmed"), name="proposal_used"),
            models.UniqueConstraint(
                fields=["kind", "object_id", "act"], condition=Q(state="open"), name="proposal_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb}: {self.what}"
