"""The loop's models, one family a module."""

from reasoning.models.experiments import Arm, Comparison, Experiment, ExperimentAct
from reasoning.models.overview import Overview
from reasoning.models.prompts import Label, LabelMove, PromptVersion
from reasoning.models.providers import ProviderState
from reasoning.models.quarantine import Quarantined
from reasoning.models.reprocessing import Batch, Reprocess, ReprocessItem
from reasoning.models.rollbacks import Rollback, RolledBack
from reasoning.models.spending import Budget, Price, Spend
from reasoning.models.trials import Trial
from reasoning.models.work import Pass, Work, Worker

__all__ = [
    "Arm",
    "Batch",
    "Budget",
    "Comparison",
    "Experiment",
    "ExperimentAct",
    "Label",
    "LabelMove",
    "Overview",
    "Pass",
    "Price",
    "PromptVersion",
    "ProviderState",
    "Quarantined",
    "Reprocess",
    "ReprocessItem",
    "Rollback",
    "RolledBack",
    "Spend",
    "Trial",
    "Work",
    "Worker",
]
