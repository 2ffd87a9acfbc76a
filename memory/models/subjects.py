"""What representations are about, the order in which each subject's events count, and the lines that follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.log import Event
from memory.models.tenants import App, Project, Session, User

if TYPE_CHECKING:
    from memory.models.representations import Representation


class Subject(PublicModel):
    """What a representation is about.

    ``head`` is the last position given out in its feed, ``archived_to`` the last of those whose events were archived,
    ``versions`` the last version number. ``line`` is the line that serves it, ``current`` the version that readers get:
    one of its own (migration 0034).
    """

    class Kind(models.TextChoices):
        """What kind of thing a subject is."""

        USER = "user"
        OBSERVED = "observed", "user as another sees them"
        SESSION = "session"
        PROJECT = "project"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="subjects")
    kind = models.CharField(max_length=16, choices=Kind)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="subjects")
    observer = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="observations")
    session = models.ForeignKey(Session, on_delete=models.PROTECT, null=True, blank=True, related_name="subjects")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, blank=True, related_name="subjects")
    head = models.BigIntegerField(default=0, db_default=0)
    archived_to = models.BigIntegerField(default=0, db_default=0)
    versions = models.IntegerField(default=0, db_default=0)
    line: models.ForeignKey[Line | None, Line | None] = models.ForeignKey(
        "Line", on_delete=models.PROTECT, null=True, blank=True, related_name="served", db_index=False
    )
    current: models.ForeignKey[Representation | None, Representation | None] = models.ForeignKey(
        "Representation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="user", user__isnull=False, observer=None, session=None, project=None)
                | Q(kind="observed", user__isnull=False, observer__isnull=False, session=None, project=None)
                | Q(kind="session", user=None, observer=None, session__isnull=False, project=None)
                | Q(kind="project", user=None, observer=None, session=None, project__isnull=False),
                name="subject_fits_its_kind",
            ),
            models.UniqueConstraint(fields=["user"], condition=Q(kind="user"), name="subject_unique_user"),
            models.UniqueConstraint(
                fields=["observer", "user"], condition=Q(kind="observed"), name="subject_unique_observed"
            ),
            models.UniqueConstraint(fields=["session"], condition=Q(kind="session"), name="subject_unique_session"),
            models.UniqueConstraint(fields=["project"], condition=Q(kind="project"), name="subject_unique_project"),
            models.CheckConstraint(condition=Q(head__gte=0, versions__gte=0), name="subject_counts_not_negative"),
        ]
        indexes = [
            models.Index(fields=["line"], name="subject_served_by", condition=Q(line__isnull=False)),
        ]

    def __str__(self) -> str:
        if self.kind == self.Kind.OBSERVED:
            return f"{self.user} as {self.observer} sees them"
        return str(self.user or self.session or self.project)

    @property
    def person(self) -> str:
        """The name of the user whom it is about; empty of a session and of a project."""
        return self.user.name if self.user else ""


class FeedEntry(models.Model):
    """That an event belongs to a subject's feed, and at which place.

    A writer adds the entry without a position. Whoever reasons next gives positions to what has been committed,
    under the subject's lock, so that a position is never given out below one that was read (``memory.feeds``).
    """

    pk = models.CompositePrimaryKey("event_id", "subject_id")
    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="feed_entries", db_index=False, db_constraint=False
    )
    subject = models.ForeignKey(
        Subject, on_delete=models.PROTECT, related_name="feed", db_index=False, db_constraint=False
    )
    position = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "feed entries"
        constraints = [
            models.UniqueConstraint(fields=["subject", "position"], name="feed_position_unique"),
            models.CheckConstraint(condition=Q(position__gte=1), name="feed_position_counts_from_one"),
        ]
        indexes = [
            models.Index(fields=["subject", "event"], condition=Q(position__isnull=True), name="feed_not_numbered"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.position}"


class Line(PublicModel):
    """The versions that one recipe made for one subject, and how far it has read the feed.

    ``branch`` names what reads the same feed with the same recipe again, beside or instead of the first: a shadow, a
    reprocess, a rollback after which the events since are read anew. Empty for the first.
    """

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="lines")
    recipe = models.CharField(max_length=200)
    branch = models.CharField(max_length=50, blank=True, default="", db_default="")
    cursor = models.BigIntegerField(default=0, db_default=0)
    head: models.ForeignKey[Representation | None, Representation | None] = models.ForeignKey(
        "Representation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "recipe", "branch"], name="line_unique_in_subject"),
            models.CheckConstraint(condition=Q(cursor__gte=0), name="line_cursor_not_negative"),
        ]
        indexes = [
            models.Index(fields=["recipe"], name="line_recipe"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} by {self.recipe}" + (f" ({self.branch})" if self.branch else "")
