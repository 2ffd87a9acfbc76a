"""Corrections that were carried out when they were made: reasoners are shown them, and have nothing to add."""

from __future__ import annotations

from typing import Any

from reasoning.providers.base import ShownEvent


def carried_out(event: ShownEvent) -> dict[str, Any] | None:
    """Return what an event says was done to the memory (``memory.corrections``), None for any other event."""
    data = event.data
    if event.kind != "correction" or not isinstance(data, dict):
        return None
    return data if {"act", "conclusion", "statement"} <= data.keys() else None


def taken_out(event: ShownEvent) -> str | None:
    """Return the statement that an event took out of the memory, None where it took out none."""
    done = carried_out(event)
    if done is None or not (done["act"] == "retract" or "instead" in done):
        return None
    return str(done["statement"])
