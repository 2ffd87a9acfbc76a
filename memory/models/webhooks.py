"""Who is told of what happens in an app, and what they are told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.tenants import App

URL_LENGTH = 2_000
DESCRIPTION_LENGTH = 500


class WebhookEndpoint(PublicModel):
    """An address that hears of what happens in an app.

    Its secrets are kept as they are, for they sign: the one before holds beside the new one for a while.
    """

    class Event(models.TextChoices):
        """What it can ask to hear of."""

        PUBLISHED = "representation.published"
        PARKED = "pass.parked"
        REPROCESSED = "reprocess.finished"
        ERASED = "erasure.completed"

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField("URL", max_length=URL_LENGTH)
    events = ArrayField(models.CharField(max_length=50, choices=Event))
    description = models.CharField(max_length=DESCRIPTION_LENGTH, blank=True)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    secret = models.CharField(max_length=100)
    previous_secret = models.CharField(max_length=100, blank=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="How many attempts have failed since one succeeded.")
    failing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(events__len__gt=0), name="webhook_endpoint_asks_for_events"),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(PublicModel):
    """What one endpoint is told of one event. Written in the transaction of the event, sent after it.

    ``event_id`` goes with every attempt, so that a receiver can tell that it has the event already. ``due_at`` is when
    the next attempt begins, or when the lease of who is at one ends.
    """

    class State(models.TextChoices):
        """Waiting: for ``due_at``. Sending: somebody is at it. Failed: no further attempt is made."""

        WAITING = "waiting"
        SENDING = "sending"
        DELIVERED = "delivered"
        FAILED = "failed"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.UUIDField()
    type = models.CharField(max_length=50)
    payload = models.JSONField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    attempted_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField("HTTP status", null=True, blank=True)
    error = models.CharField(max_length=50, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="webhook_delivery_once_for_event"),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False, lease=None)
                | Q(state="sending", due_at__isnull=False, lease__isnull=False)
                | Q(state__in=["delivered", "failed"], due_at=None, lease=None),
                name="webhook_delivery_fits_its_state",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "id"], name="webhook_delivery_order"),
            models.Index(fields=["endpoint", "due_at"], name="webhook_delivery_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["due_at"], name="webhook_delivery_first", condition=Q(due_at__isnull=False)),
            models.Index(fields=["created_at"], name="webhook_delivery_age", condition=Q(due_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint_id}"
