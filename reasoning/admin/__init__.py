"""The loop in the Django admin: prompts, work, passes, workers, spending, and what it adds to the store's pages."""

from memory.admin import menu
from reasoning.admin import (
    experiments,
    labels,
    overview,
    prompts,
    providers,
    quarantine,
    queue,
    reprocessing,
    rollbacks,
    spending,
    store_sections,
    subject_acts,
    trials,
    work,
)

menu.add("reasoning.overview", "Overview", 0)
menu.add("reasoning.promptversion", "Prompts", 30)
menu.add("reasoning.experiment", "Experiments", 40)
menu.add("reasoning.reprocess", "Reprocess runs", 50)
menu.add("reasoning.rollback", "Rollbacks", 105)
menu.add("reasoning.quarantined", "Quarantine", 70)
menu.add("reasoning.work", "Work", 80)
menu.add("reasoning.budget", "Budgets", 108)
menu.add("reasoning.pass", "Passes", 200)
menu.add("reasoning.batch", "Batches", 205)
menu.add("reasoning.spend", "Spending", 210)
menu.add("reasoning.price", "Prices", 220)
menu.add("reasoning.providerstate", "Providers", 230)
menu.add("reasoning.worker", "Workers", 240)
menu.add("reasoning.trial", "Dry runs", 250)
menu.add("reasoning.labelmove", "Label moves", 260)

__all__ = [
    "experiments",
    "labels",
    "overview",
    "prompts",
    "providers",
    "quarantine",
    "queue",
    "reprocessing",
    "rollbacks",
    "spending",
    "store_sections",
    "subject_acts",
    "trials",
    "work",
]
