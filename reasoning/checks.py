"""System checks of what would break the loop in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings as site_settings
from django.core.checks import CheckMessage, Error, Warning, register

from memory.conf import SETTING
from reasoning.conf import ReasoningSettings


@register("honcho")
def check_queue(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check what django-q2 does with our database connections and time-outs."""
    if not apps.is_installed("django_q"):
        return []
    found: list[CheckMessage] = []
    if site_settings.DATABASES["default"].get("OPTIONS", {}).get("pool"):
        found.append(
            Error(
                "The default database uses a psycopg pool, which django-q2's forked processes would share.",
                hint="Remove 'pool' from DATABASES['default']['OPTIONS'] and set CONN_MAX_AGE and CONN_HEALTH_CHECKS.",
                id="reasoning.E001",
            )
        )
    queue = getattr(site_settings, "Q_CLUSTER", {})
    if queue.get("catch_up", True):
        found.append(
            Warning(
                "django-q2 replays every missed run of a schedule after a pause, one in 30 s.",
                hint='Set Q_CLUSTER["catch_up"] to False.',
                id="reasoning.W001",
            )
        )
    timeout = queue.get("timeout")
    if not isinstance(getattr(site_settings, SETTING, {}), dict):
        return found  # memory.E001 says so
    settings = ReasoningSettings.load()
    if settings.problems():
        return found  # memory.E003 says so
    if timeout is not None and timeout < settings.drain_seconds + 2 * settings.model_timeout:
        found.append(
            Error(
                "django-q2 would kill the drain task in the middle of a model call.",
                hint='Set Q_CLUSTER["timeout"] to at least DRAIN_SECONDS + 2 x MODEL_TIMEOUT.',
                id="reasoning.E002",
            )
        )
    return found
