"""What is measured on: conversations of turns, and questions whose answers rest on some of the turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """One event of a conversation."""

    id: str
    """Unique in the conversation."""
    session: str
    author: str
    text: str
    at: datetime
    """Aware, UTC."""
    kind: str = "message"
    """``message``, ``tool_call``, ``tool_result`` or a kind of the data set's own."""
    project: str | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what is known of its answer."""

    id: str
    text: str
    answer: str | None
    """None where the conversation does not tell."""
    gold: tuple[str, ...]
    """The ids of the turns that answer it."""
    stale: tuple[str, ...] = ()
    """The ids of turns that once answered it and no longer do."""
    category: str = ""
    asked_at: datetime | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    """Where it is asked, such as ``{"project": "atlas"}``; empty: of everything."""

    def asked(self) -> Question:
        """Return what a system may see of it: the text, when and where it is asked."""
        return replace(self, answer=None, gold=(), stale=(), category="")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns in the order in which they were said, and the questions about them."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class DataSet:
    """Conversations of one origin."""

    name: str
    version: str
    """Tells two contents apart: a hash of the files, or a version that is counted up."""
    conversations: tuple[Conversation, ...]
