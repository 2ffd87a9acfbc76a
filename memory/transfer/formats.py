"""What an export's lines hold: a type of line for each table, read off the models.

Whatever column a model gets travels with it. Ids are written as the API writes them, moments in UTC, JSON as JSON. Rows
name only what stands before them in the file: what would name something later has lines of its own, at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from memory import ids
from memory.models import (
    App,
    ArchivedEvidence,
    ArchivedPlace,
    Collection,
    Conclusion,
    Correction,
    Document,
    Event,
    Evidence,
    Feedback,
    FeedEntry,
    KeptVersion,
    Line,
    Metamessage,
    Participant,
    Premise,
    Project,
    Representation,
    Ruling,
    Serving,
    Session,
    Span,
    Subject,
    User,
)

FORMAT = "honcho"
VERSION = 1

REFERENCE = "reference"
"""Marks a user, session or project that is only named: the export's rows speak of it, and it is not part of it."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A type of line. ``key`` tells its rows apart; ``subject`` is the way to the subject that they belong to.

    Rows without a subject belong to the app itself. ``updates`` is true of lines that fill in rows which are there.
    """

    name: str
    model: type[models.Model]
    subject: str | None = None
    key: tuple[str, ...] = ("id",)
    order: tuple[str, ...] = ("pk",)
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    updates: bool = False

    @cached_property
    def fields(self) -> Mapping[str, models.Field[Any, Any]]:
        """The columns of a line by name, without the app: a file is of one."""
        return {
            field.attname: field
            for field in self.model._meta.concrete_fields
            if field.name != "app"
            and not isinstance(field, models.AutoField)
            and field.name not in self.without
            and (not self.only or field.name in self.only)
        }

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.fields)

    @cached_property
    def references(self) -> Mapping[str, type[models.Model]]:
        """The columns that name rows of other lines, and of which model."""
        return {
            name: field.related_model
            for name, field in self.fields.items()
            if isinstance(field, models.ForeignKey) and isinstance(field.related_model, type)
        }

    @property
    def of_app(self) -> bool:
        """Whether its rows belong to the app itself, and say so in a column."""
        return self.subject is None


TABLES: Sequence[Table] = (
    Table("user", User),
    Table("project", Project),
    Table("session", Session),
    Table("participant", Participant, key=("session_id", "user_id")),
    Table("event", Event, without=("copied_from",)),  # it may name an event that is not part of the file
    Table("collection", Collection),
    Table("document", Document),
    Table("metamessage", Metamessage),
    Table("subject", Subject, without=("line", "current")),
    Table("feed", FeedEntry, "subject", key=("event_id", "subject_id"), order=("subject_id", "event_id")),
    Table("archived", ArchivedPlace, "subject", key=("subject_id", "thing"), order=("subject_id", "thing")),
    Table("line", Line, "subject", without=("head",)),
    Table("version", Representation, "subject", order=("subject_id", "number")),
    Table("conclusion", Conclusion, "subject"),
    Table(
        "rested",
        ArchivedEvidence,
        "conclusion__subject",
        key=("conclusion_id", "thing"),
        order=("conclusion_id", "thing"),
    ),
    Table("span", Span, "line__subject", key=("line_id", "conclusion_id", "since")),
    Table("evidence", Evidence, "conclusion__subject", key=("conclusion_id", "event_id")),
    Table("premise", Premise, "conclusion__subject", key=("conclusion_id", "premise_id")),
    Table("serving", Serving, "subject", key=("subject_id", "since")),
    Table("correction", Correction, "subject"),
    Table("ruling", Ruling, "representation__subject"),
    Table("feedback", Feedback, "subject"),
    Table("kept", KeptVersion, "representation__subject"),
    Table("head", Line, "subject", only=("id", "head"), updates=True),
    Table("current", Subject, only=("id", "line", "current"), updates=True),
)
"""In the order in which they stand in a file."""

BY_NAME = {table.name: table for table in TABLES}

NAMED = ("user", "project", "session")
"""The types of line that can be references, in the order in which they stand."""

REFERENCE_COLUMNS = {"user": ("id", "name"), "project": ("id", "name"), "session": ("id", "name", "owner_id")}

APP_COLUMNS = ("id", "name", "metadata", "created_at")


def rendered(fields: Iterable[models.Field[Any, Any]], values: Sequence[Any]) -> Row:
    """Return the part of a line that the values of these columns make."""
    return {field.attname: _shown(field, value) for field, value in zip(fields, values, strict=True)}


def line(kind: str, row: Mapping[str, Any]) -> bytes:
    """Return a line of a file."""
    return (
        json.dumps({"type": kind, **row}, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    )


def moment(value: datetime) -> str:
    """Return a moment as the file shows it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _shown(field: models.Field[Any, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, models.JSONField):
        return json.loads(value) if isinstance(value, str) else value
    match value:
        case UUID():
            return ids.encode(value)
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
    return value


def app_fields() -> list[models.Field[Any, Any]]:
    """Return the columns of the app's own line."""
    by_name = {field.name: field for field in App._meta.concrete_fields}
    return [by_name[name] for name in APP_COLUMNS]


def is_text_list(field: models.Field[Any, Any]) -> bool:
    """Say whether a column is a list of texts, not of numbers."""
    return isinstance(field, ArrayField) and isinstance(field.base_field, models.TextField)
