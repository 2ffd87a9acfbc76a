"""The built-in reasoner: rules in plain Python, English first, offline and deterministic."""

from reasoning.providers.local.provider import MODEL, LocalProvider
from reasoning.providers.local.reasoner import reason

__all__ = ["MODEL", "LocalProvider", "reason"]
