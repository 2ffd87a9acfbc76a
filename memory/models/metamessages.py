"""Notes that the clients of the apps era keep about a user, a session or a message."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.log import CONTENT_LENGTH, Event
from memory.models.tenants import App, Session, User

LABEL_LENGTH = 50


class Metamessage(PublicModel):
    """A note under a label. It is no part of the log: it can change, and nothing is concluded from it.

    The database holds user and session to the same app (migration 0014). ``message`` is None once that is archived.
    """

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="+", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="metamessages", db_index=False)
    session = models.ForeignKey(
        Session, on_delete=models.PROTECT, null=True, blank=True, related_name="metamessages", db_index=False
    )
    message = models.ForeignKey(
        Event, on_delete=models.PROTECT, null=True, blank=True, related_name="metamessages", db_constraint=False
    )
    label = models.CharField(max_length=LABEL_LENGTH)
    content = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "id"], name="metamessage_user_order"),
            models.Index(
                fields=["session", "id"], name="metamessage_session_order", condition=Q(session__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(label=""), name="metamessage_has_a_label"),
            models.CheckConstraint(condition=Q(content__length__lte=CONTENT_LENGTH), name="metamessage_content_length"),
            models.CheckConstraint(
                condition=Q(message=None) | Q(session__isnull=False), name="metamessage_of_a_message_in_a_session"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.public_id}"
