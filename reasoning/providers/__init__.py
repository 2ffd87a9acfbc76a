"""Who reasons: OpenAI-compatible servers or the built-in local reasoner, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reasoning.conf import ReasoningSettings
from reasoning.providers.base import Provider, Step

if TYPE_CHECKING:
    from reasoning.providers.openai_batch import OpenAIBatches


def configured(settings: ReasoningSettings) -> tuple[Step, ...]:
    """Return the chain that the settings name: their provider, then the fallbacks."""
    first = {"PROVIDER": settings.provider, "BASE_URL": settings.openai_base_url, "API_KEY": settings.openai_api_key}
    return (
        Step(_provider(settings, first, 1)),
        *(
            Step(
                _provider(settings, given, place),
                str(given.get("MODEL", "")),
                float(given.get("AFTER_SECONDS", settings.fallback_after_seconds)),
            )
            for place, given in enumerate(settings.fallbacks, start=2)
        ),
    )


def batches(settings: ReasoningSettings) -> OpenAIBatches | None:
    """Return the first provider of the chain as one that takes batches; None where it is the local reasoner."""
    if settings.provider == "local":
        return None
    from reasoning.providers.openai_batch import OpenAIBatches

    return OpenAIBatches(
        settings.openai_api_key,
        settings.openai_base_url or None,
        timeout=settings.model_timeout,
        output_tokens=settings.output_tokens,
    )


def _provider(settings: ReasoningSettings, given: Mapping[str, Any], place: int) -> Provider:
    """Make a provider. It is imported only now: the OpenAI SDK costs a second and 48 MiB."""
    if given["PROVIDER"] == "local":
        from reasoning.providers.local import LocalProvider

        return LocalProvider()
    from reasoning.providers.openai_chat import OpenAIChat

    # The key goes nowhere but where it belongs.
    key = given.get("API_KEY", "" if "BASE_URL" in given else settings.openai_api_key)
    return OpenAIChat(
        str(key),
        str(given.get("BASE_URL", settings.openai_base_url)) or None,
        timeout=settings.model_timeout,
        name="openai" if place == 1 else str(given.get("NAME", f"openai-{place}")),
        output_tokens=settings.output_tokens,
    )
