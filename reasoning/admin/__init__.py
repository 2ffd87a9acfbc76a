"""The loop in the Django admin: prompt versions, work, passes, workers, and what it adds to the store's pages."""

from reasoning.admin import prompts, providers, quarantine, queue, store_sections, work

__all__ = ["prompts", "providers", "quarantine", "queue", "store_sections", "work"]
