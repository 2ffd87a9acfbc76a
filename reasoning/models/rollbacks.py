"""Rollbacks of everything that a prompt version made."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from memory.models import App, Representation, Subject
from memory.models.base import PublicModel
from reasoning.models.prompts import PromptVersion


class Rollback(PublicModel):
    """That many subjects were taken back at once to what a prompt version had replaced, by whom and why.

    ``since`` bounds what was taken back to versions made from then on. One that ``undoes`` another took its subjects on
    to where they had been. The database refuses to change it.
    """

    class Then(models.TextChoices):
        """What becomes of the events that were read since: left as they are, or read again."""

        STAY = "stay"
        REASON_AGAIN = "reason_again"

    app = models.ForeignKey(App, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    prompt_version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="rollbacks")
    since: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    then = models.CharField(max_length=16, choices=Then, default=Then.STAY)
    undoes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="undone_by")
    live = models.ForeignKey(
        PromptVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Which prompt version became live by it, where that changed.",
    )
    subjects = models.IntegerField(default=0)
    by = models.TextField(blank=True)
    reason = models.TextField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="rollback_says_why")]

    def __str__(self) -> str:
        return f"{self.prompt_version} taken back at {self.created_at:%Y-%m-%d %H:%M}"


class RolledBack(models.Model):
    """One subject of a rollback: what readers got before, and the version that was made."""

    pk = models.CompositePrimaryKey("rollback_id", "subject_id")
    rollback = models.ForeignKey(Rollback, on_delete=models.CASCADE, related_name="items", db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+", db_index=False)
    before = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="+", db_index=False)
    made = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        indexes = [
            models.Index(fields=["subject"], name="rolledback_subject"),
            models.Index(fields=["before"], name="rolledback_before"),
            models.Index(fields=["made"], name="rolledback_made"),
        ]

    def __str__(self) -> str:
        return f"{self.before_id} became {self.made_id}"
