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
    change anything but ``is_live`` (migration 0002).
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
    is_live = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "kind", "number"], condition=Q(app__isnull=False), name="prompt_number_unique_in_app"
            ),
            models.UniqueConstraint(
                fields=["kind", "number"], condition=Q(app__isnull=True), name="prompt_number_unique_for_site"
            ),
            models.UniqueConstraint(
                fields=["app", "kind"], condition=Q(app__isnull=False, is_live=True), name="prompt_one_live_in_app"
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(app__isnull=True, is_live=True), name="prompt_one_live_for_site"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} prompt {self.number}"

    @property
    def recipe(self) -> str:
        """The name under which the store keeps the lines of this version."""
        return self.public_id
