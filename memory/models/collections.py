"""Collections of documents, as the clients of the apps era keep them for a user."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q

from memory.models.base import PublicModel
from memory.models.tenants import NAME_LENGTH, App, User

RESERVED = "honcho"
"""The name under which a client reads what was concluded of a user: no stored collection has it."""

DOCUMENT_LENGTH = 100_000


class Collection(PublicModel):
    """Documents that belong together, a user's. The database holds it to the user's app (migration 0014)."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="collections", db_index=False)
    name = models.CharField(max_length=NAME_LENGTH)
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="collection_name_unique_for_user"),
            models.UniqueConstraint(fields=["app", "id"], name="collection_id_unique_in_app"),
            models.CheckConstraint(condition=~Q(name=""), name="collection_has_a_name"),
            models.CheckConstraint(condition=~Q(name=RESERVED), name="collection_name_not_reserved"),
        ]

    def __str__(self) -> str:
        return self.name


class Document(PublicModel):
    """A text that a client keeps. Unlike an event it can change and go, and nothing is concluded from it."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="+", db_index=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents", db_index=False)
    content = models.TextField()
    metadata = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["collection", "id"], name="document_order"),
            GinIndex(SearchVector("content", config="simple"), name="document_words"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(content__length__range=(1, DOCUMENT_LENGTH)), name="document_content_length"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
