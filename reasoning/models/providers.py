"""How providers are doing, for every worker to see."""

from __future__ import annotations

from django.db import models


class ProviderState(models.Model):
    """A provider's pause, shared by all workers. No row: all is well.

    Until ``paused_until``, or while ``needs_operator``, nobody calls it. After a pause each drainer keeps at most
    ``slots`` calls in flight, doubled with each success, so that a provider that is back is not run over.
    ``ailing_since`` is when the first of the pauses began after which it has not been well.
    """

    name = models.CharField(max_length=200, primary_key=True)
    failures = models.IntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)
    needs_operator = models.BooleanField(default=False)
    ailing_since = models.DateTimeField(null=True, blank=True)
    slots = models.IntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(failures__gte=0), name="provider_failures_not_negative"),
            models.CheckConstraint(
                condition=models.Q(slots__isnull=True) | models.Q(slots__gte=1), name="provider_slots_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name
