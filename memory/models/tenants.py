"""Apps and what they hold: users, projects, sessions and who takes part in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel

NAME_LENGTH = 512


class App(PublicModel):
    """A tenant. Everything else belongs to exactly one."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="app_has_a_name")]

    def __str__(self) -> str:
        return self.name


class User(PublicModel):
    """Someone who is remembered: a person or an agent."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="users")
    name = models.CharField(max_length=NAME_LENGTH)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "name"], name="user_name_unique_in_app"),
            models.UniqueConstraint(fields=["app", "id"], name="user_id_unique_in_app"),
            models.CheckConstraint(condition=~Q(name=""), name="user_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Project(PublicModel):
    """A piece of work that spans sessions and users."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=NAME_LENGTH)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "name"], name="project_name_unique_in_app"),
            models.UniqueConstraint(fields=["app", "id"], name="project_id_unique_in_app"),
            models.CheckConstraint(condition=~Q(name=""), name="project_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Session(PublicModel):
    """A conversation. Its name is unique among its owner's sessions, or in the app where nobody owns it."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="sessions")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="owned_sessions")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, blank=True, related_name="sessions")
    name = models.CharField(max_length=NAME_LENGTH, null=True, blank=True)  # noqa: DJ001 - NULL is "not named"
    metadata = models.JSONField(default=dict, db_default={}, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)
    participants: models.ManyToManyField[User, Participant] = models.ManyToManyField(
        User, through="Participant", related_name="sessions"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(owner__isnull=False), name="session_name_unique_for_owner"
            ),
            models.UniqueConstraint(
                fields=["app", "name"], condition=Q(owner__isnull=True), name="session_name_unique_in_app"
            ),
            models.UniqueConstraint(fields=["app", "id"], name="session_id_unique_in_app"),
            models.CheckConstraint(condition=~Q(name=""), name="session_name_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name or self.public_id


class Participant(models.Model):
    """That a user takes part in a session, and how.

    ``observed``: a representation is kept of this user. ``observes_others``: one is also kept of each other
    participant as this user sees them.
    """

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="+")
    session = models.ForeignKey(Session, on_delete=models.PROTECT, related_name="participations")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="participations")
    observed = models.BooleanField(default=True, db_default=True)
    observes_others = models.BooleanField(default=False, db_default=False)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "user"], name="participant_unique_in_session"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.session}"
