"""Addresses of metrics and health, of an app's queue, and of what operators do."""

from __future__ import annotations

from django.urls import path

from reasoning import views
from reasoning.api import prompts

_PROMPTS = "v1/apps/<str:app>/prompts"

urlpatterns = [
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
]
