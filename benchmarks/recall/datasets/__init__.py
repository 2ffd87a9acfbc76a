"""The data sets that can be measured on, by name. A module is imported when its data set is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from benchmarks.recall.conversations import DataSet

DATASETS: dict[str, str] = {
    # name: "module:function", called with the path that was given as NAME=PATH, or None; returns a DataSet
    "own": "benchmarks.recall.datasets.own:load",
    "locomo": "benchmarks.recall.datasets.locomo:load",
    "beam": "benchmarks.recall.datasets.beam:load",
}


class CannotRead(Exception):
    """A data set is missing or is not what it should be; the text says where to get it."""


def dataset(name: str, path: Path | None) -> DataSet:
    """Return a data set. Raises KeyError for a name that is none, CannotRead."""
    module, attribute = DATASETS[name].split(":")
    found: DataSet = getattr(import_module(module), attribute)(path)
    return found


def origin(name: str) -> str:
    """Return in a sentence where a data set comes from. Raises KeyError."""
    where: str = import_module(DATASETS[name].split(":")[0]).WHERE
    return where
