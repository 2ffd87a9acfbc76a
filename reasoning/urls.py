"""Addresses of metrics and health, of an app's queue, and of what operators do."""

from __future__ import annotations

from django.urls import path

from reasoning import views
from reasoning.api import chat, consolidation, experiments, prompts, query, reprocesses, rollbacks

_PROMPTS = "v1/apps/<str:app>/prompts"
_ROLLBACKS = "v1/apps/<str:app>/rollbacks"
_EXPERIMENTS = "v1/apps/<str:app>/experiments"
_EXPERIMENT = f"{_EXPERIMENTS}/<str:experiment>"
_REPROCESSES = "v1/apps/<str:app>/reprocesses"
_REPROCESS = f"{_REPROCESSES}/<str:reprocess>"

_USER = "v1/apps/<str:app>/users/<str:user>"
_SESSION = f"{_USER}/sessions/<str:session>"
_PLACES = (_SESSION, _USER, "v1/apps/<str:app>/projects/<str:project>")

urlpatterns = [
    *(path(f"{place}/query", query.Query.as_view()) for place in _PLACES),
    path(f"{_SESSION}/chat", chat.Chat.as_view()),
    path(f"{_SESSION}/chat/stream", chat.ChatStream.as_view()),
    *(path(f"{place}/representation/consolidate", consolidation.Consolidate.as_view()) for place in _PLACES),
    path("metrics", views.show_metrics, name="metrics"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("v1/apps/<str:app>/queue", views.Queue.as_view()),
    path(_PROMPTS, prompts.Prompts.as_view()),
    path(f"{_PROMPTS}/labels", prompts.Labels.as_view()),
    path(f"{_PROMPTS}/labels/<str:kind>/<str:label>", prompts.OneLabel.as_view()),
    path(f"{_PROMPTS}/<str:prompt>", prompts.Prompt.as_view()),
    path(f"{_PROMPTS}/<str:prompt>/diff", prompts.PromptDiff.as_view()),
    path(f"{_PROMPTS}/<str:prompt>/dry_run", prompts.DryRun.as_view()),
    path(_ROLLBACKS, rollbacks.Rollbacks.as_view()),
    path(f"{_ROLLBACKS}/<str:rollback>", rollbacks.OneRollback.as_view()),
    path(f"{_ROLLBACKS}/<str:rollback>/undo", rollbacks.Undo.as_view()),
    path(_EXPERIMENTS, experiments.Experiments.as_view()),
    path(_EXPERIMENT, experiments.OneExperiment.as_view()),
    path(f"{_EXPERIMENT}/measures", experiments.Measures.as_view()),
    path(f"{_EXPERIMENT}/start", experiments.Start.as_view()),
    path(f"{_EXPERIMENT}/ramp", experiments.Ramp.as_view()),
    path(f"{_EXPERIMENT}/pause", experiments.Pause.as_view()),
    path(f"{_EXPERIMENT}/resume", experiments.Resume.as_view()),
    path(f"{_EXPERIMENT}/stop", experiments.Stop.as_view()),
    path(f"{_EXPERIMENT}/promote", experiments.Promote.as_view()),
    path(f"{_EXPERIMENT}/pairs", experiments.Pairs.as_view()),
    path(f"{_EXPERIMENT}/assignment", experiments.Assignment.as_view()),
    path(_REPROCESSES, reprocesses.Reprocesses.as_view()),
    path(_REPROCESS, reprocesses.OneReprocess.as_view()),
    path(f"{_REPROCESS}/items", reprocesses.ReprocessItems.as_view()),
    path(f"{_REPROCESS}/sample", reprocesses.ReprocessSample.as_view()),
    path(f"{_REPROCESS}/start", reprocesses.Start.as_view()),
    path(f"{_REPROCESS}/pause", reprocesses.Pause.as_view()),
    path(f"{_REPROCESS}/resume", reprocesses.Resume.as_view()),
    path(f"{_REPROCESS}/cancel", reprocesses.Cancel.as_view()),
    path(f"{_REPROCESS}/promote", reprocesses.Promote.as_view()),
    path(f"{_REPROCESS}/discard", reprocesses.Discard.as_view()),
    path(f"{_REPROCESS}/undo", reprocesses.Undo.as_view()),
]
