"""What a buffer holds, and in which order it goes out. No thread and no network in here."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from honcho.resources import _places

MOST_EVENTS = 1_000
MOST_BYTES = 5 * 1024 * 1024
"""What the server takes in one write."""


class Place(NamedTuple):
    """Where events go: a session, a user or a project of an app."""

    app_id: str
    user_id: Optional[str]
    session_id: Optional[str]
    project_id: Optional[str]

    def address(self) -> str:
        """Return where its events are written. Raises ValueError where it is no place."""
        if self.session_id is not None and self.user_id is not None:
            return _places.session(self.app_id, self.user_id, self.session_id, "events")
        if self.session_id is not None:
            raise ValueError("Say whose session it is: give user_id too")
        if self.user_id is not None:
            return _places.user(self.app_id, self.user_id, "events")
        if self.project_id is not None:
            return _places.project(self.app_id, self.project_id, "events")
        raise ValueError("Say whose event it is: give user_id, user_id and session_id, or project_id")


class Entry(NamedTuple):
    """An event as it will be sent, with its number in the order of all that were added."""

    number: int
    encoded: bytes
    added: float


@dataclass
class Lane:
    """The events of one place, in order."""

    place: Place
    address: str
    entries: deque[Entry] = field(default_factory=deque)
    size: int = 0
    most: int = MOST_EVENTS
    """How many go out together: fewer after a refusal that does not say which event it means."""

    failures: int = 0
    not_before: float = 0.0

    def batch(self) -> list[Entry]:
        """Return the first events that fit into one write; they stay until they are taken out."""
        found: list[Entry] = []
        size = 1
        for entry in self.entries:
            size += len(entry.encoded) + 1
            if found and (len(found) == self.most or size > MOST_BYTES):
                break
            found.append(entry)
        return found


class Outbox:
    """Lanes, taking turns. Not for several threads at once: the buffer's lock guards it."""

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self._lanes: dict[Place, Lane] = {}
        self._added = 0

    @property
    def last(self) -> int:
        """The number of the event that was added last."""
        return self._added

    def add(self, place: Place, encoded: bytes, now: float) -> Lane:
        """Put an event at the end of its lane, and return that."""
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(place, place.address())
        self._added += 1
        lane.entries.append(Entry(self._added, encoded, now))
        lane.size += len(encoded)
        self.count += 1
        self.size += len(encoded)
        return lane

    def lanes(self) -> Collection[Lane]:
        """Return the lanes that hold something, the one whose turn it is first."""
        return self._lanes.values()

    def pass_turn(self, lane: Lane) -> None:
        """Let the other lanes go first."""
        if lane.place in self._lanes:
            self._lanes[lane.place] = self._lanes.pop(lane.place)

    def holds(self, number: int) -> bool:
        """Say whether an event is left that was added no later than this number."""
        return any(lane.entries[0].number <= number for lane in self._lanes.values())

    def take_out(self, lane: Lane, entries: list[Entry]) -> None:
        """Forget events of a lane: they are stored, or given back."""
        gone = {entry.number for entry in entries}
        lane.entries = deque(entry for entry in lane.entries if entry.number not in gone)
        size = sum(len(entry.encoded) for entry in entries)
        lane.size -= size
        self.count -= len(entries)
        self.size -= size
        if not lane.entries:
            del self._lanes[lane.place]


def body_of(entries: list[Entry]) -> bytes:
    """Return events as the body of one write."""
    return b"[" + b",".join(entry.encoded for entry in entries) + b"]"


def events_of(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return events as they were added."""
    return [json.loads(entry.encoded) for entry in entries]
