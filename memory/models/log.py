"""The append-only log."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length

from memory.models.base import PublicModel
from memory.models.tenants import App, Project, Session, User

CONTENT_LENGTH = 50_000

# CheckConstraint needs it as a lookup; Django registers Length only on demand.
models.TextField.register_lookup(Length)


class Event(PublicModel):
    """One row of the log. The database refuses to change it, but for its metadata, and to delete it, but to erase it.

    Migration 0002 does that, and holds session, user, project and author to the same app by composite foreign keys.
    The table is partitioned by id, which is by time (migration 0039). So that a partition can go at once, no foreign
    key leads to an event; what names one holds it while it is written (migration 0038).
    """

    class Origin(models.TextChoices):
        """Who stands behind the content."""

        USER = "user"
        AGENT = "agent"
        TOOL = "tool"
        OPERATOR = "operator"
        RECALLED = "recalled", "recalled from memory"

    created_at = None  # type: ignore[assignment]  # recorded_at says it

    # That there is such an app follows from the keys that hold session, user and project to it.
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="events", db_constraint=False)
    session = models.ForeignKey(
        Session,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,
        db_constraint=False,
    )
    user = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,
        db_constraint=False,
    )
    project = models.ForeignKey(
        Project,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,
        db_constraint=False,
    )
    author = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="authored",
        db_index=False,
        db_constraint=False,
    )
    origin = models.CharField(max_length=16, choices=Origin)
    kind = models.CharField(max_length=100)
    content = models.TextField(blank=True)
    data = models.JSONField(null=True, blank=True)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)
    client_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - NULL is "none given"
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    tokens = models.IntegerField()
    copied_from = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="copies",
        db_index=False,
        db_constraint=False,
        help_text="The event of another session that this one repeats. Where that is erased, this one goes too.",
    )

    class Meta:
        indexes = [
            models.Index(fields=["copied_from"], name="event_copies", condition=Q(copied_from__isnull=False)),
            models.Index(fields=["session", "id"], name="event_session_order"),
            models.Index(fields=["user", "id"], name="event_user_order"),
            models.Index(fields=["project", "id"], name="event_project_order", condition=Q(project__isnull=False)),
            models.Index(fields=["author"], name="event_of_author", condition=Q(author__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(session__isnull=False) | Q(user__isnull=False) | Q(project__isnull=False),
                name="event_belongs_somewhere",
            ),
            models.CheckConstraint(
                condition=Q(kind__regex=r"^(message|tool_call|tool_result|correction|[a-z0-9_-]+(\.[a-z0-9_-]+)+)$"),
                name="event_kind_is_known_or_dotted",
            ),
            models.CheckConstraint(condition=Q(content__length__lte=CONTENT_LENGTH), name="event_content_length"),
            models.CheckConstraint(condition=Q(tokens__gte=0), name="event_tokens_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class ClientId(models.Model):
    """That a client's own id was used for an event: once in a session, by a user outside of any, or in a project.

    It is a table of its own because no index over all partitions of the log can hold it unique. The database adds the
    row with the event, and deletes it with the event (migration 0036).
    """

    pk = models.CompositePrimaryKey("app_id", "scope", "client_id")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    scope = models.UUIDField(help_text="The session, or else the user, or else the project.")
    client_id = models.CharField(max_length=255)
    event_id = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.client_id} in {self.scope}"
