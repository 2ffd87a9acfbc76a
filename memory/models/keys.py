"""API keys."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.tenants import App, Session, User


class ApiKey(PublicModel):
    """A key of the agent API: only its hash is kept. It opens what lies beneath its scope."""

    class Scope(models.TextChoices):
        """What it opens."""

        OPERATOR = "operator"
        APP = "app"
        USER = "user"
        SESSION = "session"

    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=16, choices=Scope)
    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    read_only = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="operator", app=None, user=None, session=None)
                | Q(scope="app", app__isnull=False, user=None, session=None)
                | Q(scope="user", app__isnull=False, user__isnull=False, session=None)
                | Q(scope="session", app__isnull=False, user=None, session__isnull=False),
                name="api_key_fits_its_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
