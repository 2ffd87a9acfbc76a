"""API keys."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.collections import Collection
from memory.models.tenants import App, Project, Session, User


def _names(*parts: str) -> Q:
    """Return the condition that a key names exactly these things."""
    every = ("app", "user", "session", "project", "collection")
    return Q(**{f"{part}__isnull": part not in parts for part in every})


class ApiKey(PublicModel):
    """A key of the agent API: only its hash is kept. It opens what lies beneath its scope."""

    class Scope(models.TextChoices):
        """What it opens."""

        OPERATOR = "operator"
        APP = "app"
        USER = "user"
        SESSION = "session"
        PROJECT = "project"
        COLLECTION = "collection"

    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=16, choices=Scope)
    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys", db_index=False
    )
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys", db_index=False
    )
    read_only = models.BooleanField(default=False)
    rate_per_minute = models.PositiveIntegerField(
        "requests a minute",
        null=True,
        blank=True,
        help_text="How many requests it may make a minute. Empty: what HONCHO['RATE_PER_MINUTE'] says.",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="When it was last used, to the minute.")
    created_by = models.CharField(max_length=200, default="", db_default="", blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="operator") & _names()
                | Q(scope="app") & _names("app")
                | Q(scope="user") & _names("app", "user")
                | Q(scope="session") & _names("app", "session")
                | Q(scope="project") & _names("app", "project")
                | Q(scope="collection") & _names("app", "collection"),
                name="api_key_fits_its_scope",
            ),
        ]
        indexes = [
            models.Index(fields=["project"], name="api_key_of_project", condition=Q(project__isnull=False)),
            models.Index(fields=["collection"], name="api_key_of_collection", condition=Q(collection__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class RateWindow(models.Model):
    """The minute in which a limited key makes its requests now, and how many it has made.

    The table is not logged: the counts of a minute need not outlive a crash of the database.
    """

    key_id = models.UUIDField(primary_key=True)
    began = models.DateTimeField()
    used = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.used} since {self.began}"
