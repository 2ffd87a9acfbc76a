"""The loop: prompts, providers, passes and the workers that run them."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_delete, post_migrate, post_save


class ReasoningConfig(AppConfig):
    """Django's handle on the loop."""

    name = "reasoning"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Reasoning"
    erased_along = True  # whatever refers to an erased row goes with it (memory.erasure.graph)

    def ready(self) -> None:
        """Register settings and checks, and listen to the store."""
        from memory.search import embedders
        from memory.signals import (
            events_appended,
            events_needed,
            history_needed,
            lines_moved,
            reading_awaited,
            text_erased,
        )
        from reasoning import checks, conf, erasing, signals  # noqa: F401
        from reasoning.models import Budget, Price

        embedders.register("provider", "reasoning.providers.embeddings.ProviderEmbedder")
        events_appended.connect(signals.on_events_appended, dispatch_uid="reasoning.events_appended")
        events_needed.connect(signals.on_events_needed, dispatch_uid="reasoning.events_needed")
        history_needed.connect(signals.on_history_needed, dispatch_uid="reasoning.history_needed")
        text_erased.connect(erasing.on_text_erased, dispatch_uid="reasoning.text_erased")
        lines_moved.connect(signals.on_lines_moved, dispatch_uid="reasoning.lines_moved")
        reading_awaited.connect(signals.on_reading_awaited, dispatch_uid="reasoning.reading_awaited")
        for model in (Budget, Price):
            for change in (post_save, post_delete):
                change.connect(signals.on_terms_changed, sender=model, dispatch_uid="reasoning.terms_changed")
        post_migrate.connect(_on_migrated, sender=self, dispatch_uid="reasoning.migrated")


def _on_migrated(**kwargs: Any) -> None:
    """See that there are prompts to work with and schedules to wake us, as far as their tables are there."""
    from reasoning import prompt_versions, wakeups

    if kwargs.get("using", "default") != "default":
        return
    state = kwargs.get("apps") or apps
    if all(
        _has(state, *name) for name in (("reasoning", "PromptVersion"), ("reasoning", "Label"), ("memory", "Audit"))
    ):
        prompt_versions.ensure_defaults()
    if _has(state, "django_q", "Schedule"):
        wakeups.ensure_schedules()


def _has(state: Any, label: str, model: str) -> bool:
    """Say whether a table is as the code knows it: ``migrate`` can be told to go part of the way, or back."""
    try:
        there = state.get_model(label, model)
    except LookupError:
        return False
    return {field.name for field in there._meta.fields} == {
        field.name for field in apps.get_model(label, model)._meta.fields
    }
