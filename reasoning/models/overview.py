"""The overview, as the admin's index lists it."""

from __future__ import annotations

from reasoning.models.work import Work


class Overview(Work):
    """How the loop does. It has no rows of its own: its page shows figures, and to see it is a permission."""

    class Meta:
        proxy = True
        verbose_name = "overview"
        verbose_name_plural = "overview"
        default_permissions = ("view",)
