"""What every model of the store has in common."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from memory import ids


class PublicModel(models.Model):
    """A row that the API names: a UUIDv7 inside, ``public_id`` outside."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id as the API shows it."""
        return ids.encode(self.id)
