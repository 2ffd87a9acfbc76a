"""Tags for pages about prompts: a version by its short name, shares as per cent."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from memory.templatetags.honcho_admin import to
from reasoning import prompt_versions
from reasoning.models import PromptVersion

register = template.Library()


@register.filter
def prompt_name(version: PromptVersion) -> str:
    """Return what a prompt version is called: ``user-3``."""
    return prompt_versions.name_of(version)


@register.simple_tag(takes_context=True)
def prompt(context: Context, version: PromptVersion) -> SafeString | str:
    """Link to a prompt version by what it is called."""
    return to(context, version, prompt_versions.name_of(version))


@register.filter
def percent(share: float) -> str:
    """Return a share, 0 to 1, as per cent."""
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


@register.simple_tag
def share(count: int, of: int) -> str:
    """Return how much of a number another is, as per cent."""
    return percent(count / of) if of else "–"
