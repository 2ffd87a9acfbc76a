"""Receipts of erasures."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from memory.models.base import PublicModel


class Erasure(PublicModel):
    """The receipt of an erasure: what kind of thing went, by its id alone, and how many rows of which table.

    It holds no content and no name, and refers to no row: it outlives the app. The database lets events, statements
    and versions go only in the transaction that has written such a row, and lets nobody change it but for when its
    tables were vacuumed (migration 0020). ``transaction`` is set by the database itself.
    """

    class What(models.TextChoices):
        """What was erased."""

        EVENT = "event"
        SESSION = "session"
        USER = "user"
        PROJECT = "project"
        APP = "app"

    app = models.UUIDField(db_column="app_id", help_text="The app's id.")
    what = models.CharField(max_length=16, choices=What)
    target = models.UUIDField(help_text="The id of what was erased.")
    counts = models.JSONField(default=dict, help_text="How many rows went, by what they are.")
    unreadable = models.IntegerField(default=0, help_text="How many subjects lost what was known of them.")
    rebuilding = models.IntegerField(default=0, help_text="How many subjects are reasoned over again.")
    by = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    transaction = models.BigIntegerField(default=0, editable=False)
    vacuumed_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    vacuum_note = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["app", "id"], name="erasures_of_app"),
            models.Index(fields=["id"], name="erasure_to_vacuum", condition=models.Q(vacuumed_at=None)),
        ]
        default_permissions = ("view",)
        permissions = [("erase", "Can erase events, sessions, users, projects and apps")]

    def __str__(self) -> str:
        return f"{self.what} erased at {self.created_at:%Y-%m-%d %H:%M}"
