"""Shortens the times that no setting shortens."""

from __future__ import annotations

import sys

from django.apps import AppConfig


class ShortTimes(AppConfig):
    """No models: it only makes back-off, pauses and stops short, in each process that uses the settings."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        """Shorten. A constant that has another name now must not go unnoticed: the runs would take minutes."""
        from reasoning import circuit, disposition, watchdog

        for module, name, seconds in (
            (circuit, "SHORTEST_SECONDS", 0.5),
            (circuit, "LONGEST_SECONDS", 2.0),
            (disposition, "BACKOFF_SECONDS", 0.2),
            (disposition, "BACKOFF_CEILING_SECONDS", 1.5),
            (watchdog, "STOP_SLACK_SECONDS", 4.0),
        ):
            if not hasattr(module, name):
                raise AttributeError(f"{module.__name__} has no {name} any more: see tests/faults/apps.py.")
            setattr(module, name, seconds)
        if {"worker", "reason"} & set(sys.argv):
            # At the first call this would hold up heartbeats for a second or more, and the leases here are as short.
            import openai.resources.chat  # noqa: F401
