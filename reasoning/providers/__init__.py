"""Who reasons: an OpenAI-compatible server or the built-in local reasoner."""

from __future__ import annotations

from reasoning.conf import ReasoningSettings
from reasoning.providers.base import Provider


def configured(settings: ReasoningSettings) -> Provider:
    """Return the provider that the settings name. Imports it only now: the OpenAI SDK costs a second and 48 MiB."""
    if settings.provider == "openai":
        from reasoning.providers.openai import OpenAIProvider

        return OpenAIProvider(settings.openai_api_key, settings.openai_base_url or None, timeout=settings.model_timeout)
    from reasoning.providers.local import LocalProvider

    return LocalProvider()
