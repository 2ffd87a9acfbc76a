"""Which events are in the log no more, for whoever meets their ids: statements rest on them still."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from memory.models import Archive, Event, Subject


def archived_at(events: Iterable[UUID]) -> dict[UUID, datetime]:
    """Return when each of these events was taken out of the log, of those that were. One statement."""
    done = list(Archive.objects.exclude(state=Archive.State.WRITING).order_by("pk"))
    return {
        event: one.done_at or one.created_at
        for event in events
        for one in done
        if (one.first is None or event >= one.first) and event < one.before
    }


def archived_among(subject: Subject, events: Collection[UUID]) -> set[UUID]:
    """Return which of these events were archived, as far as the subject's statements may rest on them.

    Where an event is no more, nothing says whose feed it was in: of a subject of which nothing was archived, none.
    """
    if not subject.archived_to:
        return set()
    there = Event.objects.filter(pk__in=events).values_list("pk", flat=True)
    return set(archived_at(events)).difference(there)
