"""Prompt versions: the recipes that representations are made by."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from memory.models import App, Subject
from memory.models.base import PublicModel


class PromptVersion(PublicModel):
    """An immutable recipe for one kind of subject: to change one is to make the next.

    Without an ``app`` it is the site's. An empty ``model`` means the site's default model. The database refuses to
    change it (migration 0010). Which one is in use, ``Label`` says.
    """

    app = models.ForeignKey(App, on_delete=models.PROTECT, null=True, blank=True, related_name="prompt_versions")
    kind = models.CharField(max_length=16, choices=Subject.Kind)
    number = models.IntegerField()
    instructions = models.TextField()
    model = models.CharField(max_length=200, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    message = models.CharField(max_length=500, help_text="What is new in this version, and why.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    by = models.TextField(
        blank=True, default="", db_default="", help_text="Who made it: a user of the site, a key, someone at a shell."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "kind", "number"], condition=Q(app__isnull=False), name="prompt_number_unique_in_app"
            ),
            models.UniqueConstraint(
                fields=["kind", "number"], condition=Q(app__isnull=True), name="prompt_number_unique_for_site"
            ),
        ]
        permissions = [
            ("edit_prompts", "Can write prompt versions, try them, and move labels that serve nobody"),
            ("promote_prompts", "Can choose what serves: move the live label, promote experiments and reprocesses"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} prompt {self.number}"

    @property
    def is_live(self) -> bool:
        """Whether its app's (or the site's) label ``live`` points at it."""
        return any(label.name == Label.Name.LIVE for label in self.labels.all())

    @property
    def maker(self) -> str:
        """Who made it; empty where that is not known."""
        return self.by or (self.author.get_username() if self.author else "")

    @property
    def recipe(self) -> str:
        """The name under which the store keeps the lines of this version."""
        return self.public_id


class Label(models.Model):
    """A name that points at one prompt version of an app (or of the site) and kind; ``reasoning.labels`` moves it."""

    class Name(models.TextChoices):
        """Live: new passes are made by it. Previous: the one that was live before. Candidate: it may be next."""

        LIVE = "live"
        PREVIOUS = "previous"
        CANDIDATE = "candidate"

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=16, choices=Subject.Kind)
    name = models.CharField(max_length=16, choices=Name)
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="labels")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "kind", "name"], condition=Q(app__isnull=False), name="label_once_in_app"
            ),
            models.UniqueConstraint(fields=["kind", "name"], condition=Q(app__isnull=True), name="label_once_for_site"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.version}"


class LabelMove(PublicModel):
    """That a label was moved, by whom, when and why; the database refuses to change it.

    Without ``origin`` it was not in use before; without ``to`` it was taken off.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=16, choices=Subject.Kind)
    name = models.CharField(max_length=16, choices=Label.Name)
    origin = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    to = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    by = models.TextField(blank=True)
    reason = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["app", "kind"], name="label_moves")]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="label_move_says_why")]

    def __str__(self) -> str:
        return f"{self.name} to {self.to}"
