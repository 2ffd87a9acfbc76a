"""The loop: prompts, providers, passes and the workers that run them."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save


class ReasoningConfig(AppConfig):
    """Django's handle on the loop."""

    name = "reasoning"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Reasoning"

    def ready(self) -> None:
        """Register settings and checks, and listen to the store."""
        from memory.signals import events_appended
        from reasoning import checks, conf, prompt_versions, signals  # noqa: F401
        from reasoning.models import Budget, Price
        from reasoning.wakeups import ensure_schedules

        events_appended.connect(signals.on_events_appended, dispatch_uid="reasoning.events_appended")
        for model in (Budget, Price):
            for change in (post_save, post_delete):
                change.connect(signals.on_terms_changed, sender=model, dispatch_uid="reasoning.terms_changed")
        post_migrate.connect(prompt_versions.on_migrated, sender=self, dispatch_uid="reasoning.prompts")
        post_migrate.connect(ensure_schedules, sender=self, dispatch_uid="reasoning.schedule")
