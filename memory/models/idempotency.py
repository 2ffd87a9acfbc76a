"""Answers that are kept for whoever sends a write again."""

from __future__ import annotations

from django.db import models

KEY_LENGTH = 255


class KeptAnswer(models.Model):
    """What the first write under an idempotency key was answered.

    Made in the write's own transaction, so that no row without an answer is ever seen by another. ``scope`` is whose
    key it is (``memory.idempotency.scope_of``), ``request`` a hash of what was asked.
    """

    scope = models.CharField(max_length=128)
    key = models.CharField(max_length=KEY_LENGTH)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="kept_answer_unique_in_scope")]

    def __str__(self) -> str:
        return self.key
