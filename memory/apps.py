"""The store: log, subjects, versions, the read path and the agent API."""

from __future__ import annotations

from django.apps import AppConfig


class MemoryConfig(AppConfig):
    """Django's handle on the store."""

    name = "memory"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Memory"
    erased_along = True  # whatever refers to an erased row goes with it (memory.erasure.graph)

    def ready(self) -> None:
        """Register the system checks."""
        from memory import checks  # noqa: F401
