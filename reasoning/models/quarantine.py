"""Quarantined versions, as operators decide about them."""

from __future__ import annotations

from memory.models import Representation


class Quarantined(Representation):
    """A version that a gate stopped. To let readers have it, and to discard it, are permissions of their own."""

    class Meta:
        proxy = True
        verbose_name = "quarantined version"
        verbose_name_plural = "quarantine"
        default_permissions = ("view",)
        permissions = (
            ("publish_quarantined", "Can publish a quarantined version"),
            ("discard_quarantined", "Can discard a quarantined version"),
        )
