"""The console's menu: the models that an operator goes to most, on every page of the console, in any site's admin.

It is made of what the admin itself says that somebody may see (``available_apps`` of its templates), so that it needs
no admin site of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_words: dict[str, tuple[int, str]] = {}

MAIN = 100
"""Entries below this place are always shown, the others behind “More”."""


def add(model: str, words: str, place: int) -> None:
    """Name a model (``memory.subject``) in the menu; one that the site does not show is left out."""
    _words[model] = (place, words)


def entries(apps: Iterable[dict[str, Any]], here: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the main entries and the others: each with its words, its address, and whether it is where ``here`` is.

    ``apps`` are the apps and models that somebody may see, as the admin's templates have them.
    """
    found = []
    for app in apps:
        for model in app["models"]:
            place, words = _words.get(f"{app['app_label']}.{model['object_name'].lower()}", (None, ""))
            if place is not None and (url := model.get("admin_url")):
                found.append({"place": place, "words": words, "url": url, "current": here.startswith(url)})
    found.sort(key=lambda entry: entry["place"])
    return [item for item in found if item["place"] < MAIN], [item for item in found if item["place"] >= MAIN]
