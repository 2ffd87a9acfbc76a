"""Addresses of metrics, health and an app's queue."""

from __future__ import annotations

from django.urls import path

from reasoning import views

urlpatterns = [
    path("metrics", views.show_metrics, name="metrics"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("v1/apps/<str:app>/queue", views.Queue.as_view()),
]
