"""Answers that are kept for whoever sends a write again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

KEY_LENGTH = 255


class KeptAnswer(models.Model):
    """What the first write under an idempotency key was answered.

    Made in the write's own transaction, so that no row without an answer is ever seen by another. ``scope`` is whose
    key it is (``memory.idempotency.scope_of``), ``request`` a hash of what was asked. Where the client gave no key but
    counts how often it sends a write (``memory.retries``), ``tries`` is how often it had sent this one before.
    """

    scope = models.CharField(max_length=128)
    key = models.CharField(max_length=KEY_LENGTH)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    tries = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="kept_answer_unique_in_scope")]
        indexes = [
            models.Index(fields=["created_at", "request"], name="kept_answer_tries", condition=Q(tries__isnull=False))
        ]

    def __str__(self) -> str:
        return self.key
