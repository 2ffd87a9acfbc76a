"""Which prompt version a subject falls to, and what is made beside what it is served."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from memory.models import Subject
from reasoning import labels


def recipes(subjects: Collection[Subject]) -> dict[UUID, str]:
    """Return by subject the recipe of the line that serves it from now on. A fixed number of statements."""
    apps: dict[str, set[UUID]] = {}
    for subject in subjects:
        apps.setdefault(subject.kind, set()).add(subject.app_id)
    live = {kind: labels.live_of(app_ids, kind) for kind, app_ids in apps.items()}
    return {subject.pk: live[subject.kind][subject.app_id].recipe for subject in subjects}
