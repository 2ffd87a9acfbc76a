"""Bulk runs that read old events again with another prompt version, beside what is live."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from memory.models import App, Line, Representation, Subject
from memory.models.base import PublicModel
from reasoning.models.prompts import PromptVersion


class Reprocess(PublicModel):
    """One run. Its lines are branches by its name: readers get none of it until it is promoted.

    Its scope is the subjects of ``prompt_version``'s kind in ``app`` (or in all), or only those in ``subjects`` (public
    ids). ``since`` is where its window begins; without it everything is read. Budgets bound what it may take in all.
    """

    class State(models.TextChoices):
        """Done: all that was there is read; what comes is still read, until it is promoted or discarded."""

        DRAFT = "draft"
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        CANCELLED = "cancelled"
        PROMOTED = "promoted"
        DISCARDED = "discarded"

    class Carrier(models.TextChoices):
        """Calls: one model call for each pass. Batch: by the provider's batch interface, at its lower price."""

        CALLS = "calls"
        BATCH = "batch"

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="reprocesses")
    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="reprocesses")
    subjects = models.JSONField(default=list, blank=True)
    since: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    carrier = models.CharField(max_length=16, choices=Carrier, default=Carrier.CALLS)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    state_reason = models.TextField(blank=True, help_text="Why it is in this state, where somebody or something said.")
    passes_per_minute = models.IntegerField(null=True, blank=True)
    token_budget = models.BigIntegerField(null=True, blank=True)
    money_budget = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    tokens = models.BigIntegerField(default=0, help_text="What its passes have taken, or may take while under way.")
    cost = models.DecimalField(max_digits=20, decimal_places=9, default=Decimal(0))
    estimate = models.JSONField(default=dict, blank=True)
    by = models.TextField(blank=True)
    reason = models.TextField()
    started_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "reprocess run"
        indexes = [
            models.Index(fields=["state"], name="reprocess_open", condition=Q(state__in=["running", "paused", "done"])),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="reprocess_says_why"),
            models.CheckConstraint(condition=Q(tokens__gte=0, cost__gte=0), name="reprocess_not_negative"),
            models.CheckConstraint(
                condition=Q(passes_per_minute=None) | Q(passes_per_minute__gte=1), name="reprocess_throttle_range"
            ),
        ]
        permissions = [("run_reprocesses", "Can start, pause, throttle, cancel and discard reprocesses")]

    def __str__(self) -> str:
        return f"{self.prompt_version} over again, {self.created_at:%Y-%m-%d %H:%M}"


class ReprocessItem(models.Model):
    """One subject of a run. ``base`` is the version that its line began with, ``target`` the place up to which the feed
    had to be read when the run began."""

    class State(models.TextChoices):
        """Pending: its line is not begun. Failed: its work is parked. Ready: it has read up to ``target``."""

        PENDING = "pending"
        READING = "reading"
        READY = "ready"
        FAILED = "failed"
        PROMOTED = "promoted"
        LEFT = "left", "left as it was"

    pk = models.CompositePrimaryKey("run_id", "subject_id")
    run = models.ForeignKey(Reprocess, on_delete=models.CASCADE, related_name="items", db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    line = models.OneToOneField(Line, on_delete=models.PROTECT, null=True, blank=True, related_name="reprocess_item")
    base = models.ForeignKey(
        Representation, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    made = models.ForeignKey(
        Representation, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    target = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["run", "state"], name="reprocess_items"),
            models.Index(fields=["base"], name="reprocess_base", condition=Q(base__isnull=False)),
            models.Index(fields=["made"], name="reprocess_made", condition=Q(made__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}: {self.state}"


class Batch(PublicModel):
    """Passes of a run that went to the provider's batch interface together.

    It is written before it is sent, so that one whose answer was lost is found again by its id in the provider's list.
    ``asked_at`` is when the provider was last asked after it.
    """

    class State(models.TextChoices):
        """Where it is."""

        SENDING = "sending"
        SENT = "sent"
        ENDED = "ended"
        FAILED = "failed"

    run = models.ForeignKey(Reprocess, on_delete=models.CASCADE, related_name="batches")
    state = models.CharField(max_length=16, choices=State, default=State.SENDING)
    remote_id = models.CharField(max_length=200, blank=True)
    passes = models.JSONField(default=list, help_text="The ids of its passes.")
    error = models.TextField(blank=True)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["asked_at"], name="batch_open", condition=Q(state__in=["sending", "sent"])),
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.remote_id or self.state}"
