"""The loop's models, one family a module."""

from reasoning.models.prompts import PromptVersion
from reasoning.models.providers import ProviderState
from reasoning.models.quarantine import Quarantined
from reasoning.models.spending import Budget, Price, Spend
from reasoning.models.work import Pass, Work, Worker

__all__ = [
    "Budget",
    "Pass",
    "Price",
    "PromptVersion",
    "ProviderState",
    "Quarantined",
    "Spend",
    "Work",
    "Worker",
]
