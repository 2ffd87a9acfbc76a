"""Quarantined versions, as operators decide about them."""

from __future__ import annotations

from django.db import models

from memory.models import Representation


class QuarantinedManager(models.Manager["Quarantined"]):
    """Versions that were not let through, whether or not somebody has decided about them since."""

    def get_queryset(self) -> models.QuerySet[Quarantined]:
        """Leave out what was published."""
        return super().get_queryset().filter(status=Representation.Status.QUARANTINED)


class Quarantined(Representation):
    """A version that a gate stopped. To let readers have it, and to discard it, are permissions of their own."""

    objects = QuarantinedManager()

    class Meta:
        proxy = True
        verbose_name = "quarantined version"
        verbose_name_plural = "quarantine"
        default_permissions = ("view",)
        permissions = (
            ("publish_quarantined", "Can publish a quarantined version"),
            ("discard_quarantined", "Can discard a quarantined version"),
        )
