"""The systems that can be measured, by name. A module is imported when its system is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from benchmarks.recall.systems.base import System

SYSTEMS: dict[str, str] = {
    # name: "module:callable", called with the system's options; returns a System
}


def system(name: str, options: Mapping[str, str]) -> System:
    """Return a system, not yet started. Raises KeyError for a name that is none."""
    module, attribute = SYSTEMS[name].split(":")
    made: System = getattr(import_module(module), attribute)(options)
    return made
