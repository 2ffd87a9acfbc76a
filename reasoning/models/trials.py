"""Dry runs that operators asked for, and what came of them."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from memory.models import Subject
from memory.models.base import PublicModel
from reasoning.models.prompts import PromptVersion


class Trial(PublicModel):
    """A dry run that a worker makes, so that nobody's request waits for a model; its ``outcome`` is kept for a while.

    ``outcome`` is what ``reasoning.trials`` tells of it. It holds text of the subject: whatever erases some of that
    takes the trial along. ``lease`` is the word by which its worker writes it down.
    """

    class State(models.TextChoices):
        """Where it is; nothing is tried twice by itself, for each try costs a call."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.CASCADE, related_name="trials")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, related_name="+")
    events = models.IntegerField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    started_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    outcome = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    by = models.TextField(blank=True)

    class Meta:
        verbose_name = "dry run"
        indexes = [
            models.Index(fields=["id"], name="trial_open", condition=Q(state__in=["waiting", "running"])),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", lease=None, started_at=None, ended_at=None)
                | Q(state="running", lease__isnull=False, started_at__isnull=False, ended_at=None)
                | Q(state__in=["done", "failed"], ended_at__isnull=False),
                name="trial_fits_its_state",
            ),
            models.CheckConstraint(
                condition=Q(state="done", outcome__isnull=False) | ~Q(state="done") & Q(outcome__isnull=True),
                name="trial_done_has_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_version} tried on {self.subject}"
