"""The loop in the Django admin: prompts, work, passes, workers, spending, and what it adds to the store's pages."""

from reasoning.admin import prompts, providers, quarantine, queue, spending, store_sections, work

__all__ = ["prompts", "providers", "quarantine", "queue", "spending", "store_sections", "work"]
